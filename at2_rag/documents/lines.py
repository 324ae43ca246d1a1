"""Lines: which line ends are white space within running text, and which end what stands before.

Text from PDFs, mail and editors is wrapped: its lines end where the next word did not fit. Lists,
tables, code, headings and verse end lines on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

from at2_rag.spans import Span

LineKind = Literal["text", "item", "heading", "row", "rule", "fence", "code", "blank"]

#: The widest and the narrowest column that text is wrapped to, in characters; and the narrowest of
#: scripts that write a word in one or two.
_WIDEST, _NARROWEST, _NARROWEST_DENSE = 140, 30, 15

#: A line of fewer characters says nothing of how it ended, but by the width of its block.
_SHORT_LINE = 20

#: Scripts that are written without spaces and broken between any two characters.
DENSE = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"

#: Marks that end a sentence in any script.
_FULL_STOP = "[.?!…。｡．！？؟۔।॥።፧။។։]"
_ENDS_SENTENCE = re.compile(rf"{_FULL_STOP}(?:\[\d+\]|[^\w\s]|_)*$")
_GOES_ON = re.compile(r"[\w,\-–—)\]\"'”’»*`]$")

#: Ends of lines that can be white space in running text, as page breaks cannot.
_SOFT = ("", "\n", "\r", "\r\n")

_HYPHENATED = re.compile(r"[^\W\d_][-\u2010\u00ad]$")
_QUOTED = re.compile(r"[ \t]*(?:>[ \t]?)+")
_FENCE = re.compile(r"[ \t]*(?P<mark>`{3,}|~{3,})(?P<info>[^`]*)$")
_MAY_BE_FENCE = re.compile(r"[ \t]*(?:```|~~~)")
_TITLE = re.compile(r"[ ]{0,3}#{1,6}[ \t]")
_RULE = re.compile(r"(?:[ \t]*[-=_*~#+|:.·─═━]){3,}[ \t]*$")
_HEADING = re.compile(r"[ ]{0,3}#{1,6}[ \t]|[ ]{0,3}(?P<bold>\*\*|__)[^*_]+(?P=bold):?$")
_ROW = re.compile(
    r"[ \t]*\|.*\|$|[^|]*\w[^|]* \| [^|]*\w[^|]* \| |.*\S\t+\S|.*\S {4,}\S|.*\S {3}\S.* {3}\S"
    r"|[^\s,;]*(?:[,;][^\s,;]+){2,}$"
)
_BAR = re.compile(r"[ \t]*\|")
_RULED = re.compile(r"[ \t|:-]*$")
_BULLET = re.compile(r"[ \t]*[-*+•◦▪‣·∙●○][ \t]")
_NUMBER = re.compile(
    r"[ \t]*(?:[–—]|\(?(?P<number>\d{1,3}[.)]|[a-zA-Z]\)|[a-z]\.|[ivx]{2,4}[.)]|[IVX]{2,4}[.)]))"
    r"[ \t]"
)
_FIELD = re.compile(r"[ \t]*[^\W\d_][\w /()-]{0,28}:[ \t]")
_WORD = re.compile(rf"\s*([{DENSE}]|\S+)")
_FIRST_LETTER = re.compile(r"\W*(\w)")


class Line(NamedTuple):
    """One line of a text.

    Attributes:
        start: First character of the line in the text.
        end: One past the last character that is not white space.
        stop: One past the line end.
        inside: First character behind the marks of a quotation (``>``).
        kind: What the line is by its looks.
        content: The line from ``inside`` to ``end``.
        line_end: How the line ends; empty for the last one.
    """

    start: int
    end: int
    stop: int
    inside: int
    kind: LineKind
    content: str
    line_end: str

    @property
    def is_bare_mark(self) -> bool:
        """Whether it is a blank line of a quotation."""
        return self.inside == self.end > self.start and self.kind != "blank"


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
        ends: list[bool | None] = [False] * (len(self.lines) - 1)
        width = max(len(line.content) for line in self.lines)
        for first, last in _paragraphs(self.lines):
            lines = self.lines[first : last + 1]
            whole = last + 1 < len(self.lines) or ended
            ends[first:last] = _judged(lines, width) if ended else _certain(lines, width, whole)
        return ends

    def runs(self, wraps: Sequence[bool | None]) -> list[Span]:
        """Return the characters of the stretches between line ends that are not white space.

        Args:
            wraps: For each line end but the last, whether it is white space.
        """
        starts = [self.lines[0].start]
        starts += [b.start for b, wrapped in zip(self.lines[1:], wraps, strict=True) if not wrapped]
        return list(pairwise([*starts, self.lines[-1].stop]))


def is_title(content: str) -> bool:
    """Whether a line is a heading that is written as one, and not only in bold."""
    return _TITLE.match(content) is not None


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


def lines_of(text: str, ended: bool = True) -> Iterator[Line]:
    """Yield the lines of a text, the blank ones as well.

    Args:
        text: The text that the lines are of.
        ended: Whether that is all of the text. If not, its last line may go on.
    """
    start, fence = 0, ""
    for whole in text.splitlines(keepends=True):
        body = whole.rstrip()
        quoted = _QUOTED.match(body)
        inside = quoted.end() if quoted else 0
        content, line_end = body[inside:], whole[len(whole.splitlines()[0]) :]
        kind = _kind(content) if line_end or ended else _begun_kind(content)
        if kind == "blank" and body and (line_end or ended):
            kind = "rule"  # of a quotation, and blank but for its marks
        if fence:
            kind = "fence" if kind == "fence" and _closes(content, fence) else "code"
            fence = "" if kind == "fence" else fence
        elif kind == "fence":
            fence = content
        end = start + len(body)
        yield Line(start, end, start + len(whole), start + inside, kind, content, line_end)
        start += len(whole)


def _kind(content: str) -> LineKind:
    if _FENCE.match(content):
        return "fence"
    if _RULE.match(content):
        return "rule"
    if _HEADING.match(content):
        return "heading"
    if _ROW.match(content):
        return "row"
    return _begun_kind(content)


def _begun_kind(content: str) -> LineKind:
    """Return what a line is that has only begun; text where that may change."""
    if not content.strip():
        return "blank"
    if _BULLET.match(content) or _NUMBER.match(content):
        return "item"
    if is_title(content):
        return "heading"
    return "text"


def _closes(content: str, fence: str) -> bool:
    """Whether a line closes the fenced code that another line has opened."""
    found, opened = _FENCE.match(content), _FENCE.match(fence)
    if found is None or opened is None or found["info"].strip():
        return False
    return found["mark"].startswith(opened["mark"])


def _paragraphs(lines: Sequence[Line]) -> Iterator[Span]:
    """Yield the first and the last line of what may be one paragraph, or one item of a list."""
    first = 0
    for index, (line, following) in enumerate(pairwise(lines)):
        if _parts(line, following, lines[first].kind == "item"):
            yield first, index
            first = index + 1
    if lines:
        yield first, len(lines) - 1


def _parts(line: Line, following: Line, listed: bool) -> bool:
    """Whether the looks of two lines say that they are no one paragraph.

    Args:
        line: The line before.
        following: The line behind.
        listed: Whether the line before belongs to an item of a list.
    """
    if {line.kind, following.kind} & {"heading", "row", "rule"}:
        return True
    if (line.inside > line.start) != (following.inside > following.start):
        return True
    if _FIELD.match(line.content) and _FIELD.match(following.content):
        return True
    return following.kind == "item" and _begins_item(line, following, listed)


def _begins_item(line: Line, following: Line, listed: bool) -> bool:
    """Whether what looks like an item of a list is one, and no number at the start of a line."""
    number = _NUMBER.match(following.content)
    if number is None or listed or line.content.endswith((":", ";", ",")):
        return True
    return number["number"] in ("1.", "1)") or _ENDS_SENTENCE.search(line.content) is not None


def _judged(lines: Sequence[Line], width: int) -> list[bool | None]:
    """Return for each line end of a paragraph whether it is white space.

    In wrapped text no line has room for the next word. That alone does not tell it from lines that
    happen to be of one length: it has to end in a sentence, or to read on, too. Where much of it
    reads on, its lines may have been wrapped by their width on paper, not by characters.
    """
    if not _is_column(lines, width):
        return list(_running(lines))
    if _is_flowing(lines):
        width -= width // 5
        filled = [not _has_room(a, b, width) for a, b in pairwise(lines)]
    else:
        filled = _filled(lines, width)
    return [a or b for a, b in zip(_running(lines), filled, strict=True)]


def _is_flowing(lines: Sequence[Line]) -> bool:
    """Whether a good part of the lines goes on in the middle of a sentence."""
    ends = list(pairwise(lines))
    flowing = [a for a, b in ends if _starts_low(b) and not _ENDS_SENTENCE.search(a.content)]
    is_list = _starts_low(lines[0]) or any(line.content.endswith(":") for line in lines)
    sentence = _ENDS_SENTENCE.search(lines[-1].content) is not None
    return len(flowing) * 3 >= len(ends) and (sentence or not is_list) and not _is_indented(lines)


def _filled(lines: Sequence[Line], width: int) -> list[bool]:
    """Return for each line end whether its line was filled, as were those up to a full stop.

    Lines that all begin with capitals are verse, unless each of them is filled.
    """
    filled = [not _has_room(a, b, width) for a, b in pairwise(lines)]
    if not all(filled) and all(_starts_high(line) for line in lines):
        return [False] * len(filled)
    first = 0
    for last, (line, full) in enumerate(zip(lines, [*filled, False], strict=True)):
        if not full:
            if not (_ENDS_SENTENCE.search(line.content) or _is_caseless(lines[first : last + 1])):
                filled[first:last] = [False] * (last - first)
            first = last + 1
    return filled


def _certain(lines: Sequence[Line], width: int, whole: bool) -> list[bool | None]:
    """Return what :func:`_judged` will say in any case; ``None`` where it depends on what follows.

    Args:
        lines: The lines of the paragraph so far.
        width: The length of the block's longest line so far.
        whole: Whether the last line is whole.
    """
    ends: list[bool | None] = []
    for running, (line, following) in zip(_running(lines), pairwise(lines), strict=True):
        known = whole or following is not lines[-1]
        if running:
            ends.append(True if known else None)
        elif not known and not _is_begun(following):
            ends.append(None)
        elif width > _WIDEST or _has_room(line, following, width - width // 5):
            ends.append(False)
        else:
            ends.append(None)
    return ends


def _is_begun(line: Line) -> bool:
    """Whether the first word of a line that is being written is whole, and has a letter."""
    word = _WORD.match(line.content)
    begun = word is not None and word.end() < len(line.content)
    return begun and _FIRST_LETTER.match(line.content) is not None


def _running(lines: Sequence[Line]) -> list[bool]:
    """Return for each line end whether a sentence is running over it, by its two lines alone.

    It is where a word is hyphenated, or where a line that is not short breaks off, and the next
    begins in lower case. What began in lower case itself may be a list, of which each entry does.
    """
    ends: list[bool] = []
    begun = lines[0].kind == "item"
    for line, following in pairwise(lines):
        begun = begun or not _starts_low(line)
        breaks_off = len(line.content) >= _SHORT_LINE and _GOES_ON.search(line.content) is not None
        begun = _starts_low(following) and (
            _HYPHENATED.search(line.content) is not None
            or (begun and breaks_off and not _is_indented(lines))
        )
        ends.append(begun)
    return ends


def _is_caseless(lines: Sequence[Line]) -> bool:
    """Whether lines are of a script without capitals, and too many to be of one length by chance.

    Some of these scripts write no full stop, either.
    """
    firsts = [match[1] for line in lines if (match := _FIRST_LETTER.match(line.content))]
    caseless = [c for c in firsts if c.isalpha() and not c.islower() and not c.isupper()]
    return len(lines) > 2 and len(caseless) * 2 > len(lines)


def _has_room(line: Line, following: Line, width: int) -> bool:
    """Whether the next line's first word would have fitted behind a line."""
    word = _WORD.match(following.content)
    length = len(word[1]) if word else 0
    if length == 1 and _is_dense(following):
        length = 2  # some marks must not begin a line
    elif not line.content.endswith("-"):
        length += 1
    return len(line.content) + length <= width


def _is_column(lines: Sequence[Line], width: int) -> bool:
    """Whether a block is as wide as wrapped text is."""
    least = _NARROWEST_DENSE if _is_dense(lines[-1]) else _NARROWEST
    return least <= width <= _WIDEST


def _is_dense(line: Line) -> bool:
    return re.match(rf"\s*[{DENSE}]", line.content) is not None


def _is_indented(lines: Sequence[Line]) -> bool:
    """Whether lines are set in as code is."""
    first = lines[0]
    return first.kind == "text" and re.match(r" {0,3}\t| {4}", first.content) is not None


def _starts_low(line: Line) -> bool:
    """Whether a line's first letter is in lower case, with nothing but quote marks before it."""
    first = _FIRST_LETTER.match(line.content)
    return first is not None and first[1].islower()


def _starts_high(line: Line) -> bool:
    """Whether a line's first letter is a capital."""
    first = _FIRST_LETTER.match(line.content)
    return first is not None and first[1].isupper()
