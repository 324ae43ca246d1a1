"""Text that comes in pieces, wrapped at words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions
from rich.text import Text

from at2_rag.documents.scripts import CJK

# Lines may end between any two characters of Chinese and Japanese.
_PIECE = re.compile(rf"(?P<space>[^\S\n]+)|(?P<letter>[{CJK}])|\n|[^\s{CJK}]+")


class WordWrap:
    """Breaks lines between words, whatever pieces the text comes in.

    A word goes out once it has ended. A word that is longer than a line is left to the terminal.

    Args:
        width: How many columns a line has.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._column = 0
        self._space = Text()
        self._word = Text()

    def add(self, text: Text) -> Text:
        """Take the next piece, and return what of the text may go out."""
        ready = Text()
        for match in _PIECE.finditer(text.plain):
            piece = text[match.start() : match.end()]
            if match["space"]:
                ready.append_text(self.end())
                self._space.append_text(piece)
            elif match[0] == "\n":
                ready.append_text(self.end()).append("\n")
                self._column, self._space = 0, Text()
            else:
                if match["letter"]:
                    ready.append_text(self.end())
                self._word.append_text(piece)
        return ready

    def end(self) -> Text:
        """Return the last word, if nothing more is added to it."""
        word, space = self._word, self._space
        if not word:
            return Text()
        self._word, self._space = Text(), Text()
        end = self._column + space.cell_len + word.cell_len
        if self._column and end > self._width:
            space, end = Text("\n"), word.cell_len
        self._column = end if end <= self._width else end % self._width or self._width
        return space.append_text(word)


class Hanging:
    """Lines whose beginnings stand out, where a terminal has to break them; whole in a pipe.

    Args:
        lines: What is printed, a line each.
        indent: How many columns the beginning of each has.
    """

    def __init__(self, lines: Text, indent: int) -> None:
        self._lines, self._indent = lines, indent

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield each line, or its parts, as rich asks for them."""
        width = options.max_width - self._indent
        if not console.is_terminal or width < 2 * self._indent:
            yield self._lines
            return
        for line in self._lines.split("\n"):
            begin = line[: self._indent]
            for part in line[self._indent :].wrap(console, width):
                yield Text.assemble(begin, part)
                begin = Text(" " * self._indent)
