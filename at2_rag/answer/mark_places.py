"""Places of marks in a text that is being written: a spot is told as soon as it is certain."""

from __future__ import annotations

from collections.abc import Sequence

from at2_rag.answer.mark_spots import is_plain, space_before, spots_in, unclosed
from at2_rag.answer.markdown import DATA, Spot, own_numbers, read_blocks


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
            self.free = unclosed(self.text, len(self.text))
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
        start, bounds = self._open, [unclosed(self.text, len(self.text))]
        block = self.text[start:]
        blocks, lines = read_blocks(block), read_blocks(block[: block.rfind("\n") + 1])
        for index in self._unknown:
            end = self._ends[index] - start
            # A line that has not ended must not change what the lines before it are.
            leaf = (lines if "\n" in block[end:] else blocks).leaf_at(end)
            if end < len(block) and is_plain(block, leaf, end):
                self.spots[index] = Spot(start + end, space_before(block, end))
                continue
            leaf = lines.leaf_at(end)
            fenced = leaf is not None and leaf.kind == "fence"
            bounds.append(start + (leaf.end if leaf and fenced else unclosed(block, end)))
        return min(bounds)
