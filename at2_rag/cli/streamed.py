"""An answer on the terminal, as the model makes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.text import Text

from at2_rag.cli.marker import Marker
from at2_rag.cli.notes import release_notes
from at2_rag.cli.screens import stdout
from at2_rag.cli.wrapping import WordWrap

if TYPE_CHECKING:
    from at2_rag import Answer, Event, Statement
    from at2_rag.cli.waiting import Waiting


def write_as_it_comes(events: Iterable[Event], waiting: Waiting) -> Answer:
    """Write text and marks to stdout as soon as they are certain.

    Args:
        events: What a reader yields while it answers; the answer comes last.
        waiting: What moves on the screen until the first word comes.

    Returns:
        The answer whose text has been written.
    """
    from at2_rag import Answer, Thinking, Writing

    page, thought, ahead = _Page(waiting), "", ""
    try:
        for event in events:
            if isinstance(event, Answer):
                return event
            if isinstance(event, Thinking):
                thought += event.text
                waiting.add(f"thinking: {thought}")
            elif isinstance(event, Writing):
                ahead += event.text
                waiting.add(f"writing: {ahead}")
                if event.last:
                    waiting.turn_to("looking for what it goes back to")
            else:
                page.add(event)
        raise AssertionError("there was no answer among the events")
    finally:
        page.finish()


class _Page:
    """What is written of an answer.

    Args:
        waiting: What moves on the screen until the first word comes.
    """

    def __init__(self, waiting: Waiting) -> None:
        self._waiting, self._console = waiting, stdout()
        self._marker, self._wrap = Marker(), WordWrap(self._console.width)
        self._begun = False

    def add(self, event: str | Statement) -> None:
        """Write what an event makes certain."""
        self._write(self._wrap.add(self._marker.add(event)))

    def finish(self) -> None:
        """Write what is left, also of an answer that was stopped, and end the line."""
        self._write(self._wrap.add(self._marker.finish()))
        self._write(self._wrap.end())
        if self._begun:
            self._console.print()

    def _write(self, text: Text) -> None:
        if text and not self._begun:
            self._waiting.stop()
            release_notes()
            self._begun = True
        if text:
            self._console.print(text, end="", soft_wrap=True)
