"""reStructuredText: its sections and what they say, without what only its tools read.

The text that is made of a file has as many lines as the file, so that a citation names the line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from itertools import accumulate

from at2_rag.documents.files.document import Document, Heading
from at2_rag.documents.files.source import BYTE_ORDER_MARK, SourceFile

_RULE = re.compile(r"""(?P<mark>[!-/:-@[-`{-~])(?P=mark){2,}\s*$""")
_EXPLICIT = re.compile(r"\s*(?:[*+-]\s+)?(?P<markup>\.\.(?:\s.*|$))")
_DIRECTIVE = re.compile(r"\.\.\s+(?P<name>[\w:.+-]+)\s?::(?:\s+(?P<said>.*))?$")
_NOTE = re.compile(r"\.\.\s+(?P<said>\[[^\]]+\]\s.*)$")
_OPTION = re.compile(r"\s*:[\w-]+:(?:\s|$)")
_FIELD = re.compile(r":(?P<name>[^:`]+):(?:\s+(?P<said>\S.*)|)$")

#: Fields that say how a page is shown.
_FOR_TOOLS = frozenset({"nocomments", "no-search", "nosearch", "orphan", "tocdepth"})

#: What directives are for that show code.
_CODE = frozenset({
    "code", "code-block", "console", "doctest", "ipython", "literal", "math", "parsed-literal",
    "productionlist", "prompt", "sourcecode", "testcode", "testoutput",
})  # fmt: skip

#: Those of which nothing is said in the text.
_SILENT = frozenset({
    "autoclass", "autofunction", "automodule", "bibliography", "class", "contents", "cssclass",
    "currentmodule", "date", "default-role", "digraph", "footer", "graphviz", "header",
    "highlight", "image", "include", "index", "ifconfig", "literalinclude", "mermaid", "meta",
    "module", "plot", "py:currentmodule", "py:module", "raw", "role", "rst-class", "sectnum",
    "tabularcolumns", "testcleanup", "testsetup", "toctree", "uml", "unicode",
})  # fmt: skip

#: Those of which the words on their line are none for readers.
_NAMED = frozenset({"container", "figure", "only", "list-table-file", "tab-set"})

#: Those of which the name says something.
_SAID = {
    "versionadded": "Added in",
    "versionchanged": "Changed in",
    "deprecated": "Deprecated since",
    "versionremoved": "Removed in",
}

_INLINE: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"``(?P<said>(?:[^`]|`(?!`))+)``"), lambda m: m["said"]),
    (
        re.compile(r":[\w:.+-]+:`(?P<said>[^`<]+?)\s+<[^`>]*>`"),
        lambda m: m["said"],
    ),
    (re.compile(r":[\w:.+-]+:`(?:~[^`]*\.|[~!])?(?P<said>[^`]+)`"), lambda m: m["said"]),
    (
        re.compile(r"`(?P<said>[^`<]+?)\s+<(?P<to>\w+:[^`>\s]+)>`__?"),
        lambda m: f"{m['said']} ({m['to']})",
    ),
    (re.compile(r"`(?P<said>[^`]+?)(?:\s+<[^`>]*>)?`__?"), lambda m: m["said"]),
    (re.compile(r"(?P<said>\[[^\]\s]+\])_(?!\w)"), lambda m: m["said"]),
    (re.compile(r"\\(?P<said>[^\w\s])"), lambda m: m["said"]),
    (re.compile(r"\\ "), lambda m: ""),
)


def read_rst(source: SourceFile) -> Document:
    """Read reStructuredText, with its sections.

    Raises:
        FileFormatError: If nothing in it is text.
    """
    decoded = source.decoded()
    text = decoded.text.removeprefix(BYTE_ORDER_MARK).expandtabs(8)
    reader = _Reader(re.split(r"\r\n|\r|\n", text))
    lines = reader.read()
    if not any(line.strip() for line in lines):
        raise source.error("has nothing but what tools read; expected text in it.")
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    headings = [Heading(starts[at], level, lines[at].strip()) for at, level in reader.headings]
    return Document("\n".join(lines), headings=headings, lined=True, remarks=decoded.remarks)


class _Reader:
    """Goes through the lines of a file, and keeps those that are for people.

    Attributes:
        headings: The line and the level of each heading.
    """

    def __init__(self, lines: list[str]) -> None:
        self._lines = [line.rstrip() for line in lines]
        self._kept = [""] * len(lines)
        self._verbatim = [False] * len(lines)
        self._styles: list[tuple[str, bool]] = []
        self.headings: list[tuple[int, int]] = []

    def read(self) -> list[str]:
        """Return what is to be read in each line."""
        self._read(0, len(self._lines), 0)
        self._drop_bare_headings()
        first = 0
        for at in range(len(self._kept) + 1):
            if at == len(self._kept) or self._verbatim[at] or not self._kept[at]:
                self._kept[first:at] = _plain(self._kept[first:at])
                first = at + 1
        return self._kept

    def _read(self, first: int, last: int, indent: int) -> None:
        """Read lines that are set in by so many spaces."""
        at = first
        while at < last:
            line = self._lines[at][indent:]
            if not indent and (past := self._read_heading(at)):
                at = past
            elif explicit := _EXPLICIT.match(self._lines[at]):
                end = self._end_of_block(at + 1, last, explicit.start("markup"))
                self._read_explicit(at, end, explicit["markup"])
                at = end
            elif line.endswith("::"):
                end = self._end_of_block(at + 1, last, _indent(self._lines[at]))
                self._kept[at] = "" if line.strip() == "::" else line[:-1]
                self._keep_code(at + 1, end)
                at = end
            else:
                self._kept[at] = _field(line)
                at += 1

    def _read_heading(self, at: int) -> int:
        """Return the line behind a heading or a ruler that begins in a line; 0 if none does."""
        lines = [*self._lines[at : at + 3], "", ""]
        over, under = _RULE.match(lines[0]), _RULE.match(lines[1])
        if over and lines[1] and _is_rule_of(lines[2], lines[1].strip(), over["mark"]):
            return self._keep_heading(at + 1, (over["mark"], True)) + 1
        if over and not lines[1]:
            return at + 1  # a ruler
        named = lines[0] and not lines[0].startswith(" ") and not over
        if named and under and _is_rule_of(lines[1], lines[0], under["mark"]):
            return self._keep_heading(at, (under["mark"], False))
        return 0

    def _keep_heading(self, at: int, style: tuple[str, bool]) -> int:
        """Keep a heading, and return the line behind the one below it."""
        if style not in self._styles:
            self._styles.append(style)
        self._kept[at] = self._lines[at].strip()
        self.headings.append((at, self._styles.index(style) + 1))
        return at + 2

    def _drop_bare_headings(self) -> None:
        """Drop headings of what was left out, such as a list of other files."""
        end, below = len(self._lines), 0  # the level of the heading that was last looked at
        for place, (at, level) in reversed(list(enumerate(self.headings))):
            if level >= below and not any(self._kept[at + 1 : end]):
                self._kept[at] = ""
                del self.headings[place]
            else:
                below = level
            end = at

    def _read_explicit(self, at: int, end: int, line: str) -> None:
        """Read what begins with two dots: a directive or a note; a comment says nothing."""
        if note := _NOTE.match(line):
            self._kept[at] = note["said"]
            self._read(at + 1, end, self._inner(at + 1, end))
            return
        directive = _DIRECTIVE.match(line)
        if directive is None or directive["name"] in _SILENT:
            return
        name, said = directive["name"], directive["said"] or ""
        body = at + 1
        while body < end and _OPTION.match(self._lines[body]):
            body += 1
        if name in _CODE:
            self._keep_code(body, end)
        else:
            prefix = f"{_SAID[name]} " if name in _SAID and said else ""
            self._kept[at] = "" if name in _NAMED else prefix + said
            self._read(body, end, self._inner(body, end))

    def _keep_code(self, first: int, end: int) -> None:
        """Keep lines as they are, between fences where lines are free for these."""
        lines = [at for at in range(first, end) if self._lines[at]]
        if not lines:
            return
        indent = self._inner(first, end)
        for at in range(lines[0], lines[-1] + 1):
            self._kept[at] = self._lines[at][indent:]
            self._verbatim[at] = True
        before, behind = lines[0] - 1, lines[-1] + 1
        if not self._kept[before] and behind < len(self._lines) and not self._lines[behind]:
            self._kept[before] = self._kept[behind] = "```"
            self._verbatim[before] = self._verbatim[behind] = True

    def _end_of_block(self, first: int, last: int, indent: int) -> int:
        """Return the first line that is not set in further, nor blank."""
        return next(
            (
                at
                for at in range(first, last)
                if self._lines[at] and _indent(self._lines[at]) <= indent
            ),
            last,
        )

    def _inner(self, first: int, end: int) -> int:
        """Return how many spaces all of some lines are set in by."""
        return min((_indent(line) for line in self._lines[first:end] if line), default=0)


def _field(line: str) -> str:
    """Return a line, with the name of a field before a colon if it begins with one."""
    field = _FIELD.match(line)
    if field is None:
        return line
    return "" if field["name"] in _FOR_TOOLS else f"{field['name']}: {field['said'] or ''}".rstrip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _is_rule_of(line: str, title: str, mark: str) -> bool:
    """Whether a line of marks is long enough to make a heading of its neighbour."""
    rule = _RULE.match(line)
    return rule is not None and rule["mark"] == mark and len(line) >= min(len(title), 4)


def _plain(lines: list[str]) -> list[str]:
    """Return the lines of a paragraph without marks for tools; as many as there were."""
    text = "\n".join(lines)
    for pattern, said in _INLINE:
        text = pattern.sub(partial(_as_high, said), text)
    return text.split("\n") if lines else []


def _as_high(said: Callable[[re.Match[str]], str], match: re.Match[str]) -> str:
    """Return what a mark says, with as many line ends as were in it."""
    text = said(match)
    return text + "\n" * (match[0].count("\n") - text.count("\n"))
