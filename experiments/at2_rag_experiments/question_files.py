"""Files of questions with passages, and of what is known about the right answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from at2_rag.datasets.example import TrainingExample
from at2_rag.datasets.example_files import read_examples
from at2_rag.datasets.rows import Row
from at2_rag.datasets.tables import read_table
from at2_rag.documents.passages import Passage
from at2_rag.errors import FileFormatError, InputError

from at2_rag_experiments.gold_question import GoldQuestion

_ENDING = ".jsonl"
_ItemT = TypeVar("_ItemT")


def is_question_file(data: str) -> bool:
    """Return whether data are a file of questions, and no ``NAME`` or ``NAME=FILE``."""
    return data.endswith(_ENDING) and "=" not in data


def in_drawn_order(items: Sequence[_ItemT], seed: int) -> list[_ItemT]:
    """Return what a file holds in an order that the seed draws, as rows of data sets come."""
    return Random(f"at2-questions-{seed}").sample(items, len(items))


def read_questions(path: str | Path) -> list[GoldQuestion]:
    """Read questions and what is known about their answers, in the order that they have.

    Each line is an example as :func:`at2_rag.training.read_examples` reads it, with two more keys:
    ``gold_answer``, the right short answer, and ``gold``, a list of ``[passage index, start, end]``
    with the places of the facts that it takes, in characters of the passage's text. Questions with
    an empty answer or no such place are left out: there is nothing to compare with.

    Raises:
        FileFormatError: If the file cannot be read or a line is bad; with path and line number.
        InputError: If no question is left.
    """
    examples = read_examples(path)
    table = read_table(Path(path), "line")
    found = []
    for index, example in enumerate(examples):
        placed = table.row(index)
        try:
            question = _question(example, Row(placed.value))
        except InputError as error:
            raise FileFormatError(f"{placed.place}: {error}") from error
        if question is not None:
            found.append(question)
    if not found:
        raise InputError(
            f"{path}: no question has a 'gold_answer' and places in 'gold'; expected at least one."
        )
    return found


def _question(example: TrainingExample, row: Row) -> GoldQuestion | None:
    """Return a row's question, or ``None`` if there is nothing to compare with."""
    answer = row.text("gold_answer")
    places = _places(row.fields.get("gold"), example.passages)
    if not (answer.strip() and places):
        return None
    supporting = tuple(sorted({passage for passage, _, _ in places}))
    return GoldQuestion(
        example.id, example.question, example.passages, answer, supporting, gold=places
    )


def _places(value: Any, passages: Sequence[Passage]) -> tuple[tuple[int, int, int], ...]:
    if not isinstance(value, list):
        raise InputError(
            f"'gold' is {value!r}; expected a list of [passage index, start, end], the places of "
            "the facts that the answer takes."
        )
    return tuple(_place(item, index, passages) for index, item in enumerate(value))


def _place(item: Any, index: int, passages: Sequence[Passage]) -> tuple[int, int, int]:
    if not (isinstance(item, list) and [type(part) for part in item] == [int, int, int]):
        raise InputError(f"gold[{index}] is {item!r}; expected [passage index, start, end].")
    passage, start, end = item
    if not 0 <= passage < len(passages):
        raise InputError(
            f"gold[{index}] is in passage {passage}; expected an index below {len(passages)}, the "
            "number of passages."
        )
    length = len(passages[passage].text)
    if not 0 <= start < end <= length:
        raise InputError(
            f"gold[{index}] goes from {start} to {end}; expected a part of passage {passage}, "
            f"which has {length} characters."
        )
    return passage, start, end
