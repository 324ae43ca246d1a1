"""Auditing log files into a folder: a part of rows at a time, going on where it stopped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from at2_rag.audit.auditor import Auditor
from at2_rag.audit.folder import AuditFolder
from at2_rag.audit.inputs import open_logs
from at2_rag.audit.options import AuditOptions
from at2_rag.audit.outcomes import AuditReport, OnReject, PartDone, Progress
from at2_rag.audit.parts import Parts
from at2_rag.reader import Reader


def audit_files(
    reader: Reader,
    files: Sequence[str | Path],
    out: str | Path,
    options: AuditOptions | None = None,
    *,
    progress: Progress | None = None,
    on_reject: OnReject | None = None,
) -> AuditReport:
    """Audit log files, and write a record for each row.

    Called again, it goes on where it stopped, also after ``kill -9``; the part in hand is lost, and
    no other. Rows that cannot be used are set apart, with file and line. No more is held in memory
    than a part, and where each part begins.

    Args:
        reader: The model that reads the answers, or gives them.
        files: JSON lines, JSON arrays or Parquet, with the rows that
            :meth:`~at2_rag.Reader.audit` takes; paths, or URLs that fsspec knows.
        out: Where the records go: a folder, new or of the same run, or a URL that fsspec knows,
            such as ``s3://bucket/run``.
        options: What to do, and how; ``None`` to cite the rows' own answers.
        progress: Called after each part.
        on_reject: Called for each row that is set apart.

    Raises:
        InputError: If an option cannot be used, or ``out`` holds another run.
        FileFormatError: If a file cannot be read at all.
        DiskFullError: If the disk is full; everything before is stored.
    """
    options = options or AuditOptions()
    folder = AuditFolder.at(out)
    parts = Parts.of(open_logs(files), options.rows_per_part)
    auditor = Auditor(reader, parts, folder, options)
    told = Told(parts, progress, on_reject)
    done = folder.done()
    report = told.before(folder.where, done)
    return told.now(report, map(auditor.audit, pending(parts, done)))


def pending(parts: Parts, done: set[int]) -> list[int]:
    """Return the numbers of the parts that are not done yet, in order."""
    return [part for part in range(len(parts)) if part not in done]


@dataclass(frozen=True)
class Told:
    """What is told while parts are done, and counted.

    Attributes:
        parts: The rows of the log files, and where each part begins.
        progress: Called after each part.
        on_reject: Called for each row that is set apart.
    """

    parts: Parts
    progress: Progress | None = None
    on_reject: OnReject | None = None

    def before(self, folder: str, done: set[int]) -> AuditReport:
        """Count the parts that an earlier call has done.

        Args:
            folder: Path or URL of the folder that the records go to.
            done: Numbers of the parts that are there.
        """
        resumed = sum(self.parts.rows_in(part) for part in done if part < len(self.parts))
        if resumed and self.progress is not None:
            self.progress(resumed, self.parts.rows, True)
        return AuditReport(folder, resumed=resumed)

    def now(self, report: AuditReport, done: Iterable[PartDone]) -> AuditReport:
        """Count parts as they are done.

        Args:
            report: What is reported so far.
            done: What becomes of each part, one after the other.
        """
        for part in done:
            report = report.with_part(part)
            if self.on_reject is not None:
                for rejected in part.rejected:
                    self.on_reject(rejected)
            if self.progress is not None:
                self.progress(report.rows, self.parts.rows, False)
        return report
