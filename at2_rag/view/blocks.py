"""A text as blocks of Markdown, in which each piece that is shown has its place in the text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from markdown_it.token import Token

from at2_rag.spans import Span
from at2_rag.view.inline import PLACES, placed_parser, runs_of

#: Longer texts are shown as they are: reading them as Markdown would take seconds.
MOST_MARKDOWN = 20_000


@dataclass(frozen=True)
class Run:
    """Characters that are shown.

    Attributes:
        text: What is shown.
        span: Where it stands in the text; of another length where something stands for it, as
            ``&amp;`` does, and nothing can be told apart within.
    """

    text: str
    span: Span

    @property
    def divisible(self) -> bool:
        """Whether each character that is shown is one of the text."""
        return len(self.text) == self.span[1] - self.span[0]


@dataclass
class Element:
    """An element of a page.

    Attributes:
        tag: The element's name in HTML.
        attributes: The element's attributes by name, not escaped.
        children: What is in the element, in order.
    """

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)


Node: TypeAlias = Run | Element

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
_PARSER = placed_parser()
_SAFE_ADDRESS = re.compile(r"(?:https?|mailto):", re.I)
_TAGS = {
    "paragraph": "p",
    "blockquote": "blockquote",
    "bullet_list": "ul",
    "ordered_list": "ol",
    "list_item": "li",
    "thead": "thead",
    "tbody": "tbody",
    "tr": "tr",
    "th": "th",
    "td": "td",
    "strong": "strong",
    "em": "em",
    "s": "s",
}
#: Headings of a text stand below those of the page.
_BELOW, _LOWEST = 3, 6


def blocks_of(text: str, *, markdown: bool = True) -> list[Node]:
    """Return what is shown of a text.

    Args:
        text: Any text; nothing in it is taken for markup of a page.
        markdown: Whether to show it as Markdown; else, and where it is very long, as it is.
    """
    if not markdown or len(text) > MOST_MARKDOWN:
        return [Element("p", {"class": "plain"}, [Run(text, (0, len(text)))])] if text else []
    return _Builder(text).build()


def safe_address(address: str | None) -> str | None:
    """Return an address that a page may link to; ``None`` for scripts, files and the like."""
    return address if address and _SAFE_ADDRESS.match(address) else None


class _Builder:
    """Builds the elements of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = [match.span() for match in _LINE.finditer(text) if match.group()]
        self._root = Element("div")
        self._open = [self._root]
        self._cell_at = (-1, 0)  # the line of the last cell of a table, and where it ended

    def build(self) -> list[Node]:
        for token in _PARSER.parse(self._text):
            self._block(token)
        return self._root.children

    def _block(self, token: Token) -> None:
        if token.type == "inline":
            self._inline(token)
        elif token.type in ("fence", "code_block"):
            self._code(token)
        elif token.type == "hr":
            self._add(Element("hr"))
        elif token.nesting > 0:
            self._enter(_block_element(token))
        elif token.nesting < 0:
            self._open.pop()

    def _add(self, node: Node) -> None:
        self._open[-1].children.append(node)

    def _enter(self, element: Element) -> None:
        self._add(element)
        self._open.append(element)

    def _code(self, token: Token) -> None:
        assert token.map is not None  # as of all blocks
        first = token.map[0] + (token.type == "fence")
        shown = token.content.removesuffix("\n")
        code = Element("code", {}, _runs(shown, self._lines_of(shown, first)))
        name = token.info.split(maxsplit=1)
        attributes = {"data-language": name[0]} if name else {}
        self._add(Element("pre", attributes, [code]))

    def _inline(self, token: Token) -> None:
        places = self._places(token)
        for child in token.children or ():
            self._child(child, [*places, places[-1] + 1] if places else [0])

    def _child(self, token: Token, places: Sequence[int]) -> None:
        """Add what is shown of a part of a line.

        Args:
            token: A part of the line, with its places in it.
            places: The place of each of the line's characters in the text, and of its end.
        """
        if token.type in ("text", "code_inline"):
            own = [places[place] for place in token.meta.get(PLACES, ())[: len(token.content)]]
            runs = _runs(token.content, own) if token.content else []
            self._open[-1].children += [Element("code", {}, runs)] if token.tag == "code" else runs
        elif token.type in ("text_special", "softbreak", "hardbreak"):
            start, end = token.meta["span"]
            shown = token.content if token.type == "text_special" else "\n"
            self._add(Run(shown, (places[start], places[end - 1] + 1)))
        elif token.nesting > 0:
            self._enter(_inline_element(token))
        elif token.nesting < 0:
            self._open.pop()

    def _places(self, token: Token) -> list[int]:
        """Return where each character of a paragraph, a heading or a cell stands in the text."""
        assert token.map is not None  # as of all blocks
        within = self._open[-1].tag
        if within in ("td", "th"):
            return self._cell(token.content, token.map[0])
        if within.startswith("h") and "\n" not in token.content:
            return self._heading(token.content, token.map[0])
        return self._lines_of(token.content, token.map[0])

    def _line(self, number: int) -> tuple[str, int]:
        """Return a line without its end, as the parser sees it, and where it begins."""
        start, end = self._lines[number] if number < len(self._lines) else (len(self._text),) * 2
        return self._text[start:end].rstrip("\r\n").replace("\0", "\ufffd"), start

    def _lines_of(self, shown: str, first: int) -> list[int]:
        """Return the places of lines from which something at the beginning may be gone."""
        found: list[int] = []
        for number, part in enumerate(shown.split("\n"), first):
            line, start = self._line(number)
            inside = part.lstrip(" \t")
            at = max(line.rfind(inside), 0) if inside else len(line)
            margin = len(part) - len(inside)
            found += [start + max(at - margin + index, 0) for index in range(len(part))]
            found.append(start + len(line))
        return found[:-1]

    def _heading(self, shown: str, number: int) -> list[int]:
        line, start = self._line(number)
        sign = re.match(r".*?#+(?=\s|$)", line)
        at = line.find(shown, sign.end() if sign and line.find(shown, sign.end()) >= 0 else 0)
        return [start + max(at, 0) + index for index in range(len(shown))]

    def _cell(self, shown: str, number: int) -> list[int]:
        """Return the places of a cell's characters, behind those of the cell before it."""
        line, start = self._line(number)
        before = self._cell_at[1] if self._cell_at[0] == number else None
        pattern = "".join(r"\\\|" if char == "|" else re.escape(char) for char in shown)
        margin = r"[\s>|*+\-\d.)]*?" if before is None else r"[\s|]*"
        match = re.compile(f"{margin}({pattern})").match(line, before or 0) if shown else None
        if match is None:
            return [start + (before or 0)] * len(shown)
        self._cell_at = number, match.end()
        at, found = match.start(1), []
        for char in shown:
            at += char == "|"  # behind its backslash
            found.append(start + at)
            at += 1
        return found


def _runs(shown: str, places: Sequence[int]) -> list[Node]:
    if len(places) < len(shown):
        return [Run(shown, (places[0], places[0]) if places else (0, 0))]
    return [Run(piece, span) for piece, span in runs_of(shown, places)]


def _block_element(token: Token) -> Element:
    kind = token.type.removesuffix("_open")
    if kind == "heading":
        return Element(f"h{min(int(token.tag[1]) + _BELOW, _LOWEST)}")
    if kind == "table":
        return Element("table")
    if kind == "paragraph" and token.hidden:
        return Element("div", {"class": "tight"})
    attributes = {"start": str(token.attrs["start"])} if "start" in token.attrs else {}
    style = str(token.attrs.get("style", ""))
    if style:
        attributes["class"] = style.replace("text-align:", "to-")
    return Element(_TAGS.get(kind, "div"), attributes)


def _inline_element(token: Token) -> Element:
    kind = token.type.removesuffix("_open")
    if kind != "link":
        return Element(_TAGS.get(kind, "span"))
    address = safe_address(str(token.attrs.get("href", "")))
    if address is None:
        return Element("span")
    return Element("a", {"href": address, "rel": "noopener noreferrer nofollow"})
