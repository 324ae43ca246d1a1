"""What a run is kept in: a flat collection of files, each there whole or not at all."""

from __future__ import annotations

import errno
from typing import Protocol

from at2_rag.errors import At2Error, InputError

_FULL = (errno.ENOSPC, errno.EDQUOT)


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
        """Make the folder, where there are folders, and clear away what killed processes left.

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

        Several processes may write one name at a time: then it holds what one of them wrote.

        Raises:
            DiskFullError: If there is no room; nothing half-written is kept.
            InputError: If it cannot be written.
        """

    def create(self, name: str, data: bytes) -> None:
        """Write a file unless there is one of that name; that one stays as it is.

        Raises:
            DiskFullError: If there is no room; nothing half-written is kept.
            InputError: If it cannot be written.
        """


def unreadable(place: str, error: Exception) -> InputError:
    """Return the error of what is there and cannot be read.

    Args:
        place: Path or URL of the file or the folder.
        error: What was raised when the file or the folder was read.
    """
    return InputError(
        f"{place} cannot be read: {_reason(error)}; expected a place that may be read. Nothing "
        "was changed."
    )


def unwritable(place: str, size: int, error: Exception) -> At2Error:
    """Return the error of what cannot be written.

    Args:
        place: Path or URL of the file or the folder.
        size: How many bytes were to be written.
        error: What was raised when the bytes were written.
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


def _reason(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) else None
    return str(said or error or type(error).__name__).splitlines()[0]
