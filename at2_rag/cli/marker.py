"""The text of an answer with its marks in colour, whole or as it comes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from at2_rag.answer.marking import Marking, MarkPlace
from at2_rag.answer.remarks import ungrounded_in_words
from at2_rag.cli.screens import harmless

if TYPE_CHECKING:
    from at2_rag.answer.statement import Statement

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")


def style_of(number: int) -> str:
    """Return how a mark and its reference look."""
    return f"bold {_COLOURS[(number - 1) % len(_COLOURS)]}"


class Marker:
    """Puts coloured marks into a text, as it comes; the pieces add up to the same in any case."""

    def __init__(self) -> None:
        self._marking = Marking()
        self._statements: list[Statement] = []

    @classmethod
    def of(cls, text: str, statements: Sequence[Statement]) -> Marker:
        """Return what has all of a text, and has returned nothing yet."""
        marker = cls()
        marker._marking = Marking.of(harmless(text), statements)
        marker._statements += statements
        return marker

    def add(self, event: str | Statement) -> Text:
        """Take the next piece of the text, or a statement right behind its last piece.

        Returns:
            What of the marked text is certain now, and was not before.
        """
        if isinstance(event, str):
            return self._shown(self._marking.add(harmless(event)))
        self._statements.append(event)
        return self._shown(self._marking.add(event))

    def finish(self) -> Text:
        """Return what is left once all of the text is there."""
        return self._shown(self._marking.finish())

    def _shown(self, pieces: Iterable[str | Statement | MarkPlace]) -> Text:
        text = Text()
        for piece in pieces:
            if isinstance(piece, str):
                text.append(piece)
            elif isinstance(piece, MarkPlace):
                text.append_text(_marks(piece, [self._statements[i] for i in piece.statements]))
        return text


def _marks(place: MarkPlace, statements: Sequence[Statement]) -> Text:
    """Return the marks of statements, and whether one of them is not supported."""
    numbers = {number for statement in statements for number in statement.numbers}
    text = Text().join(Text(place.mark(n), style_of(n)) for n in sorted(numbers))
    if any(statement.supported is False for statement in statements):
        text.append(" (not supported by the passages)", "dim")
    for told in filter(None, map(ungrounded_in_words, statements)):
        text.append(f" ({harmless(told[0].lower() + told[1:])})", "red")
    return Text.assemble(place.before, text, place.after) if text else text
