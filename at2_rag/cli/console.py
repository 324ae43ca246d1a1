"""Where things are written: answers on stdout, everything about them on stderr."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

_CONTROLS = dict.fromkeys([*range(32), *range(127, 160)], "\ufffd") | {
    ord("\t"): " ",
    ord("\n"): "\n",
    ord("\r"): " ",
}


def stdout() -> Console:
    """Return a console that colours only a terminal, and honours NO_COLOR."""
    return Console(highlight=False)


def stderr() -> Console:
    """Return the console for notes, errors and spinners."""
    return Console(stderr=True, highlight=False)


def show(*parts: RenderableType) -> None:
    """Write parts of an answer to stdout; lines are wrapped for a terminal only."""
    console = stdout()
    for part in parts:
        console.print(part, soft_wrap=not console.is_terminal)


def show_json(value: dict[str, Any]) -> None:
    """Write JSON to stdout, in ASCII, so that no terminal's encoding can spoil it."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def note(message: str) -> None:
    """Write one line to stderr that is worth knowing and no error."""
    stderr().print(Text.assemble(("note: ", "bold cyan"), one_line(message)), soft_wrap=True)


def report_error(message: str) -> None:
    """Write an error as one line to stderr."""
    stderr().print(Text.assemble(("error: ", "bold red"), one_line(message)), soft_wrap=True)


def one_line(message: str) -> str:
    """Fold a message into one line."""
    return " ".join(harmless(message).split())


def harmless(text: str) -> str:
    """Replace control characters one for one: in a passage they could command the terminal."""
    return text.translate(_CONTROLS)


def spinner(message: str) -> AbstractContextManager[Any]:
    """Show that something takes a while, on a terminal."""
    console = Console(file=sys.stderr, highlight=False)  # this one, whatever stderr is meanwhile
    return console.status(f"{message} …") if console.is_terminal else nullcontext()


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Show warnings meant for users as notes, and leave out those meant for developers."""

    def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
        note(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("once", category=UserWarning, module="at2_rag")
        warnings.showwarning = show_warning
        yield
