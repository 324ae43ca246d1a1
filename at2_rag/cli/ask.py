"""``at2-rag ask``: one question, answered from files, with citations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from at2_rag.cli import options
from at2_rag.cli.console import note, show, show_json, spinner
from at2_rag.cli.loading import DEMO, EXAMPLE_MODEL, load_reader
from at2_rag.documents.passages import check_text
from at2_rag.errors import InputError
from at2_rag.known_estimators import AUTO

if TYPE_CHECKING:
    from at2_rag import Answer, Passage


def ask(
    question: options.Question,
    more_files: options.MoreFiles = None,
    passages: options.Files = None,
    model: options.Model = None,
    prune_to: options.PruneTo = None,
    estimator: options.Estimator = AUTO,
    source_unit: options.Unit = options.SourceUnit.sentence,
    max_new_tokens: options.MaxNewTokens = 256,
    max_citations: options.MaxCitations = 3,
    on_overflow: options.Overflow = options.OnOverflow.error,
    max_passages: options.MaxPassages = 20,
    system: options.System = None,
    dtype: options.DtypeOption = options.Dtype.auto,
    device: options.Device = "auto",
    thoughts: options.Thoughts = False,
    verify: options.Verify = False,
    prove: options.Prove = None,
    as_json: options.AsJson = False,
) -> None:
    """Answer a question from files, and cite what the model used.

    The answer goes to stdout, and everything about it to stderr.
    """
    read = _gather(question, [*(passages or []), *(more_files or [])], max_passages)
    if prune_to is not None and prune_to >= len(read):
        note(f"there are no more than {len(read)} passages, so nothing is pruned")
    if model is None:
        _note_demo_reader()
    reader = load_reader(model or DEMO, dtype=dtype.value, device=device, estimator=estimator)
    with spinner(f"answering from {len(read)} passages"):
        answer = reader.answer(
            question,
            read,
            prune_to=prune_to,
            source_unit=source_unit.value,
            max_new_tokens=max_new_tokens,
            max_citations=max_citations,
            on_overflow=on_overflow.value,
            system=system,
            prove=prove,
        )
    evidence = None
    if verify and answer.statements:
        with spinner("leaving out what is cited"):
            evidence = reader.verify(answer)
    _note_what_happened(answer)
    if as_json:
        proof = {} if evidence is None else {"verification": evidence.to_dict()}
        show_json(answer.to_dict() | proof)
        return
    _show(answer, thoughts=thoughts)
    if evidence is not None:
        from at2_rag.cli.render import proof_of

        show("", proof_of(evidence))


def _note_demo_reader() -> None:
    note(
        "no --model was given, so the demo reader answers, which knows a made-up world and "
        f"nothing else. Name a real one: --model {EXAMPLE_MODEL}"
    )


def _gather(question: str, paths: Sequence[Path], most: int) -> list[Passage]:
    """Read the passages and keep the best, before any model is loaded."""
    if not question.strip():
        raise InputError("The question is empty; expected one, in quotes, before the options.")
    check_text("question", question)
    if not paths:
        raise InputError("No passages; expected --passages with a file or folder to answer from.")
    from at2_rag.documents.bm25 import best_by_bm25
    from at2_rag.documents.files import read_passages

    with spinner("reading files"):
        read = read_passages(paths)
    kept = best_by_bm25(question, read, most)
    if len(kept) < len(read):
        note(
            f"read {len(read)} passages, kept the {len(kept)} best by BM25 of the question; "
            "--max-passages keeps more"
        )
    return [read[index] for index in kept]


def _note_what_happened(answer: Answer) -> None:
    if answer.dropped:
        note(f"left out what did not fit the model's context: {_names(answer, answer.dropped)}")
    if answer.shortened:
        cut = [index for index, _ in answer.shortened]
        note(f"cut off the ends of what did not fit the model's context: {_names(answer, cut)}")
    if answer.draft is not None:
        note(
            f"pruned {len(answer.draft.kept)} passages to the {len(answer.kept)} that a draft "
            f"used most: {_names(answer, answer.kept)}"
        )
    if answer.truncated:
        where = "" if answer.thoughts is None or answer.thoughts.finished else " in its thoughts"
        note(f"the answer was cut off{where}; --max-new-tokens allows a longer one")


def _names(answer: Answer, indices: Sequence[int]) -> str:
    passages = [answer.passages[index] for index in indices]
    return ", ".join(
        p.id or p.title or f"passage {i + 1}" for i, p in zip(indices, passages, strict=True)
    )


def _show(answer: Answer, *, thoughts: bool) -> None:
    from at2_rag.cli.render import marked_answer, marked_thoughts, references

    if answer.thoughts is not None and thoughts:
        show(marked_thoughts(answer.thoughts), "")
    elif answer.thoughts is not None:
        note(f"{len(answer.thoughts.statements)} sentences of thoughts; --thoughts shows them")
    if not answer.text:
        note("the model answered with nothing")
        return
    show(marked_answer(answer), "", references(answer))
