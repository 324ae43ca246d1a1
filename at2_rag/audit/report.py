"""A report of an audit, or of two: what was counted, and a page that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from at2_rag.audit.figures import draw
from at2_rag.audit.folder import AuditFolder
from at2_rag.audit.page import make_page, tallies_of
from at2_rag.audit.summary import Changed, Summary, changes, summarize
from at2_rag.audit.tally import Tally
from at2_rag.errors import InputError, MissingExtraError


@dataclass(frozen=True)
class Report:
    """What one audit found, or two beside each other.

    Attributes:
        summaries: What was counted of each.
        changed: Rows whose support differs between two audits, those that lost most first.
        by: The column that the groups go by; ``None`` where there are none.
    """

    summaries: tuple[Summary, ...]
    changed: tuple[Changed, ...] = ()
    by: str | None = None

    @property
    def tallies(self) -> dict[str, Tally]:
        """What is set side by side: the runs, and the groups of each, by their names."""
        return tallies_of(self.summaries)

    def page(self) -> str:
        """Return a page of HTML that needs nothing else; without figures if matplotlib lacks."""
        try:
            figure = draw(self.tallies)
        except MissingExtraError:
            figure = None
        return make_page(self.summaries, figure, self.changed, self.by)


def report_of(folders: Sequence[str | Path], by: str | None = None, worst: int = 100) -> Report:
    """Count what an audit found, or what two of the same log found.

    Args:
        folders: Where the audit is kept; or where two are, the earlier one first.
        by: Column of the input whose values make groups; ``None`` for none.
        worst: How many answers with a statement that is not supported to show.

    Raises:
        InputError: If there is not one folder or two, or nothing is in them, or there is no such
            column.
        FileFormatError: If a folder is none of an audit, or a part is damaged.
    """
    if len(folders) not in (1, 2):
        raise InputError(f"There are {len(folders)} folders; expected one, or two to compare.")
    opened = [AuditFolder.at(folder) for folder in folders]
    summaries = tuple(summarize(folder, by, worst) for folder in opened)
    changed = tuple(changes(*opened)) if len(opened) == 2 else ()
    return Report(summaries, changed, by)
