"""That something takes a while: a spinner on a terminal, and else a line now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread
from time import monotonic

from rich.status import Status
from rich.text import Text

from at2_rag.cli.durations import in_words
from at2_rag.cli.notes import note_now
from at2_rag.cli.screens import moving, one_line

#: Seconds from line to line where there is no terminal; the first one comes sooner.
_EVERY = 60.0
_FIRST = 20.0

#: Columns of the spinner, with the space behind it.
_SPINNER = 3


class Waiting:
    """What shows that something takes a while.

    Args:
        message: What takes a while, as "reading 3 passages".
        first: After how many seconds the first line comes where there is no terminal.
        every: How many seconds lie between lines.
    """

    def __init__(self, message: str, first: float = _FIRST, every: float = _EVERY) -> None:
        self._message, self._first, self._every = message, first, every
        self._detail = ""
        self._status: Status | None = None
        self._cleaning = ExitStack()

    def start(self) -> None:
        """Show it from now on."""
        console = self._cleaning.enter_context(moving())
        if console.is_terminal:
            self._status = console.status(self._line())
            self._cleaning.enter_context(self._status)
        else:
            self._cleaning.enter_context(_lines(lambda: self._message, self._first, self._every))

    def add(self, detail: str) -> None:
        """Show behind the message what is at hand just now, as far as there is room in the line.

        Args:
            detail: A text that grows; the end of it is shown.
        """
        self._detail = detail
        if self._status is not None:
            room = self._status.console.width - self._line().cell_len - _SPINNER
            shown = one_line(detail)[-room:] if room > 0 else ""
            self._status.update(self._line().append(shown, "dim"))

    def turn_to(self, message: str) -> None:
        """Show that something else takes a while now, with what was shown behind it at last.

        Args:
            message: What takes a while from now on.
        """
        self._message = message
        self.add(self._detail)

    def stop(self) -> None:
        """Show it no longer; a second time changes nothing."""
        self._status = None
        self._cleaning.close()

    def _line(self) -> Text:
        return Text(f"{one_line(self._message)} … ")


@contextmanager
def spinner(message: str) -> Iterator[Waiting]:
    """Show that something takes a while, until it is over or told to stop.

    Args:
        message: What takes a while, as "reading 3 passages".
    """
    shown = Waiting(message)
    shown.start()
    try:
        yield shown
    finally:
        shown.stop()


@contextmanager
def _lines(message: Callable[[], str], first: float, every: float) -> Iterator[None]:
    """Write a line now and then that it still goes on."""
    over, began = Event(), monotonic()

    def tell() -> None:
        wait = first
        while not over.wait(wait):
            note_now(f"still {message()}, for {in_words(monotonic() - began)} now")
            wait = every

    thread = Thread(target=tell, name="at2-rag waiting", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
