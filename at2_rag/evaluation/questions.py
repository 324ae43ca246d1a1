"""Questions that the passages answer beside questions that they do not, and what answers say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from at2_rag.datasets.context import parse_clapnq
from at2_rag.datasets.example import TrainingExample
from at2_rag.datasets.rows import Row
from at2_rag.datasets.tables import parsed_rows, read_table
from at2_rag.worlds import generate_examples
from at2_rag.worlds.schema import UNKNOWN

#: What precedes the short answer, as in the paper's appendix A.6.
FINAL_ANSWER_MARK = "Final answer: "


@dataclass(frozen=True)
class Question:
    """A question that the passages answer, or not.

    Attributes:
        example: The question with its passages.
        answerable: Whether the passages answer the question.
        final_answer: The right short answer; ``None`` where there is none, or none to compare with.
    """

    example: TrainingExample
    answerable: bool
    final_answer: str | None = None


def world_questions(
    seed: int,
    answerable: int,
    unanswerable: int,
    num_passages: int = 6,
    hops: Sequence[int] = (1,),
) -> list[Question]:
    """Return questions about generated worlds, those with an answer first.

    Questions without one ask for a single fact, so that those with one are most alike if they do.

    Args:
        seed: Which worlds and questions are drawn; the same seed gives the same questions.
        answerable: How many questions have an answer in their passages.
        unanswerable: How many questions have no answer in their passages.
        num_passages: How many passages each question has.
        hops: How many facts an answer needs, 1 or 2; the numbers are taken in turn.
    """
    streams = {count: generate_examples(seed, num_passages, count) for count in hops}
    found = [next(streams[count]) for count in islice(cycle(hops), answerable)]
    in_vain = islice(generate_examples(seed, num_passages, "unanswerable"), unanswerable)
    return [
        Question(
            TrainingExample(f"world-{seed}-{index}", world.question, world.passages),
            world.hops > 0,
            world.final_answer if world.hops else None,
        )
        for index, world in enumerate([*found, *in_vain])
    ]


def clapnq_questions(path: str | Path) -> list[Question]:
    """Read ClapNQ's rows from a local file, as the hub has them.

    A question has an answer if an annotator wrote one. Answers are long and free, so there is
    nothing to compare with.

    Raises:
        FileFormatError: If the file cannot be read or a row is bad; with its place.
    """
    table = read_table(Path(path), "clapnq")
    rows = (table.row(index) for index in range(len(table.rows)))
    return list(parsed_rows(rows, "clapnq", _clapnq_question))


def _clapnq_question(row: Row) -> Question | None:
    example = parse_clapnq(row)
    answers = [record.optional_text("answer") for record in row.records("output")]
    if example is None:
        return None
    return Question(example, any(answer.strip() for answer in answers))


def says_unknown(text: str) -> bool:
    """Return whether an answer says, in the made-up worlds' words, that the passages do not."""
    return UNKNOWN in text or final_answer_in(text) == "unknown"


def final_answer_in(text: str) -> str | None:
    """Return the short answer at the end of an answer; ``None`` where there is none."""
    _, mark, final = text.rpartition(FINAL_ANSWER_MARK)
    return final.strip() if mark else None
