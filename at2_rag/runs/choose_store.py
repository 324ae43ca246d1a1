"""Where a run is kept: a folder, or a place that fsspec reaches, such as an object store."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from at2_rag.errors import InputError
from at2_rag.runs.local_store import LocalStore
from at2_rag.runs.remote_store import RemoteStore
from at2_rag.runs.store import Store

_LOCAL = ("file", "local")


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
    if parts.scheme not in _LOCAL:
        return RemoteStore.at(where)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise InputError(
            f"{where!r} is no path of this machine; expected three slashes, as in "
            f"{parts.scheme}:///folder."
        )
    return LocalStore(Path(url2pathname(parts.path)))


def shared_store_at(where: str | Path) -> Store:
    """Return the store at a path or a URL, as other processes find it too.

    Raises:
        InputError: If nothing can be kept there, or they cannot find it.
    """
    store = store_at(where)
    if isinstance(store, LocalStore):
        return LocalStore(store.folder.absolute())
    refuse_memory(store.where)
    return store


def refuse_memory(url: str) -> None:
    """Refuse what only this process can reach.

    Raises:
        InputError: If the URL is of a process's memory.
    """
    if url.startswith("memory:"):
        raise InputError(
            f"{url!r} is the memory of one process, which actors do not share; expected a path, "
            "or a URL such as s3://bucket/run."
        )
