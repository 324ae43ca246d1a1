"""What became of the rows of an audit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

#: What is called after each part: how many rows are done, how many there are, and whether those
#: of this part had been done before.
Progress = Callable[[int, int, bool], None]


@dataclass(frozen=True)
class Rejected:
    """A row that was set apart.

    Attributes:
        place: File and line of the row.
        error: Why the row could not be used.
    """

    place: str
    error: str


#: What is called for each row that is set apart.
OnReject = Callable[[Rejected], None]


@dataclass(frozen=True)
class PartDone:
    """What became of the rows of a part.

    Attributes:
        audited: How many rows have a record.
        rejected: The rows that were set apart.
    """

    audited: int
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True)
class AuditReport:
    """What one call did.

    Attributes:
        folder: Where the records are.
        audited: How many rows this call audited.
        resumed: How many rows an earlier call had gone through.
        rejected: How many rows this call set apart.
    """

    folder: str
    audited: int = 0
    resumed: int = 0
    rejected: int = 0

    @property
    def rows(self) -> int:
        """How many rows have been gone through, by this call or an earlier one."""
        return self.audited + self.resumed + self.rejected

    def with_part(self, done: PartDone) -> AuditReport:
        """Return the report of one part more."""
        audited = self.audited + done.audited
        return replace(self, audited=audited, rejected=self.rejected + len(done.rejected))
