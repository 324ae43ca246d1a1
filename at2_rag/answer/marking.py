"""Where the marks of each statement go: behind it in prose, and never into code or out of a table.

One place for all outputs. Whether marks break anything is not guessed but tried: the text is parsed
as Markdown with and without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from at2_rag.answer.markdown import DATA, Blocks, Leaf, Shape, Spot, own_numbers, read_blocks
from at2_rag.answer.statement import Statement

#: In prose without these, marks can do no harm, whatever follows.
_RISKY = re.compile(r"[`\[<$|\\]")

#: Right behind these, a mark would become a part of a link.
_LINK_BEFORE = re.compile(r"\]$|(?:https?://|www\.)\S+$", re.I)

#: What stands before a line in quotes and list items.
_CONTAINERS = re.compile(r"(?:[ \t>]|[-+*](?=\s)|\d{1,9}[.)](?=\s))*")

#: What a row or a heading may be closed with, behind its marks.
_CLOSING = " \t|#"


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


class MarkPlaces:
    """Finds the places of marks in a text that is being written.

    Attributes:
        text: The text so far.
        spots: Where the marks of each statement so far go; ``None`` while that is not certain.
        free: Characters at the beginning of the text among which no mark will come that has no
            spot yet.
    """

    def __init__(self) -> None:
        self.text = ""
        self.spots: list[Spot | None] = []
        self.free = 0
        self._ends: list[int] = []
        self._open = 0  # where the last block begins that has not ended
        self._own: list[tuple[int, int]] = []  # numbers before it that the text itself has
        self._seen = (-1, 0)  # lines and statements when blocks were looked for

    def read(self, text: str) -> None:
        """Take in the next piece of the text."""
        self.text += text

    def add(self, end: int) -> None:
        """Take in where a statement ends, whose text has been read.

        Args:
            end: One past the statement's last character.
        """
        self._ends.append(end)
        self.spots.append(None)

    def settle(self) -> None:
        """Find the spots that are certain, whatever follows."""
        if DATA.match(self.text):
            self.free = len(self.text)
        elif not self._unknown:
            self.free = _unclosed(self.text, len(self.text))
        elif self._is_news():
            self._end_blocks()
            self.free = self._find_plain()

    def _is_news(self) -> bool:
        """Whether a line has ended since all this was looked at, or a statement begun another."""
        lines, ends = self.text.count("\n"), sum(end < len(self.text) for end in self._ends)
        before, self._seen = self._seen, (lines, ends)
        return before != self._seen

    def finish(self) -> None:
        """Find all spots, now that no more text follows."""
        if DATA.match(self.text):  # nothing may stand within it
            self._set(self._unknown, [Spot(len(self.text), "\n\n")] * len(self._unknown))
        if self._unknown:
            start = self._open
            starts = read_blocks(self.text[start:]).starts
            for end in (*(start + later for later in starts[1:]), len(self.text)):
                self._end_block(end)
        self.free = len(self.text)

    def own_numbers(self) -> list[tuple[int, int]]:
        """Return where the text itself has numbers in brackets, with how many carets each."""
        rest = self.text[self._open :]
        found = own_numbers(rest, read_blocks(rest)) if "[" in rest else []
        return [*self._own, *((self._open + place, carets) for place, carets in found)]

    @property
    def _unknown(self) -> list[int]:
        return [index for index, spot in enumerate(self.spots) if spot is None]

    def _set(self, indices: Sequence[int], spots: Sequence[Spot]) -> None:
        for index, spot in zip(indices, spots, strict=True):
            self.spots[index] = spot

    def _end_blocks(self) -> None:
        """Find the spots in all blocks that have ended."""
        start = self._open
        lines = self.text[start : self.text.rfind("\n") + 1]
        blocks = read_blocks(lines)
        last = [len(lines)] if blocks.complete else []
        for end in (*blocks.starts[1:], *last):
            self._end_block(start + end)

    def _end_block(self, end: int) -> None:
        """Find the spots of all statements up to where the next block begins."""
        start, block = self._open, self.text[self._open : end]
        inside = [index for index in self._unknown if self._ends[index] <= end]
        ends = [self._ends[index] - start for index in inside]
        known = [
            Spot(spot.position - start, *spot[1:])
            for spot in self.spots
            if spot and start < spot.position <= end
        ]
        blocks = read_blocks(block)
        found = spots_in(block, blocks, ends, known)
        self._set(inside, [Spot(spot.position + start, *spot[1:]) for spot in found])
        self._own += [(start + place, carets) for place, carets in own_numbers(block, blocks)]
        self._open = end

    def _find_plain(self) -> int:
        """Find the spots in plain prose of the last block; return before which none are left."""
        start, bounds = self._open, [_unclosed(self.text, len(self.text))]
        block = self.text[start:]
        blocks, lines = read_blocks(block), read_blocks(block[: block.rfind("\n") + 1])
        for index in self._unknown:
            end = self._ends[index] - start
            # A line that has not ended must not change what the lines before it are.
            leaf = (lines if "\n" in block[end:] else blocks).leaf_at(end)
            if end < len(block) and is_plain(block, leaf, end):
                self.spots[index] = Spot(start + end, _space(block, end))
                continue
            leaf = lines.leaf_at(end)
            fenced = leaf is not None and leaf.kind == "fence"
            bounds.append(start + (leaf.end if leaf and fenced else _unclosed(block, end)))
        return min(bounds)


def is_plain(text: str, leaf: Leaf | None, end: int) -> bool:
    """Return whether a mark can stand at the end of a statement whatever follows.

    Args:
        text: The text up to one character behind the statement at least, or all of it.
        leaf: The block that the statement ends in; ``None`` if it is in none.
        end: One past the statement's last character.
    """
    if leaf is None or leaf.kind not in ("prose", "heading", "row"):
        return False
    before, behind = text[leaf.start : end], text[end : end + 1]
    if leaf.kind == "row" and leaf.start != leaf.block[0]:
        return False  # the first may have been prose for all that was known
    apart = not behind or behind.isspace() or behind.isalnum()
    return apart and not _RISKY.search(before) and before[-1] not in "*_~#"


def spots_in(
    text: str, blocks: Blocks, ends: Sequence[int], known: Sequence[Spot] = ()
) -> list[Spot]:
    """Return where the marks of each statement of a block go.

    Args:
        text: The block, with what stands between it and the next.
        blocks: What the block consists of.
        ends: One past the last character of each statement, ascending.
        known: Spots that are certain already.
    """
    plain = {end: Spot(end, _space(text, end)) for end in ends if _is_plain_in(text, blocks, end)}
    rest = {e: tuple(_possible(text, blocks, e, ends)) for e in ends if e not in plain}
    chosen = _Chooser(Shape(text), {*known, *plain.values()}, rest).choose(tuple(rest))
    return [(plain | chosen)[end] for end in ends]


@dataclass(frozen=True)
class _Chooser:
    """Chooses spots for marks that leave a text's shape as it is.

    Attributes:
        shape: What the text looks like.
        taken: The spots that are certain, and those that have been chosen.
        possible: Where the marks of each statement may go, by its end: the best first.
    """

    shape: Shape
    taken: set[Spot]
    possible: Mapping[int, Sequence[Spot]]

    def choose(self, ends: Sequence[int]) -> dict[int, Spot]:
        """Return a spot for each statement: the best where they all can be had, as most can."""
        best = {end: self.possible[end][0] for end in ends}
        if self._keeps(best.values()):
            self.taken.update(best.values())
            return best
        if len(ends) > 1:
            half = len(ends) // 2
            return self.choose(ends[:half]) | self.choose(ends[half:])
        spots = self.possible[ends[0]]
        spot = next((spot for spot in spots[1:] if self._keeps([spot])), spots[-1])
        self.taken.add(spot)
        return {ends[0]: spot}

    def _keeps(self, spots: Iterable[Spot]) -> bool:
        new = set(spots) - self.taken
        return not new or self.shape.keeps([*self.taken, *new])


def _is_plain_in(text: str, blocks: Blocks, end: int) -> bool:
    return is_plain(text, blocks.leaf_at(end), end)


def _possible(text: str, blocks: Blocks, end: int, ends: Sequence[int]) -> Iterator[Spot]:
    """Yield where the marks of a statement may go, the best first, the last resort last."""
    leaf = blocks.leaf_at(end)
    if leaf is not None:
        if leaf.kind in ("prose", "heading", "row"):
            yield from _inside(text, leaf, end, ends)
        yield from _behind(text, leaf)
    last = (
        blocks.leaves[-1].block[1] if leaf and blocks.leaves else _end_of_lines(text, blocks, end)
    )
    last = len(text[:last].rstrip())
    yield Spot(last, "\n\n", _after(text, last)[-1])


def _end_of_lines(text: str, blocks: Blocks, end: int) -> int:
    """Return where the lines end that a statement in no block is in, such as those of addresses."""
    blank = re.compile(r"\n[ \t>]*\n").search(text, end)
    ends = [leaf.start - 1 for leaf in blocks.leaves if leaf.start > end]
    return min([*ends, blank.start() if blank else len(text)])


def _inside(text: str, leaf: Leaf, end: int, ends: Sequence[int]) -> Iterator[Spot]:
    """Yield spots in a line: behind the statement or a later one, or before what closes it."""
    last = leaf.start + len(text[leaf.start : leaf.end].rstrip())
    later = [] if leaf.kind == "row" else [other for other in ends if end <= other < last]
    closed = last - 1 if leaf.kind == "row" and text[:last].endswith("|") else last
    closed = leaf.start + len(text[leaf.start : closed].rstrip())
    if leaf.kind == "heading":
        later.append(_unclosed(text, last))
    for position in (*later, closed, last):
        yield Spot(position, _space(text, position))


def _behind(text: str, leaf: Leaf) -> Iterator[Spot]:
    """Yield spots behind a block, as a paragraph of their own in what the block is in."""
    _, position = leaf.block
    margins = _margins(text[leaf.start : leaf.end])
    for blank in (False, True):
        for margin in margins:
            line = f"\n{margin.rstrip()}" if blank else ""
            for after in _after(text, position, margin):
                yield Spot(position, f"{line}\n{margin}", after)
    if leaf.fence:  # which nothing has closed
        for margin in margins:
            before = f"\n{margin}{leaf.fence}\n{margin}"
            yield Spot(position, before, _after(text, position, margin)[-1])


def _margins(block: str) -> list[str]:
    """Return what may stand before a line behind a block, in what the block is in."""
    first, line_break, rest = block.partition("\n")
    match = _CONTAINERS.match(rest.rpartition("\n")[2] if line_break else first)
    assert match is not None  # as it may be empty
    margin = match.group()
    if not line_break:  # what begins a list item is not to begin another
        margin = re.sub(r"[^\s>]", " ", margin)
    shorter = (margin[:length] for length in range(len(margin), -1, -1))
    return list(dict.fromkeys((margin, margin[:-4], *shorter)))


def _after(text: str, position: int, margin: str = "") -> tuple[str, ...]:
    """Return what may stand behind a paragraph of marks, the best first.

    Args:
        text: The block, with the white space between it and the next.
        position: Where the paragraph is put, at the end of a line.
        margin: What stands before the paragraph's line.
    """
    _, line_break, rest = text[position:].partition("\n")
    if not line_break or (not rest.partition("\n")[0].strip() and "\n" in rest):
        return ("",)
    blank = f"\n{margin.rstrip()}"
    return ("", blank) if rest else (blank,)


def _space(text: str, position: int) -> str:
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return " " if _LINK_BEFORE.search(line) else ""


def _unclosed(text: str, end: int) -> int:
    """Return where a line ends without what a row or a heading may be closed with."""
    return len(text[:end].rstrip(_CLOSING))


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
