"""The folder that a run is collected into: a manifest, and one small file per example.

A file is whole or not there, and none is ever changed or appended to; so whatever kills a
collection, only the example in hand is lost. A file depends on its example alone, so several
processes can share a folder or have one each, and the union is the same.
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from at2_rag.datasets.example import TrainingExample
from at2_rag.errors import FileFormatError, InputError
from at2_rag.runs.folder import RunFolder
from at2_rag.runs.manifest import differences
from at2_rag.runs.manifest_file import ManifestFile
from at2_rag.training.records import SkipReason, SkipRecord, TrainingRecord, read_header

_MANIFEST = "manifest.json"
_PREFIX = "example-"
_RECORD = ".safetensors"
_SKIP = ".skip.json"

#: Read at once of a record to see whose it is, in bytes; few headers are longer.
_HEAD = 2**14
#: The longest header that safetensors allows, in bytes; a larger number is no length.
_LONGEST_HEADER = 10**8

OnCorrupt = Literal["error", "skip"]


class CorruptRecordWarning(UserWarning):
    """A file that is damaged was left out, as asked for."""


@dataclass(frozen=True)
class ShardFolder(RunFolder):
    """One folder of a run."""

    @property
    def manifest_file(self) -> ManifestFile:
        """What tells what the records depend on."""
        made = "a folder that examples were collected into (at2-rag train collect)"
        return ManifestFile(self.store, _MANIFEST, made, "model and settings")

    @property
    def is_begun(self) -> bool:
        """Whether an example is collected."""
        return bool(self._names())

    def has(self, index: int, example: TrainingExample) -> bool:
        """Return whether an example was collected or skipped before.

        Args:
            index: The example's place in the run.
            example: The example that would be stored at that place.

        Raises:
            InputError: If what is stored at that place is of another example.
            FileFormatError: If it is damaged.
        """
        found = self._fingerprint(index)
        if found is None:
            return False
        name, fingerprint = found
        if fingerprint == example.fingerprint:
            return True
        what = (
            f"{index}, {name!r}, had another text"
            if name == example.id
            else f"{index} is {name!r}, and now it is {example.id!r}"
        )
        raise InputError(
            f"{self.where} holds another run: its example {what}. Use an empty folder, or the same "
            "data in the same order."
        )

    def skipped(self, index: int) -> SkipReason | None:
        """Return why the example at a place was skipped; ``None`` if it was not.

        Raises:
            FileFormatError: If its file is damaged.
        """
        name = _name(index, _SKIP)
        data = self._read(name)
        return None if data is None else self._parse_skip(name, data).reason

    def indices(self) -> set[int]:
        """Return the places in the run that something is stored for."""
        texts = (name.removeprefix(_PREFIX).partition(".")[0] for name in self._names())
        return {int(text) for text in texts if text.isdecimal()}

    def store_record(self, index: int, record: TrainingRecord | SkipRecord) -> None:
        """Write one example's record.

        Raises:
            DiskFullError: If there is no room; nothing half-written is kept.
            InputError: If the folder cannot be written to.
        """
        if isinstance(record, TrainingRecord):
            self.store.write(_name(index, _RECORD), record.to_bytes())
        else:
            text = json.dumps(asdict(record), indent=2) + "\n"
            self.store.write(_name(index, _SKIP), text.encode())

    def read(self, on_corrupt: OnCorrupt) -> Iterator[tuple[str, TrainingRecord | SkipRecord]]:
        """Yield (file name, record) of every example, damaged files left out or refused.

        Raises:
            FileFormatError: If a file is damaged and ``on_corrupt`` is ``"error"``.
        """
        for name in self._names():
            try:
                yield name, self._parse(name, self.store.read(name))
            except FileFormatError as error:
                if on_corrupt == "error":
                    raise FileFormatError(
                        f'{error} To leave it out, pass on_corrupt="skip" (--skip-corrupt).'
                    ) from error
                warnings.warn(f"Left out: {error}", CorruptRecordWarning, stacklevel=2)

    def _names(self) -> list[str]:
        """Return the names of all records, in the order of the run."""
        names = self.store.names()
        return [n for n in names if n.startswith(_PREFIX) and n.endswith((_RECORD, _SKIP))]

    def _read(self, name: str, end: int | None = None) -> bytes | None:
        try:
            return self.store.read(name, end)
        except FileNotFoundError:
            return None

    def _fingerprint(self, index: int) -> tuple[str, str] | None:
        """Return id and fingerprint of what is stored at a place, without reading it all."""
        name = _name(index, _RECORD)
        data = self._read(name, _HEAD)
        if data is None:
            name = _name(index, _SKIP)
            data = self._read(name)
            if data is None:
                return None
            skip = self._parse_skip(name, data)
            return skip.id, skip.fingerprint
        length = int.from_bytes(data[:8], "little")
        if len(data) == _HEAD and _HEAD - 8 < length <= _LONGEST_HEADER:
            data = self.store.read(name, 8 + length)
        try:
            header = read_header(data)
            return header["id"], header["fingerprint"]
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(name, error) from error

    def _parse(self, name: str, data: bytes) -> TrainingRecord | SkipRecord:
        if name.endswith(_SKIP):
            return self._parse_skip(name, data)
        try:
            return TrainingRecord.from_bytes(data)
        except FileFormatError as error:
            raise self._damaged(name, error) from error

    def _parse_skip(self, name: str, data: bytes) -> SkipRecord:
        try:
            fields = json.loads(data)
            return SkipRecord(**{**fields, "reason": SkipReason(fields["reason"])})
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(name, error) from error

    def _damaged(self, name: str, error: Exception) -> FileFormatError:
        return FileFormatError(
            f"{self.store.place(name)} is damaged: {error}. Delete it to have its example "
            "collected again."
        )


def _name(index: int, suffix: str) -> str:
    return f"{_PREFIX}{index:06d}{suffix}"


@dataclass(frozen=True)
class Collected:
    """What one run collected, from all of its folders.

    Attributes:
        manifest: What the records depend on; see ``manifest.json``.
        records: What was collected, in the order of the run's examples.
        skipped: How many examples there is nothing to learn from, by reason.
    """

    manifest: dict[str, Any]
    records: tuple[TrainingRecord, ...]
    skipped: dict[SkipReason, int] = field(default_factory=dict)


def load_collected(*folders: str | Path, on_corrupt: OnCorrupt = "error") -> Collected:
    """Load the folders of one run.

    Args:
        folders: The run's folder, or one per shard; paths, or URLs that fsspec knows.
        on_corrupt: ``"skip"`` to leave damaged files out with a ``CorruptRecordWarning``.

    Raises:
        InputError: If there is no folder, or two are of different runs, with what differs.
        FileFormatError: If a folder is none of a run, or a file is damaged.
    """
    if not folders or on_corrupt not in ("error", "skip"):
        raise InputError(
            f"There are {len(folders)} folders and on_corrupt is {on_corrupt!r}; expected at least "
            "one folder, and 'error' or 'skip'."
        )
    shards = [ShardFolder.at(folder) for folder in folders]
    manifest = shards[0].manifest()
    for shard in shards[1:]:
        if found := differences(shard.manifest(), manifest):
            raise InputError(
                f"{shards[0].where} and {shard.where} are of different runs: {'; '.join(found)}. "
                "Load folders of one run."
            )
    read = {name: record for shard in shards for name, record in shard.read(on_corrupt)}
    ordered = [read[name] for name in sorted(read)]
    return Collected(
        manifest,
        tuple(record for record in ordered if isinstance(record, TrainingRecord)),
        dict(Counter(record.reason for record in ordered if isinstance(record, SkipRecord))),
    )
