"""``at2-rag answer``: the questions of whole data sets, answered with citations into a folder."""

from __future__ import annotations

from at2_rag.cli import engines, options
from at2_rag.cli.auditing import AuditChoices, ModelChoices, audit_log
from at2_rag.cli.loading import prompt_setting, proof_settings, rank_setting, score_setting
from at2_rag.known_estimators import AUTO


def answer_log(
    files: options.LogFiles,
    out: options.LogOut,
    model: options.Model = None,
    prune_to: options.PruneTo = None,
    rank_by: options.RankBy = options.RankKind.draft,
    estimator: options.Estimator = AUTO,
    source_unit: options.Unit = options.SourceUnit.sentence,
    max_new_tokens: options.MaxNewTokens = 256,
    max_citations: options.MaxCitations = 3,
    on_overflow: options.Overflow = options.OnOverflow.error,
    system: options.System = None,
    language: options.Language = "english",
    prompt: options.Prompt = None,
    dtype: options.DtypeOption = options.Dtype.auto,
    device: options.Device = "auto",
    score_by: options.ScoreBy = options.ScoreKind.attention,
    prove: options.Prove = None,
    prove_by: options.ProveBy = None,
    groundedness: options.Groundedness = False,
    scores: options.Scores = False,
    record_format: options.Format = options.RecordFormat.jsonl,
    rows_per_part: options.RowsPerPart = 64,
    engine: engines.EngineOption = engines.Engine.local,
    actors: engines.Actors = None,
    gpus: engines.Gpus = None,
    cpus: engines.Cpus = 1,
    address: engines.Address = None,
) -> None:
    """Answer every question of a data set from the passages in its row, with citations.

    Interrupted, the same command goes on where it stopped. Rows that cannot be used are set apart.
    """
    settings = {
        "source_unit": source_unit.value,
        "max_new_tokens": max_new_tokens,
        "max_citations": max_citations,
        "on_overflow": on_overflow.value,
        "system": system,
        "language": language,
        **rank_setting(rank_by, prune_to),
        **score_setting(score_by),
        **proof_settings(prove, prove_by),
        "groundedness": groundedness,
    }
    choices = AuditChoices(record_format.value, rows_per_part, settings, scores, True, prune_to)
    workers = engines.Workers(engine, actors, gpus, cpus, address)
    chosen = ModelChoices(model, dtype.value, device, estimator, prompt_setting(prompt))
    audit_log(files, out, choices, chosen, workers)
