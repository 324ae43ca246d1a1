"""The files of a score estimator: in the hub's cache, or from the hub within a time limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from huggingface_hub import (
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    snapshot_download,
    try_to_load_from_cache,
)
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

from at2_rag.errors import At2Error
from at2_rag.estimators.files import FILES, LAYOUTS

_T = TypeVar("_T")

_CACHED_MODEL = "models--"


class FetchError(At2Error):
    """A score estimator that could not be had from the hub."""


@dataclass(frozen=True)
class HubAccess:
    """How the hub and its cache may be used.

    Attributes:
        cache_dir: The hub's cache; ``None`` for the one of ``HF_HUB_CACHE``.
        token: The hub's token, or whether to use the one that was logged in with, as for
            ``huggingface_hub``.
        local_files_only: Whether to ask the cache alone, as with ``HF_HUB_OFFLINE=1``.
        answer_seconds: How long the hub may take to say whether it has an estimator.
        download_seconds: How long an estimator's few kilobytes may take to come, once the hub has
            answered.
    """

    cache_dir: str | Path | None = None
    token: str | bool | None = None
    local_files_only: bool = False
    answer_seconds: float = 5.0
    download_seconds: float = 20.0

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> HubAccess:
        """Return the access that options of ``from_pretrained`` give to the model itself."""
        names = ("cache_dir", "token", "local_files_only")
        return cls(**{name: options[name] for name in names if name in options})

    @property
    def download(self) -> dict[str, Any]:
        """The same for ``huggingface_hub``, for downloads that may take their time."""
        return {
            "cache_dir": self.cache_dir,
            "token": self.token,
            "local_files_only": self.local_files_only,
        }


def cached_estimator(repo_id: str, access: HubAccess) -> Path | None:
    """Return the folder in the hub's cache that holds an estimator, whole, or ``None``.

    Args:
        repo_id: Which repository of the hub has the estimator.
        access: How the hub may be used; it says where the cache is.
    """
    for names in LAYOUTS:
        found = [try_to_load_from_cache(repo_id, n, cache_dir=access.cache_dir) for n in names]
        if all(isinstance(path, str) for path in found):
            return Path(str(found[0])).parent
    return None


def cached_repositories(access: HubAccess, name: str) -> Iterator[str]:
    """Yield, in order, the cached repositories of this name, of whichever owner.

    Args:
        access: How the hub may be used; it says where the cache is.
        name: The name without its owner; case does not matter.
    """
    root = Path(access.cache_dir or constants.HF_HUB_CACHE).expanduser()
    for folder in sorted(root.glob(f"{_CACHED_MODEL}*")):
        repo_id = folder.name.removeprefix(_CACHED_MODEL).replace("--", "/")
        if repo_id.casefold().endswith(f"/{name.casefold()}"):
            yield repo_id


def download_estimator(repo_id: str, **options: Any) -> Path:
    """Download an estimator into the hub's cache, however long it takes, and return its folder.

    Args:
        repo_id: Which repository of the hub has the estimator.
        options: Passed to ``huggingface_hub.snapshot_download``.
    """
    return Path(snapshot_download(repo_id, allow_patterns=list(FILES), **options))


def fetch_estimator(repo_id: str, access: HubAccess) -> Path:
    """Download an estimator into the hub's cache and return its folder there.

    Returns or raises within the limits of ``access``, whatever the hub or the name server does.

    Args:
        repo_id: Which repository of the hub has the estimator.
        access: How the hub may be used.

    Raises:
        FetchError: If it could not be had, in words that say why.
    """
    if access.local_files_only or constants.HF_HUB_OFFLINE:
        raise FetchError(
            f"{repo_id} has not been downloaded, and the hub may not be asked (HF_HUB_OFFLINE or "
            "local_files_only is set)"
        )
    try:
        names = _within(
            access.answer_seconds, f"the hub, asked for {repo_id},", partial(_look, repo_id, access)
        )
        return _within(
            access.download_seconds,
            f"the download of {repo_id}",
            partial(_load, repo_id, names, access),
        )
    except FetchError:
        raise
    except RepositoryNotFoundError as error:
        raise FetchError(f"the hub has no {repo_id}, or not for everyone to see") from error
    except Exception as error:  # of the hub's client, of its HTTP library, of the disk
        raise FetchError(f"{repo_id} could not be downloaded ({_in_short(error)})") from error


def _look(repo_id: str, access: HubAccess) -> tuple[str, ...]:
    """Return the names of the files that make up the estimator there."""
    for names in LAYOUTS:
        url = hf_hub_url(repo_id, names[0])
        try:
            # HTTP may take a little longer, so that one limit alone is met and told of.
            get_hf_file_metadata(url, token=access.token, timeout=access.answer_seconds + 1)
        except EntryNotFoundError:
            continue
        return names
    raise FetchError(f"{repo_id} holds no score estimator")


def _load(repo_id: str, names: tuple[str, ...], access: HubAccess) -> Path:
    # File by file, and not as a snapshot: that has threads of its own, which Python waits for
    # when it exits, however long the hub hangs.
    paths = [
        hf_hub_download(
            repo_id,
            name,
            cache_dir=access.cache_dir,
            token=access.token,
            etag_timeout=access.answer_seconds,
        )
        for name in names
    ]
    return Path(paths[0]).parent


def _within(seconds: float, what: str, work: Callable[[], _T]) -> _T:
    """Return what ``work`` returns, or leave it behind when time is up.

    Timeouts of HTTP are not enough: they start anew with every byte, and looking up a name has
    none. What is left behind is a thread that Python does not wait for when it exits.
    """
    outcome: Future[_T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # handed over to whoever waits
            outcome.set_exception(error)

    Thread(target=run, name="at2-rag fetch", daemon=True).start()
    if not wait([outcome], seconds).done:
        raise FetchError(f"{what} took longer than {seconds:g} seconds")
    return outcome.result()


def _in_short(error: Exception) -> str:
    first = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
