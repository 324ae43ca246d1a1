"""Where things are written: answers on stdout, everything about them on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from copy import copy
from typing import Any

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from at2_rag.cli.notes import note, note_now, release_notes, write_line
from at2_rag.cli.screens import harmless, one_line, stderr, stdout
from at2_rag.cli.waiting import spinner

__all__ = [
    "harmless",
    "note",
    "note_now",
    "one_line",
    "report_error",
    "show",
    "show_json",
    "spinner",
    "stderr",
    "stdout",
]

#: Wider than any table of ours.
_NO_BOUND = 100_000


def show(*parts: RenderableType) -> None:
    """Write parts of an answer to stdout.

    A terminal's width bounds them. In a pipe a paragraph stays one line, and a table is as wide as
    its cells. What stands above and below a table is as wide as a paragraph.
    """
    release_notes()
    console = stdout()
    for part in _with_paragraphs(parts):
        if console.is_terminal:
            console.print(part)
        elif isinstance(part, Table):
            _show_whole(part, console)
        else:
            console.print(part, soft_wrap=True)


def _with_paragraphs(parts: Iterable[RenderableType]) -> Iterator[RenderableType]:
    """Yield the parts, with titles and captions of tables for themselves."""
    for part in parts:
        if not isinstance(part, Table):
            yield part
            continue
        table = copy(part)
        table.title = table.caption = None
        above, below = part.title, part.caption
        yield from [] if above is None else [Text(str(above), "italic")]
        yield table
        yield from [] if below is None else [Text(str(below), "dim italic")]


def _show_whole(table: Table, console: Console) -> None:
    """Write a table to a pipe, without white space at the ends of its lines."""
    bound = console.options.update(width=_NO_BOUND, max_width=_NO_BOUND)
    wide = Console(width=Measurement.get(console, bound, table).maximum, highlight=False)
    with wide.capture() as shown:
        wide.print(table)
    for line in shown.get().splitlines():
        sys.stdout.write(f"{line.rstrip()}\n")


def show_json(value: dict[str, Any]) -> None:
    """Write JSON to stdout, in ASCII, so that no terminal's encoding can spoil it."""
    release_notes()
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def report_error(message: str) -> None:
    """Write an error to stderr, as one line or wrapped at words."""
    write_line("error", message, "bold red")
