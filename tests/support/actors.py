"""Actors of a Ray cluster on this machine: how they load a reader, and whether they live."""

import importlib.util
import os
import secrets
import signal
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from at2_rag import Reader

#: Without one, Ray puts one into the home. A process keeps the first that it reads, and its later
#: clusters refuse any other.
_TOKEN = secrets.token_hex(32)

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed"
)


def loader(folder):
    """Return what loads the reader in an actor, and leaves its process id behind."""

    def load():  # within, so that it is pickled whole: actors cannot import this file
        (folder / str(os.getpid())).touch()
        return Reader.demo()

    return load


def kill_first(folder):
    """Kill the actor that loaded its reader first."""
    first = min(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    os.kill(int(first.name), signal.SIGKILL)


@contextmanager
def alone(monkeypatch):
    """Start a cluster of this machine alone, whatever the environment says, one at a time.

    Two at once on two processors take far longer than one after the other.
    """
    monkeypatch.setenv("RAY_AUTH_TOKEN", _TOKEN)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    lock = FileLock(Path(tempfile.gettempdir()) / "at2-rag-tests-cluster.lock")
    with lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"ray\.|importlib")  # of its own settings
        yield


def all_end(folder):
    """Wait for actors to end; they do so by themselves once the cluster has, not at once."""
    pids = [int(path.name) for path in folder.iterdir()]
    began = time.monotonic()
    while any(map(is_alive, pids)):
        assert time.monotonic() - began < 120
        time.sleep(0.05)
    return pids


def is_alive(pid):
    """Tell whether a process runs."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # before it is opened; while it is read
        return False
    # A zombie is gone, and waits for its parent to hear of it.
    return stat.rpartition(")")[2].split()[0] != "Z"


def contents(folder):
    """Return the whole files of a folder, by name.

    A process killed amid a write leaves the hidden file that it wrote to, which stays for a day.
    """
    whole = (path for path in folder.iterdir() if not path.name.startswith("."))
    return {path.name: path.read_bytes() for path in whole}
