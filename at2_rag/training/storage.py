"""Writing files that are there whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from at2_rag.errors import At2Error, InputError

_FULL = (errno.ENOSPC, errno.EDQUOT)


class DiskFullError(At2Error):
    """There is no room left to write to."""


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a crash or a power cut leaves it whole, or as it was.

    The bytes go to a hidden file beside it, onto the disk, and only then to the name. A killed
    process leaves at most that hidden file, which the next attempt at ``path`` removes. Its name
    is random: two processes may write the same file at a time.

    Raises:
        DiskFullError: If the disk or the quota is full; nothing half-written is kept.
        InputError: If the folder cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        _write(temporary, data)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _explained(path, len(data), error) from error
    finally:
        for leftover in path.parent.glob(f".{path.name}.*.tmp"):
            leftover.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        DiskFullError: If the disk is full.
        InputError: If it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _explained(path, 0, error) from error


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


def _explained(path: Path, size: int, error: OSError) -> At2Error:
    if error.errno in _FULL:
        return DiskFullError(
            f"The disk is full: {path} ({size} bytes) could not be written. Nothing half-written "
            "was kept, and everything before it is stored. Free some space and run the same "
            "again: it goes on where it stopped."
        )
    return InputError(
        f"{path} cannot be written: {error.strerror or error}; expected a folder to write to."
    )
