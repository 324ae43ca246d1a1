"""An answer from a reader to the screen, with all that is to be said of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from at2_rag.cli.console import note, show, spinner, stdout

if TYPE_CHECKING:
    from pathlib import Path

    from at2_rag import Answer, Passage, Reader
    from at2_rag.ablation.verification import Verification


def answer_on_screen(
    reader: Reader, question: str, passages: Sequence[Passage], **options: Any
) -> Answer:
    """Have a question answered, and write the marked answer to stdout.

    A terminal gets it as it is made; a pipe gets it whole, and each paragraph in one line.

    Args:
        reader: The reader that answers.
        question: What it is to answer.
        passages: What it is to answer from.
        options: As for :meth:`Reader.answer`.
    """
    if not stdout().is_terminal:
        answer = answer_at_once(reader, question, passages, **options)
        show_marked(answer)
        return answer
    from at2_rag.cli.streamed import write_as_it_comes

    events = reader.stream(question, passages, **options)
    with spinner(_reading(passages)) as waiting, closing(events):
        return write_as_it_comes(events, waiting)


def answer_at_once(
    reader: Reader, question: str, passages: Sequence[Passage], **options: Any
) -> Answer:
    """Have a question answered, and write nothing; it takes what the other does."""
    with spinner(_reading(passages)):
        return reader.answer(question, passages, **options)


def _reading(passages: Sequence[Passage]) -> str:
    return f"answering from {counted(len(passages), 'passage')}"


def counted(number: int, what: str) -> str:
    """Return such as "1 passage" or "3 passages"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def show_marked(answer: Answer) -> None:
    """Write an answer that is there, with its marks; of an empty one, nothing."""
    from at2_rag.cli.render import marked_answer

    if answer.text:
        show(marked_answer(answer))


def note_what_happened(answer: Answer) -> None:
    """Tell what was left out, pruned, cut off, or is not known."""
    from at2_rag.answer.remarks import unknown_in_words

    if answer.dropped:
        note(f"left out what did not fit the model's context: {names_of(answer, answer.dropped)}")
    if answer.shortened:
        cut = [index for index, _ in answer.shortened]
        note(f"cut off the ends of what did not fit the model's context: {names_of(answer, cut)}")
    if answer.draft is not None:
        note(
            f"pruned {counted(len(answer.draft.kept), 'passage')} to the {len(answer.kept)} that "
            f"a draft used most: {names_of(answer, answer.kept)}"
        )
    elif pruned := answer.pruned:
        note(
            f"pruned {counted(len(pruned) + len(answer.kept), 'passage')} to the "
            f"{len(answer.kept)} that the question looks at most: {names_of(answer, answer.kept)}"
        )
    if answer.citations and not answer.calibrated:
        note(unknown_in_words(answer.estimator))
    if answer.truncated:
        where = "" if answer.thoughts is None or answer.thoughts.finished else " in its thoughts"
        note(f"the answer was cut off{where}; --max-new-tokens allows a longer one")
    elif not answer.text:
        note("the model answered with nothing")


def names_of(answer: Answer, indices: Sequence[int]) -> str:
    """Return what some of an answer's passages are called, in a line."""
    passages = [answer.passages[index] for index in indices]
    return ", ".join(
        p.id or p.title or f"passage {i + 1}" for i, p in zip(indices, passages, strict=True)
    )


def show_sources(answer: Answer, *, thoughts: bool = False) -> None:
    """Write what an answer goes back to, and what was thought before it where that is wanted.

    Args:
        answer: The answer, whose text has been written.
        thoughts: Whether to write the thoughts, with their marks.
    """
    from at2_rag.cli.render import hung_references, marked_thoughts

    if answer.text:
        show("", hung_references(answer))
    if answer.thoughts is not None and thoughts:
        show("", "Thoughts before it:", marked_thoughts(answer.thoughts))
    elif answer.thoughts is not None:
        said = counted(len(answer.thoughts.statements), "sentence")
        note(f"{said} of thoughts; --thoughts shows them")


def proof_if(wanted: bool, reader: Reader, answer: Answer) -> Verification | None:
    """Return what leaving out an answer's citations does to it, where that is wanted."""
    if not (wanted and answer.statements):
        return None
    with spinner("leaving out what is cited"):
        return reader.verify(answer)


def write_page(path: Path | None, answer: Answer, proof: Verification | None) -> None:
    """Write an answer as a page, and say so; nothing without a path.

    Args:
        path: The file to write.
        answer: The answer that the page shows.
        proof: What leaving out its citations did; ``None`` if nobody tried.
    """
    if path is not None:
        path.write_text(answer.to_html(evidence=proof), encoding="utf-8")
        note(f"wrote {path}, to be opened in a browser")


def show_proof(proof: Verification | None) -> None:
    """Write what leaving out the citations did, if anybody did."""
    from at2_rag.cli.render import proof_of

    if proof is not None:
        show("", proof_of(proof))
