"""Where things are written: answers on stdout, everything about them on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table

from at2_rag.cli.notes import note, note_now, release_notes, write_line
from at2_rag.cli.screens import harmless, one_line, stderr, stdout
from at2_rag.cli.tables import above_and_below, lines_of, parts_of
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


def show(*parts: RenderableType) -> None:
    """Write parts of an answer to stdout.

    A terminal's width bounds them. In a pipe a paragraph stays one line, and a table is as wide as
    its cells.
    """
    release_notes()
    console = stdout()
    for part in parts:
        if isinstance(part, Table):
            _show_table(part, console)
        else:
            console.print(part, soft_wrap=not console.is_terminal)


def _show_table(table: Table, console: Console) -> None:
    title, table, caption = above_and_below(table)
    if title is not None:
        show(title)
    if console.is_terminal:
        console.print(*parts_of(table, console), sep="\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines_of(table, console))
    if caption is not None:
        show(caption)


def show_json(value: dict[str, Any]) -> None:
    """Write JSON to stdout, in ASCII, so that no terminal's encoding can spoil it."""
    release_notes()
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def report_error(message: str) -> None:
    """Write an error to stderr, as one line or wrapped at words."""
    write_line("error", message, "bold red")
