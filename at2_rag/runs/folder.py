"""The folder that a run is kept in: a manifest, and what is done so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from at2_rag.runs.choose_store import store_at
from at2_rag.runs.manifest_file import ManifestFile
from at2_rag.runs.store import Store


@dataclass(frozen=True)
class RunFolder(ABC):
    """Where a run is kept.

    Attributes:
        store: Where the folder's files are kept.
    """

    store: Store

    @property
    @abstractmethod
    def manifest_file(self) -> ManifestFile:
        """What tells what the run depends on."""

    @property
    @abstractmethod
    def is_begun(self) -> bool:
        """Whether anything is done."""

    @classmethod
    def at(cls, where: str | Path) -> Self:
        """Return the folder at a path, or at a URL that fsspec knows.

        Raises:
            InputError: If nothing can be kept there.
        """
        return cls(store_at(where))

    @property
    def where(self) -> str:
        """Its path or URL."""
        return self.store.where

    def open_run(self, manifest: Mapping[str, Any]) -> None:
        """Make the folder and its manifest, or check that it belongs to the same run.

        Raises:
            InputError: If it belongs to another run, with what differs, or cannot be written.
            DiskFullError: If there is no room.
            FileFormatError: If its manifest cannot be read.
        """
        self.store.prepare()
        self.manifest_file.open(manifest, has_records=self.is_begun)

    def manifest(self) -> dict[str, Any]:
        """Return the manifest.

        Raises:
            FileFormatError: If there is none, or it cannot be read.
        """
        return self.manifest_file.read()
