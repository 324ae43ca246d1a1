"""What of an answer is prose, a row, or code, as Markdown has it, and what marks would break."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from at2_rag.spans import Span

#: ``code`` is all that is shown as it is, or not shown at all.
LeafKind = Literal["prose", "heading", "row", "fence", "code"]

_KINDS: dict[str, LeafKind] = {
    "paragraph_open": "prose",
    "heading_open": "heading",
    "tr_open": "row",
    "fence": "fence",
    "code_block": "code",
    "html_block": "code",
    "hr": "code",
}

#: How data begin that stand without a fence: objects and lists of JSON.
DATA = re.compile(r'\s*(?:\{\s*["}]|\[\s*(?:[\[{"]|-?\d+(?:\.\d+)?\s*,))')

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
_MATH = re.compile(
    r"\$\$.+?\$\$|\$(?![\s$])[^$]*?(?<![\s\\])\$(?!\d)|\\\(.+?\\\)|\\\[.+?\\\]", re.S
)


class Spot(NamedTuple):
    """Where something is put into a text.

    Attributes:
        position: The character before which it is put.
        before: What is put in front of the marks, such as a line break behind a block of code.
        after: What is put behind the marks.
    """

    position: int
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Leaf:
    """A block that holds no other blocks.

    Attributes:
        kind: What the block is.
        start: First character of the block's first line.
        end: One past the last character of the block's last line, without its line break.
        block: Characters of what is shown as one: of a row, the whole table; else, the block.
        fence: What a fence is written as; empty for all other blocks.
    """

    kind: LeafKind
    start: int
    end: int
    block: Span
    fence: str = ""


@dataclass(frozen=True)
class Blocks:
    """A text's blocks.

    Attributes:
        starts: Where each block begins that is in no other.
        complete: Whether the last of these has ended, whatever follows the text.
        leaves: The blocks that hold no others, in order.
    """

    starts: tuple[int, ...]
    complete: bool
    leaves: tuple[Leaf, ...]

    def leaf_at(self, end: int) -> Leaf | None:
        """Return the leaf that the character before ``end`` is in; ``None`` if it is in none."""
        return next((leaf for leaf in self.leaves if leaf.start < end <= leaf.end), None)


def read_blocks(text: str) -> Blocks:
    """Find the blocks of a text.

    Args:
        text: Markdown that begins with a block of its own.
    """
    lines = [match.span() for match in _LINE.finditer(text) if match.group()]
    found = [token for token in _BLOCKS.parse(text) if token.map]
    top = [token for token in found if token.level == 0]
    ended = bool(top) and top[-1].type in ("paragraph_open", "heading_open", "table_open")
    leaves, table = [], (0, 0)
    for token in found:
        here = _place(text, lines, token)
        if token.type == "table_open":
            table = here
        elif token.type in _KINDS:
            kind: LeafKind = _KINDS[token.type]
            if kind in ("prose", "heading") and DATA.match(text[slice(*here)].lstrip(" \t>")):
                kind = "code"
            fence = token.markup if kind == "fence" else ""
            leaves.append(Leaf(kind, *here, table if kind == "row" else here, fence))
    starts = tuple(_place(text, lines, token)[0] for token in top)
    return Blocks(starts, ended and _last_line(top[-1]) < len(lines), tuple(leaves))


def _last_line(token: Token) -> int:
    """Return how many lines have been read at the end of a block."""
    assert token.map is not None  # as of all blocks
    return max(token.map[1], token.map[0] + 1)


def _place(text: str, lines: Sequence[Span], token: Token) -> Span:
    """Return a block's characters, without its last line break."""
    assert token.map is not None  # as of all blocks
    start, end = lines[token.map[0]][0], lines[min(_last_line(token), len(lines)) - 1][1]
    return start, start + len(text[start:end].removesuffix("\n").removesuffix("\r"))


def own_numbers(text: str, blocks: Blocks) -> list[tuple[int, int]]:
    """Return where a text itself has numbers in brackets, and with how many carets each.

    Args:
        text: The text to look at; what it has as code is no number to be taken for a mark.
        blocks: The text's blocks.
    """
    for leaf in blocks.leaves:
        if leaf.kind in ("fence", "code"):
            text = _blanked(text, leaf.start, leaf.end)
        else:
            for code in _INLINE_CODE.finditer(text, leaf.start, leaf.end):
                text = _blanked(text, *code.span())
    return [(m.start(), len(m[1])) for m in _OWN_NUMBER.finditer(text)]


_INLINE_CODE = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", re.S)
_OWN_NUMBER = re.compile(r"\[(\^*)\d+\]")


def _blanked(text: str, start: int, end: int) -> str:
    return text[:start] + " " * (end - start) + text[end:]


class Shape:
    """What a text looks like as Markdown, to compare it with the same text and marks.

    Args:
        text: The text without marks.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        spare = (chr(code) for code in range(0xE000, 0xF8FF))
        self._mark = f"[{next(char for char in spare if char not in text)}]"
        parsers = (_COMMON, _WITH_MATH) if _MATH.search(text) else (_COMMON,)
        self._plain = [(parser, self._shape(parser, text)[0]) for parser in parsers]

    def keeps(self, spots: Sequence[Spot]) -> bool:
        """Return whether marks at some spots are all read, and leave everything as it was.

        All blocks, links, code and so on have to be there as without the marks, and no mark inside
        a link. Only paragraphs of nothing but marks may be there besides.

        Args:
            spots: Where marks are put into the text.
        """
        text, done = "", 0
        for position, before, after in sorted(spots):
            text += self._text[done:position] + before + self._mark + after
            done = position
        text += self._text[done:]
        wanted = len(spots)
        return all(self._shape(parser, text) == (plain, wanted) for parser, plain in self._plain)

    def _shape(self, parser: MarkdownIt, text: str) -> tuple[list[Any], int]:
        """Return the text's shape without marks, and how many marks are read."""
        shape: list[Any] = []
        tokens = iter(parser.parse(text))
        read = 0
        for token in tokens:
            if token.type != "inline":
                content = token.content.rstrip("\n")  # the last line may have no end
                about = (token.markup, token.info, content, str(token.attrs))
                shape.append((token.type, token.level, *about))
                continue
            parts, found = self._line(token.children or ())
            read += found
            if found and not parts and shape[-1][0] == "paragraph_open":
                shape.pop()
                next(tokens)  # its end
            else:
                shape.append(parts)
        return shape, read

    def _line(self, tokens: Sequence[Token]) -> tuple[list[object], int]:
        """Return what a line consists of, without marks, and how many marks are read."""
        parts: list[object] = []
        text, closed, read = "", 0, 0

        def end_text() -> int:
            plain = text.replace(f" {self._mark}", "").replace(self._mark, "")
            parts.extend([plain] if plain else [])
            return text.count(self._mark)

        for token in tokens:
            closed += _closed(token)
            if token.type == "text" and not closed:
                text += token.content
                continue
            read += end_text()
            text = ""
            parts.append((token.type, token.markup, token.content, str(token.attrs)))
        return parts, read + end_text()


def _closed(token: Token) -> int:
    """Return 1 where something begins that marks stay out of, and -1 where it ends."""
    if token.type.startswith("link_"):
        return token.nesting
    tag = _CLOSED_TAG.match(token.content) if token.type == "html_inline" else None
    return 0 if tag is None else -1 if tag[1] else 1


_CLOSED_TAG = re.compile(r"<(/?)(?:a|code|kbd|math|pre|samp|script|style|svg|title)\b", re.I)


def _math(state: StateInline, silent: bool) -> bool:
    """Read a formula, whatever stands in it, as code is read."""
    if state.src[state.pos] not in "$\\":
        return False
    match = _MATH.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    if not silent:
        token = state.push("math", "math", 0)
        token.content = match.group()
    state.pos = match.end()
    return True


def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


_COMMON, _WITH_MATH = _parser(), _parser()
_WITH_MATH.inline.ruler.before("escape", "math", _math)
_BLOCKS = _parser().disable("inline")
