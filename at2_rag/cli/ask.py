"""``at2-rag ask``: one question, answered from files, with citations."""

from __future__ import annotations

from at2_rag.cli import options
from at2_rag.cli.as_json import as_json
from at2_rag.cli.console import note, show_json
from at2_rag.cli.gathering import check_question, keep_best, read_files
from at2_rag.cli.loading import (
    load_reader,
    naming_demo_reader,
    note_demo_reader,
    prompt_setting,
    proof_settings,
    rank_setting,
    score_setting,
)
from at2_rag.cli.outputs import check_file
from at2_rag.cli.showing import (
    answer_at_once,
    answer_on_screen,
    note_what_happened,
    proof_if,
    show_proof,
    show_sources,
    write_page,
)
from at2_rag.known_estimators import AUTO


def ask(
    question: options.Question,
    more_files: options.MoreFiles = None,
    passages: options.Files = None,
    model: options.Model = None,
    prune_to: options.PruneTo = None,
    rank_by: options.RankBy = options.RankKind.draft,
    estimator: options.Estimator = AUTO,
    source_unit: options.Unit = options.SourceUnit.sentence,
    max_new_tokens: options.MaxNewTokens = 256,
    max_citations: options.MaxCitations = 3,
    on_overflow: options.Overflow = options.OnOverflow.error,
    max_passages: options.MaxPassages = 20,
    system: options.System = None,
    language: options.Language = "english",
    prompt: options.Prompt = None,
    dtype: options.DtypeOption = options.Dtype.auto,
    device: options.Device = "auto",
    thoughts: options.Thoughts = False,
    verify: options.Verify = False,
    score_by: options.ScoreBy = options.ScoreKind.attention,
    prove: options.Prove = None,
    prove_by: options.ProveBy = None,
    groundedness: options.Groundedness = False,
    json: options.AsJson = False,
    scores: options.Scores = False,
    html: options.Html = None,
) -> None:
    """Answer a question from files, and cite what the model used.

    The answer goes to stdout, on a terminal as it is made, and everything about it to stderr.
    """
    check_question(question)
    check_file(html)
    asked, proving = prompt_setting(prompt), proof_settings(prove, prove_by)
    scoring = score_setting(score_by)
    read = read_files([*(passages or []), *(more_files or [])])
    read = keep_best(question, read, max_passages, "the question")
    if prune_to is not None and prune_to >= len(read):
        note(f"there are no more than {len(read)} passages, so nothing is pruned")
    ranking = rank_setting(rank_by, prune_to)
    note_demo_reader(model)
    reader = load_reader(model, dtype=dtype.value, device=device, estimator=estimator, **asked)
    answered = answer_at_once if json else answer_on_screen
    with naming_demo_reader(model):
        answer = answered(
            reader,
            question,
            read,
            prune_to=prune_to,
            source_unit=source_unit.value,
            max_new_tokens=max_new_tokens,
            max_citations=max_citations,
            on_overflow=on_overflow.value,
            system=system,
            language=language,
            **ranking,
            **scoring,
            **proving,
            groundedness=groundedness,
        )
    note_what_happened(answer)
    proof = proof_if(verify, reader, answer)
    write_page(html, answer, proof)
    if json:
        show_json(as_json(answer, proof, scores=scores))
        return
    show_sources(answer, thoughts=thoughts)
    show_proof(proof)
