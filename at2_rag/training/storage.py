"""Where a run is kept: a folder, or a place that fsspec reaches, such as an object store.

A file is there whole or not at all, whatever happens meanwhile.
"""

from __future__ import annotations

import errno
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from at2_rag.errors import At2Error, InputError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_LOCAL = ("file", "local")


class DiskFullError(At2Error):
    """There is no room left to write to."""


class Store(Protocol):
    """A flat collection of small files."""

    @property
    def where(self) -> str:
        """The folder's path or URL."""

    def place(self, name: str) -> str:
        """Return the path or URL of a file."""

    def prepare(self) -> None:
        """Make the folder, where there are folders.

        Raises:
            DiskFullError: If there is no room.
            InputError: If it cannot be made.
        """

    def names(self) -> list[str]:
        """Return the names of all files, in order; none where there is no folder.

        Raises:
            InputError: If they cannot be listed.
        """

    def read(self, name: str, end: int | None = None) -> bytes:
        """Return a file's bytes, or the first ``end`` of them.

        Raises:
            FileNotFoundError: If there is no such file.
            InputError: If it cannot be read.
        """

    def write(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all; one of that name is replaced.

        Raises:
            DiskFullError: If there is no room; nothing half-written is kept.
            InputError: If it cannot be written.
        """


def store_at(where: str | Path) -> Store:
    """Return the store at a path or a URL.

    Args:
        where: A folder, ``file:///…``, or a URL that fsspec knows, such as ``s3://bucket/run``.

    Raises:
        InputError: If nothing can be kept there, such as with a package that is not installed.
    """
    if isinstance(where, Path) or "://" not in where:
        return LocalStore(Path(where))
    parts = urlsplit(where)
    if parts.scheme in _LOCAL:
        if parts.netloc not in ("", "localhost") or not parts.path:
            raise InputError(
                f"{where!r} is no path of this machine; expected three slashes, as in "
                f"{parts.scheme}:///folder."
            )
        return LocalStore(Path(url2pathname(parts.path)))
    from at2_rag.training.remote import RemoteStore

    return RemoteStore.at(where)


@dataclass(frozen=True)
class LocalStore:
    """A folder of this machine, or one that it shares with others.

    Attributes:
        folder: Where it is.
    """

    folder: Path

    @property
    def where(self) -> str:
        """The folder's path."""
        return str(self.folder)

    def place(self, name: str) -> str:
        """Return the path of a file."""
        return str(self.folder / name)

    def prepare(self) -> None:
        """Make the folder and those above it; see :class:`Store`."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _explained(self.folder, 0, error) from error

    def names(self) -> list[str]:
        """Return the names of all files but hidden ones; see :class:`Store`."""
        try:
            return sorted(name for name in os.listdir(self.folder) if not name.startswith("."))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise unreadable(self.where, error) from error

    def read(self, name: str, end: int | None = None) -> bytes:
        """Return a file's bytes, or the first of them; see :class:`Store`."""
        try:
            with (self.folder / name).open("rb") as file:
                return file.read(-1 if end is None else end)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise unreadable(self.place(name), error) from error

    def write(self, name: str, data: bytes) -> None:
        """Write a file so that a crash or a power cut leaves it whole, or as it was.

        The bytes go to a hidden file beside it, onto the disk, and only then to the name. A
        killed process leaves at most that hidden file, which the next attempt at ``name``
        removes. Its name is random: two processes may write the same file at a time.

        Raises:
            DiskFullError: If the disk or the quota is full; nothing half-written is kept.
            InputError: If the folder cannot be written to.
        """
        path = self.folder / name
        temporary = path.with_name(f".{name}.{secrets.token_hex(4)}.tmp")
        try:
            _write(temporary, data)
            os.replace(temporary, path)
            _sync_folder(self.folder)
        except OSError as error:
            raise _explained(path, len(data), error) from error
        finally:
            for leftover in self.folder.glob(f".{name}.*.tmp"):
                leftover.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Put the file's new name onto the disk, where the system lets folders be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unreadable(place: str, error: Exception) -> InputError:
    """Return the error of what is there and cannot be read."""
    return InputError(
        f"{place} cannot be read: {_reason(error)}; expected a place that may be read. Nothing "
        "was changed."
    )


def unwritable(place: str, size: int, error: Exception) -> At2Error:
    """Return the error of what cannot be written.

    Args:
        place: Path or URL.
        size: In bytes.
        error: What was raised.
    """
    if isinstance(error, OSError) and error.errno in _FULL:
        return DiskFullError(
            f"The disk is full: {place} ({size} bytes) could not be written. Nothing half-written "
            "was kept, and everything before it is stored. Free some space and run the same "
            "again: it goes on where it stopped."
        )
    return InputError(
        f"{place} cannot be written: {_reason(error)}; expected a folder to write to."
    )


def _explained(path: Path, size: int, error: OSError) -> At2Error:
    return unwritable(str(path), size, error)


def _reason(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) else None
    return str(said or error or type(error).__name__).splitlines()[0]
