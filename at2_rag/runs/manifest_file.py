"""The file that says which run a folder belongs to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from at2_rag.errors import FileFormatError, InputError
from at2_rag.runs.manifest import differences
from at2_rag.runs.store import Store


@dataclass(frozen=True)
class ManifestFile:
    """A run's manifest, in the folder that the run is kept in.

    Attributes:
        store: Where the folder's files are kept.
        name: What the file is called.
        made: What the folder is expected to be, and the command that makes such a one.
        same: What has to be the same for a run to go on.
    """

    store: Store
    name: str
    made: str
    same: str

    def open(self, manifest: Mapping[str, Any], *, has_records: bool) -> None:
        """Write the manifest, or check that the folder belongs to the same run.

        Args:
            manifest: What the run depends on, in plain JSON types.
            has_records: Whether the folder had records before this is called. Another process that
                begins in this moment writes its manifest, and only then its records.

        Raises:
            InputError: If it belongs to another run, with what differs, or cannot be written.
            DiskFullError: If there is no room.
            FileFormatError: If the file cannot be read.
        """
        where = self.store.where
        if self._bytes() is None:
            if has_records:
                raise FileFormatError(
                    f"{where} holds records and no {self.name}; expected both or neither. Use an "
                    "empty folder."
                )
            text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
            self.store.create(self.name, text.encode())
        self.check(manifest)

    def check(self, manifest: Mapping[str, Any], *, only_told: bool = False) -> None:
        """Check that the folder belongs to the same run.

        Args:
            manifest: What the run depends on, in plain JSON types.
            only_told: Whether more may be in the file than is told here.

        Raises:
            InputError: If it belongs to another run, with what differs.
            FileFormatError: If there is no file, or it cannot be read.
        """
        stored = self.read()
        if only_told:
            stored = {name: stored.get(name) for name in manifest}
        if found := differences(stored, manifest):
            raise InputError(
                f"{self.store.where} holds another run: {'; '.join(found)}. Use an empty folder, "
                f"or the same {self.same}."
            )

    def read(self) -> dict[str, Any]:
        """Return the manifest.

        Raises:
            FileFormatError: If there is none, or it cannot be read.
        """
        data = self._bytes()
        if data is None:
            raise FileFormatError(f"{self.store.where} has no {self.name}; expected {self.made}.")
        place = self.store.place(self.name)
        try:
            manifest = json.loads(data)
        except ValueError as error:
            raise FileFormatError(f"{place} cannot be read: {error}") from error
        if not isinstance(manifest, dict):
            raise FileFormatError(f"{place} is no manifest; expected a JSON object.")
        return manifest

    def _bytes(self) -> bytes | None:
        try:
            return self.store.read(self.name)
        except FileNotFoundError:
            return None
