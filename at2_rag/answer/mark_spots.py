"""Spots: where in a finished text the marks of its statements can stand and break nothing.

Whether marks break anything is not guessed but tried: the text is parsed as Markdown with and
without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from at2_rag.answer.markdown import Blocks, Leaf, Shape, Spot

#: In prose without these, marks can do no harm, whatever follows.
_RISKY = re.compile(r"[`\[<$|\\]")

#: Right behind these, a mark would become a part of a link.
_LINK_BEFORE = re.compile(r"\]$|(?:https?://|www\.)\S+$", re.I)

#: What stands before a line in quotes and list items.
_CONTAINERS = re.compile(r"(?:[ \t>]|[-+*](?=\s)|\d{1,9}[.)](?=\s))*")

#: What a row or a heading may be closed with, behind its marks.
_CLOSING = " \t|#"


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
    free = [end for end in ends if is_plain(text, blocks.leaf_at(end), end)]
    plain = {end: Spot(end, space_before(text, end)) for end in free}
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
        later.append(unclosed(text, last))
    for position in (*later, closed, last):
        yield Spot(position, space_before(text, position))


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


def space_before(text: str, position: int) -> str:
    """Return the space that a mark needs before it, where it would become a part of a link."""
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return " " if _LINK_BEFORE.search(line) else ""


def unclosed(text: str, end: int) -> int:
    """Return where a line ends without what a row or a heading may be closed with."""
    return len(text[:end].rstrip(_CLOSING))
