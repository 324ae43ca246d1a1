"""``at2-rag report``: what the audit of a log found, as a table and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from at2_rag.cli.console import note, show, spinner
from at2_rag.cli.outputs import check_file
from at2_rag.cli.screens import one_line
from at2_rag.cli.showing import counted

if TYPE_CHECKING:
    from at2_rag.audit.report import Report

Folders = Annotated[
    list[str],
    typer.Argument(
        metavar="DIR|URL…",
        help="Folder that a log was audited into, by cite or answer with --out; or two, to "
        "compare.",
        show_default=False,
    ),
]
By = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column of the log to part the rows by, such as retriever or metadata.model.",
        show_default=False,
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Write a page with figures and the worst answers.", show_default=False
    ),
]
Worst = Annotated[int, typer.Option(min=0, metavar="N", help="How many answers the page shows.")]


def report(folders: Folders, by: By = None, html: Html = None, worst: Worst = 100) -> None:
    """Tell what the audit of a log found: support, and passages that nobody used.

    The page needs no network, and opens in any browser.
    """
    check_file(html)
    with spinner("counting"):
        from at2_rag.audit.report import report_of

        found = report_of(folders, by, worst)
    show(_table(found))
    if found.changed:
        note(f"{counted(len(found.changed), 'row')} with another support in B than in A")
    for summary in found.summaries:
        if summary.rejected:
            note(f"{counted(summary.rejected, 'row')} of {summary.where} set apart")
        if not summary.overall.judged:
            note(f"nothing in {summary.where} was called supported or not: no calibrated estimator")
    if html is not None:
        html.write_text(found.page(), encoding="utf-8")
        note(f"the page is {html}")


def _table(found: Report) -> Table:
    from at2_rag.audit.figures_in_words import FIGURES

    table = Table()
    table.add_column(one_line(found.by or ""))
    for name in found.tallies:
        table.add_column(one_line(name), justify="right")
    for name, told in FIGURES:
        table.add_row(name, *(told(tally) for tally in found.tallies.values()))
    if len(found.summaries) == 2:
        table.caption = ", ".join(
            f"{letter} is {summary.where}"
            for letter, summary in zip("AB", found.summaries, strict=True)
        )
    return table
