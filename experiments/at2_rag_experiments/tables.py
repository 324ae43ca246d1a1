"""How the tables of all experiments look."""

from __future__ import annotations

from at2_rag.evaluation.results import Estimate
from rich import box
from rich.table import Table


def result_table(title: str, caption: str, *headers: str) -> Table:
    """Return an empty table whose first column names what the others are figures of.

    Args:
        title: Title above the table.
        caption: Text below the table: what was measured, and how to read it.
        headers: Headers of the columns.
    """
    table = Table(
        title=title,
        caption=caption,
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
        title_justify="left",
        caption_justify="left",
    )
    for index, header in enumerate(headers):
        table.add_column(header, justify="right" if index else "left", no_wrap=True)
    return table


def mean(estimate: Estimate, digits: int = 3) -> str:
    """Return the mean as text; a dash where there was nothing to measure."""
    return "–" if estimate.mean is None else f"{estimate.mean:.{digits}f}"
