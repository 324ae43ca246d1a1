"""The two screens of a command, standard output and standard error, and what is fit for them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

_CONTROLS = dict.fromkeys([*range(32), *range(127, 160)], "\ufffd") | {
    ord("\t"): " ",
    ord("\n"): "\n",
    ord("\r"): " ",
}

#: Consoles on which something moves, the last one last: whatever else is written goes above it.
_moving: list[Console] = []


def stdout() -> Console:
    """Return a console that colours only a terminal, and honours NO_COLOR."""
    return Console(highlight=False)


def stderr() -> Console:
    """Return the console for notes and errors; while something moves on it, that one."""
    return _moving[-1] if _moving else Console(stderr=True, highlight=False)


@contextmanager
def moving() -> Iterator[Console]:
    """Yield a console on stderr for a spinner or a bar, which notes go above meanwhile.

    It stays with this stderr, whatever is put in its place while a model is loaded.
    """
    console = Console(file=sys.stderr, highlight=False)
    _moving.append(console)
    try:
        yield console
    finally:
        _moving.remove(console)


def one_line(message: str) -> str:
    """Fold a message into one line."""
    return " ".join(harmless(message).split())


def harmless(text: str) -> str:
    """Replace control characters one for one: in a passage they could command the terminal."""
    return text.translate(_CONTROLS)
