"""The folder that a log is audited into: a manifest, parts of so many rows, and what was set apart.

A part is whole or not there, and depends on its rows alone; so whatever kills an audit, only the
part in hand is lost. Names of all that is no part begin with ``_``, which readers of Parquet
folders leave out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from at2_rag.audit.formats import RecordFormat, as_json_lines, decode, encode
from at2_rag.errors import FileFormatError
from at2_rag.runs.folder import RunFolder
from at2_rag.runs.manifest_file import ManifestFile

_MANIFEST = "_manifest.json"
_PART = re.compile(r"part-(\d{6,})\.(jsonl|parquet)")
_REJECTS = re.compile(r"_rejects-(\d{6,})\.jsonl")


@dataclass(frozen=True)
class AuditFolder(RunFolder):
    """Where an audit is kept."""

    @property
    def manifest_file(self) -> ManifestFile:
        """What tells what the audit depends on."""
        made = "a folder that a log was audited into (at2-rag cite FILE --out DIR)"
        return ManifestFile(self.store, _MANIFEST, made, "files, model and settings")

    @property
    def is_begun(self) -> bool:
        """Whether a part is there."""
        return bool(self.done())

    def check_run(self, manifest: Mapping[str, Any]) -> None:
        """Check what is known of a run against the one that the folder belongs to.

        Args:
            manifest: Some of what the records depend on, such as all but the model.

        Raises:
            InputError: If it belongs to another run, with what differs.
            FileFormatError: If its manifest is missing, or cannot be read.
        """
        self.manifest_file.check(manifest, only_told=True)

    def done(self) -> set[int]:
        """Return the numbers of the parts that are there."""
        return {int(match[1]) for match in self._named(_PART)}

    def write(
        self,
        part: int,
        records: Sequence[dict[str, Any]],
        rejects: Sequence[dict[str, Any]],
        kind: RecordFormat,
        schema: Any = None,
    ) -> None:
        """Write a part, and before it what was set apart of its rows.

        Args:
            part: The number of the part.
            records: What was found, a record for each row that could be used.
            rejects: What was set apart, each with ``file``, ``error`` and ``row``.
            kind: What the part is written as.
            schema: The Arrow schema of the rows' own columns; ``None`` where there is none.

        Raises:
            DiskFullError: If there is no room; nothing half-written is kept.
            InputError: If the folder cannot be written to.
        """
        if rejects:
            self.store.write(f"_rejects-{part:06d}.jsonl", as_json_lines(rejects))
        self.store.write(f"part-{part:06d}.{kind}", encode(records, kind, schema))

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the records of all parts, in the order of their rows.

        Raises:
            FileFormatError: If a part is damaged.
        """
        for match in self._named(_PART):
            kind: RecordFormat = "parquet" if match[2] == "parquet" else "jsonl"
            try:
                yield from decode(self.store.read(match[0]), kind)
            except (ValueError, KeyError, OSError) as error:
                raise FileFormatError(
                    f"{self.store.place(match[0])} is damaged: {error}. Delete it, and run the "
                    "same again to have its rows audited again."
                ) from error

    def rejects(self) -> Iterator[dict[str, Any]]:
        """Yield what was set apart, in the order of the rows; of parts that are there only."""
        done = self.done()
        for match in self._named(_REJECTS):
            if int(match[1]) in done:
                yield from decode(self.store.read(match[0]), "jsonl")

    def _named(self, pattern: re.Pattern[str]) -> list[re.Match[str]]:
        found = (pattern.fullmatch(name) for name in self.store.names())
        return sorted(filter(None, found), key=lambda match: int(match[1]))
