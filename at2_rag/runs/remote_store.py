"""A run that is kept in an object store, or wherever else fsspec can write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fsspec.core import url_to_fs
from fsspec.registry import known_implementations

from at2_rag.errors import InputError
from at2_rag.runs.store import unreadable, unwritable


@dataclass(frozen=True)
class RemoteStore:
    """A bucket, or a folder of one.

    A file is put as one object, and object stores show an object when all of it has arrived, so
    there is no hidden file and no renaming. Where fsspec writes files in place instead, as over
    SFTP, a crash may leave a part of one; its checksum gives it away when it is read.

    Attributes:
        where: The URL of the run.
        files: The file system, as fsspec made it.
        folder: Where in the file system the run lies, without the protocol.
    """

    where: str
    files: Any
    folder: str

    @classmethod
    def at(cls, url: str) -> RemoteStore:
        """Return the store at a URL.

        Raises:
            InputError: If fsspec cannot reach it, with the package to install if it is that.
        """
        try:
            files, folder = url_to_fs(url)
        except (ImportError, ValueError, OSError) as error:
            raise out_of_reach(url, error) from error
        return cls(url.rstrip("/"), files, folder.rstrip("/"))

    def place(self, name: str) -> str:
        """Return the URL of a file."""
        return f"{self.where}/{name}"

    def prepare(self) -> None:
        """Do nothing: object stores have no folders, and a bucket is not made by mistake."""

    def names(self) -> list[str]:
        """Return the names of all files; see :class:`~at2_rag.runs.store.Store`."""
        # Other machines write here too, and a listing of before does not know what they wrote.
        self.files.invalidate_cache()
        try:
            found = self.files.ls(self.folder, detail=False)
        except FileNotFoundError:
            return []
        except Exception as error:  # of many libraries, which share no base class
            raise unreadable(self.where, error) from error
        return sorted(path.rstrip("/").rpartition("/")[2] for path in found)

    def read(self, name: str, end: int | None = None) -> bytes:
        """Return a file's bytes; see :class:`~at2_rag.runs.store.Store`."""
        try:
            return bytes(self.files.cat_file(f"{self.folder}/{name}", end=end))
        except FileNotFoundError:
            raise
        except Exception as error:  # of many libraries, which share no base class
            raise unreadable(self.place(name), error) from error

    def write(self, name: str, data: bytes) -> None:
        """Put a file as one object; see :class:`~at2_rag.runs.store.Store`."""
        try:
            self.files.pipe_file(f"{self.folder}/{name}", data)
        except Exception as error:  # of many libraries, which share no base class
            raise unwritable(self.place(name), len(data), error) from error

    def create(self, name: str, data: bytes) -> None:
        """Put a file as one object, unless there is one of that name.

        Of several processes in the same moment, the last one's stays: not every object store can
        refuse the second.
        """
        if name not in self.names():
            self.write(name, data)


def out_of_reach(url: str, error: Exception) -> InputError:
    """Return the error of a URL that fsspec cannot reach, with what to install if it is that.

    Args:
        url: The URL that was given.
        error: What fsspec raised.
    """
    protocol = url.partition("://")[0].rpartition("::")[2]
    known = known_implementations.get(protocol)
    if known is None:
        return InputError(
            f"{url!r} has the unknown protocol {protocol!r}; expected a folder, or a URL that "
            "fsspec knows, such as s3://bucket/run or gs://bucket/run. Other protocols come with "
            "the package that registers them."
        )
    package = known["class"].partition(".")[0]
    if isinstance(error, ImportError) and package != "fsspec":
        return InputError(
            f"{url!r} needs the package {package}, which is not installed here; install it with: "
            f"pip install {package}"
        )
    reason = (str(error) or known.get("err", "")).splitlines()[0]
    return InputError(f"{url!r} cannot be reached: {reason}")
