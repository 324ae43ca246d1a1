"""Where a log file lies: a path of this machine, or a URL that fsspec reaches."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast
from urllib.parse import urlsplit

from fsspec.core import url_to_fs

from at2_rag.errors import At2Error, FileFormatError
from at2_rag.runs.choose_store import refuse_memory
from at2_rag.runs.remote_store import out_of_reach

#: Bytes that are fetched at a time from a URL.
_FETCHED = 2**20


@dataclass(frozen=True)
class LogPlace:
    """Where a log file lies.

    Attributes:
        given: Path or URL as the caller gave it, which is how errors and records name it.
        where: Path or URL that it is opened by.
    """

    given: str
    where: str

    @classmethod
    def of(cls, where: str | Path) -> LogPlace:
        """Return the place at a path or a URL."""
        return cls(str(where), str(where))

    def shared(self) -> LogPlace:
        """Return the place as other processes find it too, named as before.

        Raises:
            InputError: If they cannot.
        """
        if self.is_url:
            refuse_memory(self.where)
            return self
        return LogPlace(self.given, str(Path(self.where).absolute()))

    @property
    def is_url(self) -> bool:
        """Whether it is a URL."""
        return "://" in self.where

    @property
    def name(self) -> str:
        """Last part of the path, without the folders above it."""
        path = urlsplit(self.where).path if self.is_url else self.where
        return PurePosixPath(path).name if self.is_url else Path(path).name

    @property
    def suffix(self) -> str:
        """How the name ends, in lower case, such as ``.jsonl``."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    def size(self) -> int:
        """How many bytes there are."""
        if not self.is_url:
            return Path(self.where).stat().st_size
        files, path = self._remote()
        return int(files.size(path))

    def open(self) -> IO[bytes]:
        """Return the file, open to be read from anywhere in it.

        Raises:
            FileFormatError: If it cannot be read.
            InputError: If no fsspec protocol, or none that is installed, is that of the URL.
        """
        try:
            if not self.is_url:
                return Path(self.where).open("rb")
            files, path = self._remote()
            # Its own lines are found slowly; a buffer finds them as fast as in a local file.
            raw = cast(io.RawIOBase, files.open(path, "rb"))
            return io.BufferedReader(raw, _FETCHED)
        except At2Error:
            raise
        except Exception as error:  # of many libraries, which share no base class
            told = error.strerror if isinstance(error, OSError) else None
            reason = str(told or error or type(error).__name__).splitlines()[0]
            raise FileFormatError(f"{self.given}: cannot be read: {reason}.") from error

    def _remote(self) -> tuple[Any, str]:
        try:
            return cast(tuple[Any, str], url_to_fs(self.where))
        except (ImportError, ValueError, OSError) as error:
            raise out_of_reach(self.where, error) from error
