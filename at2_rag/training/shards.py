"""The folder that a run is collected into: a manifest, and one small file per example.

A file is whole or not there, and none is ever changed or appended to; so whatever kills a
collection, only the example in hand is lost. A file depends on its example alone, so several
processes can share a folder or have one each, and the union is the same.
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from at2_rag.errors import FileFormatError, InputError
from at2_rag.training.examples import TrainingExample
from at2_rag.training.manifest import differences
from at2_rag.training.records import SkipReason, SkipRecord, TrainingRecord, read_header
from at2_rag.training.storage import make_folder, write_whole

_MANIFEST = "manifest.json"
_RECORD = ".safetensors"
_SKIP = ".skip.json"

OnCorrupt = Literal["error", "skip"]


class CorruptRecordWarning(UserWarning):
    """A file that is damaged was left out, as asked for."""


@dataclass(frozen=True)
class ShardFolder:
    """One folder of a run.

    Attributes:
        path: Where it is.
    """

    path: Path

    def open_run(self, manifest: Mapping[str, Any]) -> None:
        """Make the folder and its manifest, or check that it belongs to the same run.

        Raises:
            InputError: If it belongs to another run, with what differs, or cannot be written.
            DiskFullError: If there is no room.
            FileFormatError: If its manifest cannot be read.
        """
        make_folder(self.path)
        if not (self.path / _MANIFEST).exists():
            if any(True for _ in self._files()):
                raise FileFormatError(
                    f"{self.path} holds records and no {_MANIFEST}; expected both or neither. Use "
                    "an empty folder."
                )
            self._write_manifest(manifest)
        found = differences(self.manifest(), manifest)
        if found:
            raise InputError(
                f"{self.path} holds another run: {'; '.join(found)}. Use an empty folder, or the "
                "same model and settings."
            )

    def _write_manifest(self, manifest: Mapping[str, Any]) -> None:
        path = self.path / _MANIFEST
        try:
            text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
            write_whole(path, text.encode())
        except InputError:
            # Another shard may have begun in this moment, and been first; it is compared then.
            if not path.exists():
                raise

    def manifest(self) -> dict[str, Any]:
        """Return the manifest.

        Raises:
            FileFormatError: If there is none, or it cannot be read.
        """
        path = self.path / _MANIFEST
        if not path.is_file():
            raise FileFormatError(
                f"{self.path} has no {_MANIFEST}; expected a folder that examples were collected "
                "into (at2-rag train collect)."
            )
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise FileFormatError(f"{path} cannot be read: {error}") from error
        if not isinstance(manifest, dict):
            raise FileFormatError(f"{path} is no manifest; expected a JSON object.")
        return manifest

    def has(self, index: int, example: TrainingExample) -> bool:
        """Return whether an example was collected or skipped before.

        Args:
            index: The example's place in the run.
            example: The example.

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
            f"{self.path} holds another run: its example {what}. Use an empty folder, or the same "
            "data in the same order."
        )

    def store(self, index: int, record: TrainingRecord | SkipRecord) -> None:
        """Write one example's record.

        Raises:
            DiskFullError: If there is no room; nothing half-written is kept.
            InputError: If the folder cannot be written to.
        """
        if isinstance(record, TrainingRecord):
            write_whole(self._file(index, _RECORD), record.to_bytes())
        else:
            text = json.dumps(asdict(record), indent=2) + "\n"
            write_whole(self._file(index, _SKIP), text.encode())

    def read(self, on_corrupt: OnCorrupt) -> Iterator[tuple[str, TrainingRecord | SkipRecord]]:
        """Yield (file name, record) of every example, damaged files left out or refused.

        Raises:
            FileFormatError: If a file is damaged and ``on_corrupt`` is ``"error"``.
        """
        for path in self._files():
            try:
                yield path.name, _read(path)
            except FileFormatError as error:
                if on_corrupt == "error":
                    raise FileFormatError(
                        f'{error} To leave it out, pass on_corrupt="skip" (--skip-corrupt).'
                    ) from error
                warnings.warn(f"Left out: {error}", CorruptRecordWarning, stacklevel=2)

    def _files(self) -> Iterator[Path]:
        found = [*self.path.glob(f"example-*{_RECORD}"), *self.path.glob(f"example-*{_SKIP}")]
        return iter(sorted(found))

    def _file(self, index: int, suffix: str) -> Path:
        return self.path / f"example-{index:06d}{suffix}"

    def _fingerprint(self, index: int) -> tuple[str, str] | None:
        """Return id and fingerprint of what is stored at a place, without reading it all."""
        path = self._file(index, _RECORD)
        if not path.exists():
            path = self._file(index, _SKIP)
            if not path.exists():
                return None
            skip = _read(path)
            return skip.id, skip.fingerprint
        try:
            with path.open("rb") as file:
                first = file.read(8)
                length = min(int.from_bytes(first, "little"), path.stat().st_size)
                header = read_header(first + file.read(length))
            return header["id"], header["fingerprint"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(path, error) from error


@dataclass(frozen=True)
class Collected:
    """What one run collected, from all of its folders.

    Attributes:
        manifest: What the records depend on; see ``manifest.json``.
        records: In the order of the run's examples.
        skipped: How many examples there is nothing to learn from, by reason.
    """

    manifest: dict[str, Any]
    records: tuple[TrainingRecord, ...]
    skipped: dict[SkipReason, int] = field(default_factory=dict)


def load_collected(*folders: str | Path, on_corrupt: OnCorrupt = "error") -> Collected:
    """Load the folders of one run.

    Args:
        folders: One, or one per shard.
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
    shards = [ShardFolder(Path(folder)) for folder in folders]
    manifest = shards[0].manifest()
    for shard in shards[1:]:
        if found := differences(shard.manifest(), manifest):
            raise InputError(
                f"{shards[0].path} and {shard.path} are of different runs: {'; '.join(found)}. "
                "Load folders of one run."
            )
    read = {name: record for shard in shards for name, record in shard.read(on_corrupt)}
    ordered = [read[name] for name in sorted(read)]
    return Collected(
        manifest,
        tuple(record for record in ordered if isinstance(record, TrainingRecord)),
        dict(Counter(record.reason for record in ordered if isinstance(record, SkipRecord))),
    )


def _read(path: Path) -> TrainingRecord | SkipRecord:
    try:
        data = path.read_bytes()
        if not path.name.endswith(_SKIP):
            return TrainingRecord.from_bytes(data)
        fields = json.loads(data)
        return SkipRecord(**{**fields, "reason": SkipReason(fields["reason"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> FileFormatError:
    return FileFormatError(
        f"{path} is damaged: {error}. Delete it to have its example collected again."
    )
