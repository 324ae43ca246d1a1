"""Lines of a text, and what each of them is by its looks: prose, a heading, a row, code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

LineKind = Literal["text", "item", "heading", "row", "rule", "fence", "code", "blank"]

#: Scripts that are written without spaces and broken between any two characters.
DENSE = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"

_QUOTED = re.compile(r"[ \t]*(?:>[ \t]?)+")
_FENCE = re.compile(r"[ \t]*(?P<mark>`{3,}|~{3,})(?P<info>[^`]*)$")
_TITLE = re.compile(r"[ ]{0,3}#{1,6}[ \t]")
_RULE = re.compile(r"(?:[ \t]*[-=_*~#+|:.·─═━]){3,}[ \t]*$")
_HEADING = re.compile(r"[ ]{0,3}#{1,6}[ \t]|[ ]{0,3}(?P<bold>\*\*|__)[^*_]+(?P=bold):?$")
_ROW = re.compile(
    r"[ \t]*\|.*\|$|[^|\w]*\w[^|]* \| [^|\w]*\w[^|]* \| |.*\S\t+\S|.*\S {4,}\S|.*\S {3}\S.* {3}\S"
    r"|[^\s,;]*(?:[,;][^\s,;]+){2,}$"
)
_BULLET = re.compile(r"[ \t]*[-*+•◦▪‣·∙●○][ \t]")
#: A number, letter or dash before an item of a list, or the start of a line that looks so.
NUMBER = re.compile(
    r"[ \t]*(?:[–—]|\(?(?P<number>\d{1,3}[.)]|[a-zA-Z]\)|[a-z]\.|[ivx]{2,4}[.)]|[IVX]{2,4}[.)]))"
    r"[ \t]"
)


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


def is_title(content: str) -> bool:
    """Whether a line is a heading that is written as one, and not only in bold."""
    return _TITLE.match(content) is not None


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
    if _BULLET.match(content) or NUMBER.match(content):
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
