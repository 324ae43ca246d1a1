"""``at2-rag cite``: an answer from anywhere, with citations of what it goes back to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from at2_rag.cli import engines, options
from at2_rag.cli.as_json import as_json
from at2_rag.cli.auditing import (
    AuditChoices,
    ModelChoices,
    audit_log,
    refuse_cluster,
    refuse_with_out,
)
from at2_rag.cli.console import note_now, show_json, spinner
from at2_rag.cli.gathering import check_question, keep_best, read_files
from at2_rag.cli.loading import (
    load_reader,
    naming_demo_reader,
    note_demo_reader,
    prompt_setting,
    proof_settings,
    score_setting,
)
from at2_rag.cli.outputs import check_file
from at2_rag.cli.showing import (
    counted,
    note_what_happened,
    proof_if,
    show_marked,
    show_proof,
    show_sources,
    write_page,
)
from at2_rag.errors import FileFormatError, InputError
from at2_rag.known_estimators import AUTO

_STDIN = Path("-")


# Files alone, without an option, are logs where there is --out; else passages beside an answer, as
# they are of ``ask``.
def cite(
    more_files: options.PassagesOrLogs = None,
    answer: options.AnswerFile = None,
    question: options.QuestionOption = None,
    passages: options.Files = None,
    model: options.Model = None,
    estimator: options.Estimator = AUTO,
    source_unit: options.Unit = options.SourceUnit.sentence,
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
    out: options.Out = None,
    record_format: options.Format = options.RecordFormat.jsonl,
    rows_per_part: options.RowsPerPart = 64,
    engine: engines.EngineOption = engines.Engine.local,
    actors: engines.Actors = None,
    gpus: engines.Gpus = None,
    cpus: engines.Cpus = 1,
    address: engines.Address = None,
) -> None:
    """Cite an answer from anywhere, as if the model had given it; or every answer of a log.

    Nothing is generated: the model reads passages, question and answer once, with its thoughts.

    With --out, each row of the FILEs has its own question, passages and answer.
    """
    cited: dict[str, Any] = {
        "source_unit": source_unit.value,
        "max_citations": max_citations,
        "on_overflow": on_overflow.value,
        "system": system,
        "language": language,
        **score_setting(score_by),
        **proof_settings(prove, prove_by),
        "groundedness": groundedness,
    }
    asked = prompt_setting(prompt)
    workers = engines.Workers(engine, actors, gpus, cpus, address)
    if out is not None:
        refuse_with_out(
            answer=answer, question=question, passages=passages, verify=verify, html=html
        )
        chosen = ModelChoices(model, dtype.value, device, estimator, asked)
        choices = AuditChoices(record_format.value, rows_per_part, cited, scores)
        audit_log(more_files, out, choices, chosen, workers)
        return
    refuse_cluster(workers)
    answer, question = _given(answer, question)
    check_question(question)
    check_file(html)
    files = read_files([*(passages or []), *map(Path, more_files or [])])
    text = _text_of(answer)
    of = "question and answer"
    read = keep_best(f"{question}\n{text}", files, max_passages, of)
    note_demo_reader(model)
    reader = load_reader(model, dtype=dtype.value, device=device, estimator=estimator, **asked)
    reading = spinner(f"reading the answer after {counted(len(read), 'passage')}")
    with naming_demo_reader(model), reading:
        found = reader.attribute(question, read, text, **cited)
    note_what_happened(found)
    proof = proof_if(verify, reader, found)
    write_page(html, found, proof)
    if json:
        show_json(as_json(found, proof, scores=scores))
        return
    show_marked(found)
    show_sources(found, thoughts=thoughts)
    show_proof(proof)


def _given(answer: Path | None, question: str | None) -> tuple[Path, str]:
    """Return answer and question.

    Raises:
        InputError: If one of them was not given.
    """
    if answer is None:
        raise InputError(
            "No answer; expected --answer with a text file, or - for standard input. For a log "
            "with a question and an answer in each row, name a folder: --out."
        )
    if question is None:
        raise InputError("No question; expected --question with what the answer is an answer to.")
    return answer, question


def _text_of(path: Path) -> str:
    """Return the text of a file, or what standard input has.

    Raises:
        FileFormatError: If it cannot be read, is not UTF-8, or says nothing.
    """
    name = "standard input" if path == _STDIN else str(path)
    try:
        text = _bytes_of(path).decode("utf-8-sig")
    except OSError as error:
        raise FileFormatError(
            f"--answer {name}: cannot be read: {error.strerror or error}; expected a text file. To "
            "cite a text itself, pipe it: echo TEXT | at2-rag cite --answer - …"
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise FileFormatError(
            f"--answer {name}: line {line} is not UTF-8; convert it to UTF-8."
        ) from error
    if not text.strip():
        raise FileFormatError(f"--answer {name}: there is nothing in it; expected an answer.")
    return text


def _bytes_of(path: Path) -> bytes:
    if path != _STDIN:
        return path.read_bytes()
    stream = typer.get_binary_stream("stdin")
    if stream.isatty():
        note_now("the answer is read from here; Ctrl-D ends it")
    return stream.read()
