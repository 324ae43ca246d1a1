"""Auditing one part of a log, wherever that is done: its rows, its records, its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from at2_rag.answer.answer import Answer
from at2_rag.answering.auditing import AuditedRow
from at2_rag.audit.folder import AuditFolder
from at2_rag.audit.inputs import LogLine, parquet
from at2_rag.audit.options import AuditOptions
from at2_rag.audit.outcomes import PartDone, Rejected
from at2_rag.audit.parts import PartReader, Parts
from at2_rag.audit.records import make_record
from at2_rag.errors import InputError
from at2_rag.reader import Reader


class Auditor:
    """Goes through parts of a log, in any order, and writes a file for each.

    Args:
        reader: The model that reads or answers.
        parts: The rows of the log files, and where each part begins.
        folder: Where the records go; its run is begun, or gone on with.
        options: What to do, and how.

    Raises:
        InputError: If an option cannot be used, or the folder holds another run.
        DiskFullError: If there is no room.
        FileFormatError: If the folder's manifest cannot be read.
        MissingExtraError: If Parquet is to be written, and pyarrow is not installed.
    """

    def __init__(
        self, reader: Reader, parts: Parts, folder: AuditFolder, options: AuditOptions
    ) -> None:
        if options.kind == "parquet":
            parquet()
        self._reader, self._options, self._folder = reader, options, folder
        self._lines = PartReader(parts)
        schemas = [file.schema() for file in parts.files]
        same = all(schema is not None and schema.equals(schemas[0]) for schema in schemas)
        self._schema = schemas[0] if same and options.kind == "parquet" else None
        list(self._audited([]))  # which refuses options that no row could be gone through with
        folder.open_run(options.manifest(reader, parts.files))

    def audit(self, part: int) -> PartDone:
        """Go through a part, and write its records and what was set apart.

        Raises:
            DiskFullError: If there is no room.
            InputError: If the folder cannot be written to.
            FileFormatError: If a file cannot be read.
        """
        records, rejects = self._gone_through(self._lines.lines(part))
        self._folder.write(part, records, rejects, self._options.kind, self._schema)
        rejected = tuple(Rejected(reject["file"], reject["error"]) for reject in rejects)
        return PartDone(len(records), rejected)

    def _gone_through(
        self, lines: Sequence[LogLine]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
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


def _row(line: LogLine) -> dict[str, Any] | InputError:
    try:
        return line.row()
    except InputError as error:
        return error


def _reject(line: LogLine, audited: AuditedRow) -> dict[str, Any]:
    data = line.data
    row = data.decode("utf-8", "replace").rstrip("\r\n") if isinstance(data, bytes) else data
    return {"file": line.place, "error": str(audited.error), "row": row}
