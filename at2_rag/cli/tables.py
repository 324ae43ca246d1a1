"""Tables that stay readable: whole in a pipe, and in parts on a terminal that is too narrow."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

#: Wider than any table of ours.
_NO_BOUND = 100_000


def above_and_below(table: Table) -> tuple[Text | None, Table, Text | None]:
    """Return title, table and caption, so that paragraphs are no narrower than they need be."""
    bare = copy(table)
    bare.title = bare.caption = None
    title = None if table.title is None else Text(str(table.title), "italic")
    caption = None if table.caption is None else Text(str(table.caption), "dim italic")
    return title, bare, caption


def lines_of(table: Table, console: Console) -> list[str]:
    """Return a table's lines, as wide as its cells, without white space at their ends.

    Args:
        table: The table to draw.
        console: Where it is to go, which decides how its borders are drawn.
    """
    wide = Console(width=_width(table, console), highlight=False)
    with wide.capture() as shown:
        wide.print(table)
    return [line.rstrip() for line in shown.get().splitlines()]


def parts_of(table: Table, console: Console) -> Iterator[Table]:
    """Yield a table, or tables of some of its columns each where it is wider than the console.

    Each has the first column, which says what a row is about. A single column may still be too
    wide, and is wrapped.
    """
    if len(table.columns) < 3 or _width(table, console) <= console.width:
        yield table
        return
    first, *others = table.columns
    while others:
        count = len(others)
        while count > 1 and _width(_with(table, [first, *others[:count]]), console) > console.width:
            count -= 1
        yield _with(table, [first, *others[:count]])
        others = others[count:]


def _with(table: Table, columns: list[Column]) -> Table:
    part = copy(table)
    part.columns = columns
    return part


def _width(table: Table, console: Console) -> int:
    bound = console.options.update(width=_NO_BOUND, max_width=_NO_BOUND)
    return Measurement.get(console, bound, table).maximum
