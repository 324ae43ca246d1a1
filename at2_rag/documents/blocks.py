"""Blocks: lines that are judged together, and the runs of text between line ends that count."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from at2_rag.documents.lines import Line, is_title, lines_of
from at2_rag.documents.wraps import wraps_of
from at2_rag.spans import Span

#: Ends of lines that can be white space in running text, as page breaks cannot.
_SOFT = ("", "\n", "\r", "\r\n")

_MAY_BE_FENCE = re.compile(r"[ \t]*(?:```|~~~)")
_BAR = re.compile(r"[ \t]*\|")
_RULED = re.compile(r"[ \t|:-]*$")


@dataclass(frozen=True)
class Block:
    """Lines that are judged together: those between blank lines, or a single line of code.

    Attributes:
        lines: The lines, none of them blank.
        ended: Whether more lines cannot belong to it, whatever follows the text.
    """

    lines: tuple[Line, ...]
    ended: bool

    @property
    def span(self) -> Span:
        """Characters of the block in its text, its last line end included."""
        return self.lines[0].start, self.lines[-1].stop

    def flat(self, text: str) -> str:
        """Return the block's characters of its text with spaces for all line ends and quote marks.

        Every character keeps its place.
        """
        shown, start = list(text[slice(*self.span)]), self.lines[0].start
        for line in self.lines:
            marks = range(line.start, line.inside if line.content else line.start)
            behind = range(line.end, line.stop) if line.line_end else ()
            for place in (*marks, *behind):
                shown[place - start] = " "
        return "".join(shown)

    def titles(self) -> list[Span]:
        """Return the characters of lines that only name what follows.

        They are headings, and the rows above the ruler of a table.
        """
        found = [line for line in self.lines if line.kind == "heading" and is_title(line.content)]
        found += [a for a, b in pairwise(self.lines) if _is_header(a, b)]
        return [(line.start, line.stop) for line in found]

    def certain_until(self) -> int:
        """Return up to where no line is a fence around code or heads a table, whatever follows."""
        *before, last = self.lines
        if last.line_end:
            return last.start if _BAR.match(last.content) else last.stop
        if last.kind != "code" and _MAY_BE_FENCE.match(last.content):
            return last.start
        if before and _BAR.match(before[-1].content) and _RULED.match(last.content):
            return before[-1].start
        return last.start if _BAR.match(last.content) else last.stop

    def wraps(self, ended: bool = True) -> list[bool | None]:
        """Return, for each line end but the last, whether it is white space in running text.

        Args:
            ended: Whether the block has all its lines, and its last one is whole. If not, what
                may still change is ``None``.
        """
        return wraps_of(self.lines, ended)

    def runs(self, wraps: Sequence[bool | None]) -> list[Span]:
        """Return the characters of the stretches between line ends that are not white space.

        Args:
            wraps: For each line end but the last, whether it is white space.
        """
        starts = [self.lines[0].start]
        starts += [b.start for b, wrapped in zip(self.lines[1:], wraps, strict=True) if not wrapped]
        return list(pairwise([*starts, self.lines[-1].stop]))


def _is_header(line: Line, following: Line) -> bool:
    """Whether a line is a row above the ruler of a table."""
    barred = _BAR.match(line.content) is not None
    return barred and following.kind == "rule" and "-" in following.content


def blocks(text: str, ended: bool = True) -> list[Block]:
    """Return the blocks of a text, in order; every line that is not blank is in one.

    Args:
        text: The text to cut.
        ended: Whether that is all of the text. If not, its last line may go on.
    """
    found: list[Block] = []
    lines: list[Line] = []
    for line in lines_of(text, ended):
        alone = line.kind in ("fence", "code") or line.is_bare_mark
        if lines and (alone or (line.kind == "blank" and line.line_end)):
            found.append(Block(tuple(lines), ended=True))
            lines = []
        if alone:
            found.append(Block((line,), ended=bool(line.line_end)))
        elif line.kind != "blank":
            lines.append(line)
        if lines and line.line_end not in _SOFT:
            found.append(Block(tuple(lines), ended=True))
            lines = []
    return [*found, Block(tuple(lines), ended=False)] if lines else found
