"""A run that is kept in a folder."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from at2_rag.runs.store import unreadable, unwritable

#: The hidden name that a file has while it is written: its own, and what tells writers apart.
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")

#: A write takes seconds. What is this old, its writer was killed, also by the clock of another
#: machine that shares the folder.
_LEFT_BEHIND_SECONDS = 24 * 3600


@dataclass(frozen=True)
class LocalStore:
    """A folder of this machine, or one that it shares with others.

    Attributes:
        folder: Path of the folder that the files are kept in.
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
        """Make the folder and those above it; see :class:`~at2_rag.runs.store.Store`.

        Hidden files that killed processes left are removed once they are a day old. Whether a
        process lives cannot be told, as it may run on another machine or in another container;
        that no write takes a day can.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self.where, 0, error) from error
        self._clear_away()

    def names(self) -> list[str]:
        """Return the names of all files but hidden ones."""
        try:
            return sorted(name for name in os.listdir(self.folder) if not name.startswith("."))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise unreadable(self.where, error) from error

    def read(self, name: str, end: int | None = None) -> bytes:
        """Return a file's bytes, or the first of them."""
        try:
            with (self.folder / name).open("rb") as file:
                return file.read(-1 if end is None else end)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise unreadable(self.place(name), error) from error

    def write(self, name: str, data: bytes) -> None:
        """Write a file so that a crash or a power cut leaves it whole, or as it was.

        The bytes go to a hidden file beside it, onto the disk, and only then to the name. The
        hidden file's name is random, and no other process touches it: several may write the same
        file at a time. A killed process leaves at most that hidden file, which :meth:`prepare`
        removes when the run is opened a day later or more.

        Raises:
            DiskFullError: If the disk or the quota is full; nothing half-written is kept.
            InputError: If the folder cannot be written to.
        """
        self._put(name, data, os.replace)

    def create(self, name: str, data: bytes) -> None:
        """Write a file as :meth:`write` does, unless there is one of that name.

        Of several processes at a time, the first one's file stays, where the file system has
        hard links; else the last one's.

        Raises:
            DiskFullError: If the disk or the quota is full; nothing half-written is kept.
            InputError: If the folder cannot be written to.
        """
        self._put(name, data, _name_unless_taken)

    def _put(self, name: str, data: bytes, give_name: Callable[[Path, Path], None]) -> None:
        path = self.folder / name
        temporary = path.with_name(f".{name}.{secrets.token_hex(4)}.tmp")
        try:
            _write_through(temporary, data)
            give_name(temporary, path)
            _sync_folder(self.folder)
        except OSError as error:
            raise unwritable(str(path), len(data), error) from error
        finally:
            with suppress(OSError):  # as a rule it has been renamed
                temporary.unlink()

    def _clear_away(self) -> None:
        latest = time.time() - _LEFT_BEHIND_SECONDS
        for path in self.folder.glob(".*.tmp"):
            # Another process may remove it too; and one that cannot be removed is in nobody's way.
            with suppress(OSError):
                if _TEMPORARY.fullmatch(path.name) and path.stat().st_mtime < latest:
                    path.unlink()


def _name_unless_taken(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    except OSError:  # no hard links here
        if not path.exists():
            os.replace(temporary, path)


def _write_through(path: Path, data: bytes) -> None:
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
