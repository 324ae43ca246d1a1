"""Wraps: which line ends are white space within running text.

Text from PDFs, mail and editors is wrapped: its lines end where the next word did not fit. Lists,
tables, code, headings and verse end lines on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from at2_rag.documents.lines import DENSE, NUMBER, Line
from at2_rag.spans import Span

#: The widest and the narrowest column that text is wrapped to, in characters; and the narrowest of
#: scripts that write a word in one or two.
_WIDEST, _NARROWEST, _NARROWEST_DENSE = 140, 30, 15

#: A line of fewer characters says nothing of how it ended, but by the width of its block.
_SHORT_LINE = 20

#: Marks that end a sentence in any script.
_FULL_STOP = "[.?!…。｡．！？؟۔।॥።፧။។։]"
_ENDS_SENTENCE = re.compile(rf"{_FULL_STOP}(?:\[\d+\]|[^\w\s]|_)*$")
_GOES_ON = re.compile(r"[\w,\-–—)\]\"'”’»*`]$")

_HYPHENATED = re.compile(r"[^\W\d_][-\u2010\u00ad]$")
_FIELD = re.compile(r"[ \t]*[^\W\d_][\w /()-]{0,28}:[ \t]")
_WORD = re.compile(rf"\s*([{DENSE}]|\S+)")
_FIRST_LETTER = re.compile(r"\W*(\w)")


def wraps_of(lines: Sequence[Line], ended: bool = True) -> list[bool | None]:
    """Return, for each line end of a block but the last, whether it is white space in running text.

    Args:
        lines: The lines of the block, at least one.
        ended: Whether the block has all its lines, and its last one is whole. If not, what may
            still change is ``None``.
    """
    ends: list[bool | None] = [False] * (len(lines) - 1)
    width = max(len(line.content) for line in lines)
    for first, last in _paragraphs(lines):
        part = lines[first : last + 1]
        whole = last + 1 < len(lines) or ended
        ends[first:last] = _judged(part, width) if ended else _certain(part, width, whole)
    return ends


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
    number = NUMBER.match(following.content)
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
