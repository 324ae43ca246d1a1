"""Auditing log files into a folder: a part of rows at a time, going on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from at2_rag.answer.answer import Answer
from at2_rag.answering.auditing import AuditedRow
from at2_rag.audit.folder import AuditFolder
from at2_rag.audit.formats import RecordFormat
from at2_rag.audit.inputs import LogFile, LogLine, open_logs, parquet
from at2_rag.audit.records import make_record
from at2_rag.errors import InputError
from at2_rag.estimators.fingerprints import short_hash
from at2_rag.reader import Reader
from at2_rag.runs.manifest import reader_manifest

#: Changes with the layout of the files.
FORMAT = 1

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

    def with_part(self, audited: int, rejected: int) -> AuditReport:
        """Return the report of one part more.

        Args:
            audited: How many rows of the part were audited.
            rejected: How many rows of the part were set apart.
        """
        return replace(self, audited=self.audited + audited, rejected=self.rejected + rejected)


@dataclass(frozen=True)
class AuditOptions:
    """How log files are audited.

    Attributes:
        anew: Whether the questions are answered by the model; else the rows' own answers are cited.
        prune_to: How many passages to answer from again; ``None`` to answer once.
        rows_per_part: How many rows are gone through, and written, at a time; those of like length
            run together.
        kind: What the parts are written as.
        scores: Whether records have the tables of scores, a number for each source and token.
        options: Settings and options of ``model.generate``, by name.
    """

    anew: bool = False
    prune_to: int | None = None
    rows_per_part: int = 64
    kind: RecordFormat = "jsonl"
    scores: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def manifest(self, reader: Reader, files: Sequence[LogFile]) -> dict[str, Any]:
        """Return what the records depend on, as plain JSON types.

        Args:
            reader: The model that reads or answers.
            files: The log files, in order.
        """
        settings, generation = reader.settings.override(self.options)
        estimator = reader.estimator
        return {
            "format": FORMAT,
            **reader_manifest(reader),
            "settings": {name: str(value) for name, value in settings.to_dict().items()},
            "generation": {name: str(value) for name, value in generation.items()},
            "estimator": f"{estimator.kind} {_fingerprint(estimator.weightings)}",
            "method": None if reader.method is None else reader.method.name,
            "anew": self.anew,
            "prune_to": self.prune_to,
            "rows_per_part": self.rows_per_part,
            "kind": self.kind,
            "scores": self.scores,
            "files": {str(index): file.fingerprint for index, file in enumerate(files)},
        }


def audit_files(
    reader: Reader,
    files: Sequence[str | Path],
    out: str | Path,
    options: AuditOptions | None = None,
    *,
    progress: Progress | None = None,
    on_reject: Callable[[Rejected], None] | None = None,
) -> AuditReport:
    """Audit log files, and write a record for each row.

    Called again, it goes on where it stopped, also after ``kill -9``; the part in hand is lost, and
    no other. Rows that cannot be used are set apart, with file and line. No more is held in memory
    than a part.

    Args:
        reader: The model that reads the answers, or gives them.
        files: JSON lines, JSON arrays or Parquet, with the rows that
            :meth:`~at2_rag.Reader.audit` takes.
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
    if options.kind == "parquet":
        parquet()
    logs, folder = open_logs(files), AuditFolder.at(out)
    rows = _Rows(reader, options, logs)
    folder.open_run(options.manifest(reader, logs))
    total, done = sum(log.count() for log in logs), folder.done()
    report = AuditReport(folder.where)
    for part, lines in enumerate(_parts(logs, options.rows_per_part)):
        if part in done:
            report = replace(report, resumed=report.resumed + len(lines))
        else:
            records, rejects = rows.audit(lines)
            folder.write(part, records, rejects, options.kind, rows.schema)
            report = report.with_part(len(records), len(rejects))
            _tell(rejects, on_reject)
        if progress is not None:
            progress(report.rows, total, part in done)
    return report


class _Rows:
    """Goes through the rows of a part.

    Args:
        reader: The model that reads or answers.
        options: What to do, and how.
        files: The log files, in order.
    """

    def __init__(self, reader: Reader, options: AuditOptions, files: Sequence[LogFile]) -> None:
        self._reader, self._options = reader, options
        schemas = [file.schema() for file in files]
        same = all(schema is not None and schema.equals(schemas[0]) for schema in schemas)
        self.schema = schemas[0] if same and options.kind == "parquet" else None
        list(self._audited([]))  # which refuses options that no row could be gone through with

    def audit(self, lines: Sequence[LogLine]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return records of the rows that could be used, and the others with their errors."""
        rows = [_row(line) for line in lines]
        found = self._audited([row for row in rows if not isinstance(row, InputError)])
        records, rejects = [], []
        for line, row in zip(lines, rows, strict=True):
            audited = AuditedRow({}, error=row) if isinstance(row, InputError) else next(found)
            if audited.answer is None:
                rejects.append(_reject(line, audited))
            else:
                records.append(self._record(line, audited.row, audited.answer))
        return records, rejects

    def _record(self, line: LogLine, row: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
        tokenizer, scores = self._reader.tokenizer, self._options.scores
        return make_record(row, answer, line.place, tokenizer, scores=scores)

    def _audited(self, rows: Sequence[dict[str, Any]]) -> Iterator[AuditedRow]:
        options = self._options
        return self._reader.audit(
            rows,
            anew=options.anew,
            prune_to=options.prune_to,
            at_a_time=options.rows_per_part,
            **options.options,
        )


def _parts(files: Sequence[LogFile], size: int) -> Iterator[list[LogLine]]:
    lines = (line for file in files for line in file.lines())
    while part := list(islice(lines, size)):
        yield part


def _tell(rejects: Sequence[dict[str, Any]], on_reject: Callable[[Rejected], None] | None) -> None:
    if on_reject is not None:
        for reject in rejects:
            on_reject(Rejected(reject["file"], reject["error"]))


def _row(line: LogLine) -> dict[str, Any] | InputError:
    try:
        return line.row()
    except InputError as error:
        return error


def _reject(line: LogLine, audited: AuditedRow) -> dict[str, Any]:
    data = line.data
    row = data.decode("utf-8", "replace").rstrip("\r\n") if isinstance(data, bytes) else data
    return {"file": line.place, "error": str(audited.error), "row": row}


def _fingerprint(weightings: Any) -> str:
    return short_hash(weightings.detach().float().cpu().numpy().tobytes())
