"""Marks such as ``[1]`` in a text: which passages they name, and where."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from at2_rag.documents.passages import Passage
from at2_rag.prompt.template import PromptTemplate
from at2_rag.spans import Span

#: One mark of one or several numbers, with the white space before it.
_MARK = re.compile(r"\s*\[(\d+(?:\s*,\s*\d+)*)\]")

#: What people ask for today.
CITE_AS_NUMBERS = PromptTemplate(
    "Passages:\n\n{passages}\n\nQuery: {question}\n\n"
    "Answer in complete sentences, using the passages only. Behind each sentence, cite the "
    "passages that it is based on by their numbers, as in: The mill was built in 1820 [2]."
)


def numbered(passages: Sequence[Passage]) -> list[Passage]:
    """Return passages whose texts begin with ``[1]`` and so on, and with their titles."""
    return [
        Passage(f"[{number}] {p.title}: {p.text}" if p.title else f"[{number}] {p.text}")
        for number, p in enumerate(passages, start=1)
    ]


@dataclass(frozen=True)
class Mark:
    """A number that a text cites by.

    Attributes:
        place: Where it stood, in characters of the text without marks.
        number: The number that was written.
    """

    place: int
    number: int


def without_marks(text: str) -> tuple[str, list[Mark]]:
    """Return a text without its marks and the white space before them, and the marks."""
    left, marks, done = "", [], 0
    for found in _MARK.finditer(text):
        left += text[done : found.start()]
        marks += [Mark(len(left), int(number)) for number in found.group(1).split(",")]
        done = found.end()
    left += text[done:]
    start = len(left) - len(left.lstrip())
    return left.strip(), [Mark(max(mark.place - start, 0), mark.number) for mark in marks]


def by_statement(marks: Sequence[Mark], statements: Sequence[Span]) -> list[list[int]]:
    """Return the numbers that each statement is marked with.

    A mark belongs to the last statement that begins before it; one before all belongs to the first.

    Args:
        marks: Marks of a text, with their places in it.
        statements: Characters [start, end) of each statement of the text, at least one.
    """
    found: list[list[int]] = [[] for _ in statements]
    for mark in marks:
        begun = [i for i, (start, _) in enumerate(statements) if start < mark.place]
        found[begun[-1] if begun else 0].append(mark.number)
    return found
