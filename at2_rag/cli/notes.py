"""Notes on stderr: each once, and none before an error that makes it moot."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.text import Text

from at2_rag.cli.screens import one_line, stderr


class _Notes:
    """The notes of one command, held back until something is shown.

    Attributes:
        held: Notes that wait; ``None`` once they no longer do.
        warned: Warnings that have been told.
    """

    def __init__(self) -> None:
        self.held: list[str] | None = []
        self.warned: set[str] = set()

    def add(self, message: str) -> None:
        if self.held is None:
            write_line("note", message)
        elif message not in self.held:
            self.held.append(message)

    def release(self) -> None:
        held, self.held = self.held or [], None
        for message in held:
            write_line("note", message)


_commands: list[_Notes] = []


def note(message: str) -> None:
    """Tell something worth knowing that is no error, as soon as the command shows something."""
    if _commands:
        _commands[-1].add(message)
    else:
        write_line("note", message)


def note_now(message: str) -> None:
    """Tell at once what takes a while, whatever comes of it."""
    write_line("note", message)


def release_notes() -> None:
    """Write the notes that wait: what they speak of has come to pass."""
    if _commands:
        _commands[-1].release()


def write_line(kind: str, message: str, style: str = "bold cyan") -> None:
    """Write one line to stderr, wrapped at words on a terminal only.

    Args:
        kind: What the line begins with.
        message: What there is to say.
        style: How rich shows the beginning.
    """
    console = stderr()
    line = Text.assemble((f"{kind}: ", style), one_line(message))
    console.print(line, soft_wrap=not console.is_terminal)


@contextmanager
def held_notes() -> Iterator[None]:
    """Hold a command's notes back until it shows something or ends; after an error, for good.

    Warnings meant for users become notes, once each; those meant for developers are left out. What
    the library logs is told at once.
    """
    notes = _Notes()
    _commands.append(notes)
    try:
        with _warnings_as_notes(notes), _log_at_once():
            yield
        notes.release()
    except typer.Exit:
        notes.release()
        raise
    finally:
        _commands.remove(notes)


@contextmanager
def _warnings_as_notes(notes: _Notes) -> Iterator[None]:
    def show_warning(message: Warning | str, *_: object, **__: object) -> None:
        if str(message) not in notes.warned:
            notes.warned.add(str(message))
            notes.add(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=UserWarning, module="at2_rag")
        warnings.showwarning = show_warning
        yield


class _AtOnce(logging.Handler):
    """Tells what the library logs."""

    def emit(self, record: logging.LogRecord) -> None:
        note_now(record.getMessage())


@contextmanager
def _log_at_once() -> Iterator[None]:
    logger, handler = logging.getLogger("at2_rag"), _AtOnce(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
