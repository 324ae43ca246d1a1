"""A folder that several processes write to, some of which are killed."""

import multiprocessing
import os
import signal
import time

import pytest

from at2_rag import InputError
from at2_rag.runs.local_store import LocalStore
from at2_rag.training import SkipReason
from at2_rag.training.records import SkipRecord
from at2_rag.training.shards import ShardFolder

NAME, WRITES, SIZE = "example-000000.safetensors", 150, 20_000
FORKED = multiprocessing.get_context("fork")


def hidden(folder):
    return sorted(path.name for path in folder.glob(".*"))


def days_old(path, days):
    os.utime(path, times=(time.time() - days * 24 * 3600,) * 2)


def _write_often(folder, byte, start, failures):
    store = LocalStore(folder)
    start.wait()
    for _ in range(WRITES):
        try:
            store.write(NAME, byte * SIZE)
        except Exception as error:  # to be counted by the test
            failures.put(repr(error))


def test_two_processes_write_one_name_at_a_time(tmp_path):
    start, failures = FORKED.Barrier(3), FORKED.Queue()
    writers = [
        FORKED.Process(target=_write_often, args=(tmp_path, byte, start, failures))
        for byte in (b"a", b"b")
    ]
    for writer in writers:
        writer.start()
    start.wait()
    store, seen = LocalStore(tmp_path), set()
    while any(writer.is_alive() for writer in writers):
        if store.names():
            seen.add(store.read(NAME))
    for writer in writers:
        writer.join()
    assert failures.empty(), failures.get()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert seen
    assert seen <= {b"a" * SIZE, b"b" * SIZE}
    assert store.names() == [NAME]
    assert hidden(tmp_path) == []


def _die_while_writing(folder):
    os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
    LocalStore(folder).write(NAME, b"never there")


def test_what_killed_processes_leave_goes_a_day_later(tmp_path):
    """And not before: it may be a living process's, on another machine."""
    for killed in range(1, 4):
        process = FORKED.Process(target=_die_while_writing, args=(tmp_path,))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert len(hidden(tmp_path)) == killed
    store = LocalStore(tmp_path)
    old, older, young = tmp_path.glob(".*")
    days_old(old, 1.01)
    days_old(older, 300)
    days_old(young, 0.9)
    store.write(NAME, b"there")
    store.prepare()
    assert hidden(tmp_path) == [young.name]
    assert store.read(NAME) == b"there"


def test_other_hidden_files_stay(tmp_path):
    """A folder may hold what is not ours."""
    names = [".DS_Store", ".notes.tmp", ".notes.abcdefgh.tmp"]
    for name in names:
        (tmp_path / name).touch()
        days_old(tmp_path / name, 300)
    LocalStore(tmp_path).prepare()
    assert hidden(tmp_path) == sorted(names)


def test_a_record_that_cannot_be_written_is_an_error_even_where_there_is_one(tmp_path, monkeypatch):
    """That a file of the name can be read does not mean that this one is stored."""
    folder = ShardFolder.at(tmp_path)
    first, second = (
        SkipRecord(name, name, SkipReason.empty_answer, "") for name in ("one", "other")
    )
    folder.store_record(0, first)

    def refuse(source, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(InputError, match=r"example-000000\.skip\.json cannot be written: Permis"):
        folder.store_record(0, second)
    assert hidden(tmp_path) == []


def test_the_first_file_stays_where_it_is_only_to_be_created(tmp_path, monkeypatch):
    """Whether another process was first long ago or while this one wrote; with hard links."""
    store, link = LocalStore(tmp_path), os.link
    store.create("long ago", b"first")
    store.create("long ago", b"second")
    assert store.read("long ago") == b"first"

    def overtaken(source, target):
        target.write_bytes(b"first")
        link(source, target)

    monkeypatch.setattr(os, "link", overtaken)
    store.create("while it wrote", b"second")
    assert store.read("while it wrote") == b"first"
    assert hidden(tmp_path) == []


def test_files_are_created_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    store = LocalStore(tmp_path)
    store.create("name", b"first")
    store.create("name", b"second")
    assert store.read("name") == b"first"
    assert hidden(tmp_path) == []
