"""Where the marks of each statement go: behind it in prose, and never into code or out of a table.

One place for all outputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from at2_rag.answer.mark_places import MarkPlaces
from at2_rag.answer.markdown import Spot
from at2_rag.answer.statement import Statement


@dataclass(frozen=True)
class MarkPlace:
    """Where the marks of some statements go.

    Attributes:
        position: The character of the text before which the marks are put.
        statements: Indices of the statements whose marks go there, ascending.
        before: What is put in front of the marks: a line break behind a block of code, a space
            behind an address.
        after: What is put behind the marks.
        carets: How many carets a mark has, to be told apart from numbers in brackets that are the
            text's own: ``[1]``, or ``[^1]`` where the text says ``[3]``.
    """

    position: int
    statements: tuple[int, ...]
    before: str = ""
    after: str = ""
    carets: int = 0

    def mark(self, number: int) -> str:
        """Return a number as it is written here."""
        return written_mark(number, self.carets)

    def marks(self, numbers: Iterable[int]) -> str:
        """Return what is put into the text: numbers ascending, each once; nothing for none."""
        marks = "".join(map(self.mark, sorted(set(numbers))))
        return f"{self.before}{marks}{self.after}" if marks else ""


@dataclass(frozen=True)
class Mark:
    """A number in a marked text.

    Attributes:
        number: The number of the source.
        statements: Indices of the statements that cite the source here, ascending: one in prose,
            and several behind a block of code or in a row.
        position: The character of the plain text before which the mark is put.
        start: First character of the mark in the marked text.
        end: One past the mark's last character in the marked text.
        carets: How many carets stand before the number.
        before: What was put in front of the mark, such as a line break behind a block of code.
        after: What was put behind the mark.
    """

    number: int
    statements: tuple[int, ...]
    position: int
    start: int
    end: int
    carets: int = 0
    before: str = ""
    after: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "statements": list(self.statements)}


def written_mark(number: int, carets: int) -> str:
    """Return a number in brackets, behind as many carets."""
    return f"[{'^' * carets}{number}]"


class Marking:
    """Puts a text, its statements and the places of their marks in order, as the text comes.

    What is said of a statement comes when the last of its text is out. What is behind a place is
    held back until the place is known. That is at once in plain prose, at the end of the paragraph,
    list or table where it holds code, links, formulas or rows, and behind a block of code.

    The pieces add up to the same, whatever pieces the text comes in.
    """

    def __init__(self) -> None:
        self._places = MarkPlaces()
        self._statements: list[Statement] = []
        self._told = 0  # statements that have gone out
        self._sent = 0  # characters of the text that have gone out
        self._placed: set[int] = set()  # statements whose places have gone out

    @classmethod
    def of(cls, text: str, statements: Sequence[Statement]) -> Marking:
        """Return what has all of a text, and has yielded nothing yet."""
        marking = cls()
        marking._take(text)
        for statement in statements:
            marking._take(statement)
        return marking

    def add(self, event: str | Statement) -> Iterator[str | Statement | MarkPlace]:
        """Take the next piece of the text, or a statement right behind its last piece.

        Yields text, statements and places whose order is certain. A statement may come before its
        last characters: marks go into a row before its closing bar.

        Args:
            event: What comes next.
        """
        self._take(event)
        self._places.settle()
        yield from self._pieces()

    def finish(self) -> Iterator[str | Statement | MarkPlace]:
        """Yield what is left once all of the text is there."""
        self._places.finish()
        yield from self._pieces()

    def _take(self, event: str | Statement) -> None:
        if isinstance(event, str):
            self._places.read(event)
        else:
            self._statements.append(event)
            self._places.add(event.end)

    def _pieces(self) -> Iterator[str | Statement | MarkPlace]:
        free, ahead = self._places.free, self._ahead()
        while True:
            told = self._told_at()
            place = ahead[0] if ahead else None
            if told is not None and told <= free and (place is None or told <= place.position):
                yield from self._text(told)
                yield self._statements[self._told]
                self._told += 1
            elif place is not None and place.position <= free:
                yield from self._text(place.position)
                yield place
                self._placed.update(place.statements)
                ahead = ahead[1:]
            else:
                break
        yield from self._text(free)

    def _told_at(self) -> int | None:
        """Return where the next statement comes, if there is one."""
        if self._told == len(self._statements):
            return None
        end = self._statements[self._told].end
        spot = self._places.spots[self._told]
        return end if spot is None else min(end, spot.position)

    def _ahead(self) -> list[MarkPlace]:
        """Return the known places that have not gone out, in order."""
        where: dict[Spot, list[int]] = {}
        for index, spot in enumerate(self._places.spots):
            if spot is not None and index not in self._placed:
                where.setdefault(spot, []).append(index)
        own = self._places.own_numbers() if where else []
        return [
            MarkPlace(*spot[:1], tuple(where[spot]), *spot[1:], _carets(own, spot.position))
            for spot in sorted(where)
        ]

    def _text(self, end: int) -> Iterator[str]:
        if end > self._sent:
            yield self._places.text[self._sent : end]
            self._sent = end


def _carets(own: Sequence[tuple[int, int]], position: int) -> int:
    """Return how many carets tell marks from all numbers that stand before them.

    Args:
        own: Where the text itself has numbers in brackets, with how many carets each.
        position: The character of the text before which the marks are put.
    """
    taken = {carets for place, carets in own if place < position}
    return next(count for count in range(len(taken) + 1) if count not in taken)


def marked(text: str, statements: Sequence[Statement]) -> tuple[str, tuple[Mark, ...]]:
    """Return a text with the marks of its statements, and where they are.

    Args:
        text: The text that the statements are of.
        statements: The text's statements, in order.
    """
    result, marks = "", list[Mark]()
    for piece in Marking.of(text, statements).finish():
        if isinstance(piece, MarkPlace):
            numbers = {i: statements[i].numbers for i in piece.statements}
            marks += _marks(piece, numbers, len(result))
            result += piece.marks(number for each in numbers.values() for number in each)
        elif isinstance(piece, str):
            result += piece
    return result, tuple(marks)


def _marks(place: MarkPlace, numbers: Mapping[int, Sequence[int]], start: int) -> Iterator[Mark]:
    """Yield the marks of a place.

    Args:
        place: Where the marks go.
        numbers: The numbers of each statement of the place, by its index.
        start: Where in the marked text the place is.
    """
    start += len(place.before)
    ordered = sorted({number for each in numbers.values() for number in each})
    for number in ordered:
        end = start + len(place.mark(number))
        citing = tuple(index for index, each in numbers.items() if number in each)
        before = place.before if number == ordered[0] else ""
        after = place.after if number == ordered[-1] else ""
        yield Mark(number, citing, place.position, start, end, place.carets, before, after)
        start = end
