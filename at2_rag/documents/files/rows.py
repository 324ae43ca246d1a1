"""Rows of tables as lines that make sense by themselves: ``City: Paris; Country: France``."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBER = re.compile(r"[^\w\s]*\d[\d.,:/%\s-]*[^\w\s]*")
_YEAR = re.compile(r"1\d{3}|20\d{2}")


def header_of(rows: Sequence[Sequence[str]]) -> Sequence[str]:
    """Return the first row if it names the columns, else nothing.

    It does if there are others, and nothing in it is a number but years that are all different.

    Args:
        rows: All rows, each of cells without line ends.
    """
    if len(rows) < 2:
        return ()
    numbers = [cell for cell in rows[0] if _NUMBER.fullmatch(cell)]
    years = all(_YEAR.fullmatch(cell) for cell in numbers) and len(set(numbers)) == len(numbers)
    named = [cell for cell in rows[0] if cell and cell not in numbers]
    return rows[0] if named and years else ()


def row_in_words(cells: Sequence[str], header: Sequence[str]) -> str:
    """Return one row with the name of its column before each cell that is not empty.

    Args:
        cells: The row's cells, without line ends.
        header: The names of the columns; empty where a column, or all of them, has none.
    """
    names = [*header, *[""] * len(cells)]
    told = [f"{name}: {cell}" if name else cell for name, cell in zip(names, cells, strict=False)]
    return "; ".join(one for one, cell in zip(told, cells, strict=True) if cell)


def flat(cell: str) -> str:
    """Return a cell in one line."""
    return " ".join(cell.split())
