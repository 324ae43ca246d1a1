"""Markdown within a line, with the place of each character that is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from at2_rag.spans import Span

#: What a token of text says of itself: the places of its characters in the line.
PLACES = "places"


class _PlacedState(StateInline):
    """Remembers where each character came from that is shown as it is.

    What is read and no token yet is kept here, whole: releases of the parser keep it in ways of
    their own.
    """

    def __init__(self, src: str, md: MarkdownIt, env: Any, out: list[Token]) -> None:
        self._read: list[str] = []
        self._places: list[int] = []
        self._begun: list[tuple[Token, int]] = []
        super().__init__(src, md, env, out)

    @property
    def pending(self) -> str:
        """Text that has been read and is no token yet."""
        self._read = ["".join(self._read)]
        return self._read[0]

    @pending.setter
    def pending(self, value: str) -> None:
        more = len(value) - len(self._places)
        self._places = self._places[: len(value)] + list(range(self.pos, self.pos + max(more, 0)))
        self._read = [value]

    def append_pending(self, text: str) -> None:
        """Take in text that is shown as it is."""
        self._places += range(self.pos, self.pos + len(text))
        self._read.append(text)

    def pushPending(self) -> Token:  # as the parser calls it
        """Make a token of the text that has been read."""
        places = self._places
        token = super().pushPending()
        token.meta = {PLACES: places}
        self._places = []
        return token

    def push(self, ttype: str, tag: str, nesting: Literal[-1, 0, 1]) -> Token:
        """Add a token, and remember where the line was read when it came."""
        token = super().push(ttype, tag, nesting)
        self._begun.append((token, self.pos))
        return token

    def place(self) -> None:
        """Say of all tokens without places which ones they have, before any of them are paired."""
        done = begun = -1
        for token, pos in self._begun:
            if token.type == "text":
                # Several signs in a row are as many tokens, all added where the first one is.
                done = done if pos == begun else pos + _opened(self.src, pos)
                begun = pos
                token.meta = {PLACES: list(range(done, done + len(token.content)))}
                done += len(token.content)
            elif token.type == "code_inline":
                token.meta = {PLACES: _code_places(self.src, pos + len(token.markup), token)}
            else:
                token.meta = {"span": (pos, pos + max(len(token.markup), 1))}


def _opened(line: str, pos: int) -> int:
    """Return 1 for an address in angle brackets, which is shown without them."""
    return int(line[pos] == "<")


def _code_places(line: str, start: int, token: Token) -> list[int]:
    """Return the places of code, from which a space on either side may be gone."""
    shown = token.content
    start += line[start : start + len(shown)].replace("\n", " ") != shown
    return list(range(start, start + len(shown)))


class PlacedInline(ParserInline):
    """A parser of lines whose tokens know their places."""

    def parse(self, src: str, md: MarkdownIt, env: Any, tokens: list[Token]) -> list[Token]:
        """Parse a line, or several that are one paragraph."""
        state = _PlacedState(src, md, env, tokens)
        self.tokenize(state)
        state.place()
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


def placed_parser() -> MarkdownIt:
    """Return a parser of Markdown that takes no text for markup of a page, and lets none vanish.

    Tags are text, images are links to them, and definitions of references stay where they are.
    """
    parser = MarkdownIt("commonmark", {"html": False})
    parser.inline = PlacedInline()
    parser.enable(["table", "strikethrough"])
    parser.disable(["reference", "image", "html_block", "html_inline", "text_join"])
    parser.inline.ruler2.disable(["fragments_join"])
    parser.inline.ruler.disable(["linkify"])
    return parser


def runs_of(text: str, places: Sequence[int]) -> list[tuple[str, Span]]:
    """Cut text where its places do not follow on each other.

    Args:
        text: What is shown.
        places: The place of each character in the original, ascending.

    Returns:
        Pieces of the text, each with as many characters of the original.
    """
    found, begin = [], 0
    for index in range(1, len(text) + 1):
        if index == len(text) or places[index] != places[index - 1] + 1:
            found.append((text[begin:index], (places[begin], places[index - 1] + 1)))
            begin = index
    return found
