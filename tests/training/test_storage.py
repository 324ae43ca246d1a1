"""Runs that are kept elsewhere: the same laws as for folders, in the memory that fsspec offers."""

import errno
import os
import sys

import fsspec
import pytest

from at2_rag import FileFormatError, InputError
from at2_rag.runs.choose_store import store_at
from at2_rag.runs.local_store import LocalStore
from at2_rag.runs.remote_store import RemoteStore
from at2_rag.training import (
    CorruptRecordWarning,
    DiskFullError,
    SkipReason,
    TrainingExample,
    collect,
    load_collected,
    world_examples,
)
from at2_rag.training.shards import ShardFolder

OPTIONS = {"num_ablations": 2, "source_unit": "sentence"}
URL = "memory://bucket/run"


@pytest.fixture(autouse=True)
def memory():
    """The file system in memory, empty."""
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()


@pytest.fixture(scope="module")
def examples():
    return [*world_examples(0, 3, num_passages=(2, 3)), TrainingExample("x", "?", (), answer=" ")]


@pytest.fixture(scope="module")
def local(demo_reader, examples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("local")
    collect(demo_reader, examples, folder, **OPTIONS)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def objects(files):
    return {path.rpartition("/")[2]: files.cat_file(path) for path in files.find("/bucket/run")}


@pytest.mark.parametrize("url", [URL, URL + "/"])
def test_objects_are_the_files_of_a_folder(demo_reader, examples, local, memory, url):
    first = collect(demo_reader, examples, url, max_examples=2, **OPTIONS)
    assert (first.folder, first.stored) == (URL, 2)
    report = collect(demo_reader, examples, url, **OPTIONS)
    assert (report.stored, report.resumed) == (1, 2)
    assert report.skipped == {SkipReason.empty_answer: 1}
    assert objects(memory) == local
    again = collect(demo_reader, examples, url, **OPTIONS)
    assert (again.stored, again.resumed) == (0, 4)
    assert objects(memory) == local
    collected = load_collected(url)
    assert [record.id for record in collected.records] == [e.id for e in examples[:3]]
    assert collected.skipped == {SkipReason.empty_answer: 1}


def test_shards_may_lie_in_different_places(demo_reader, examples, local, tmp_path):
    collect(demo_reader, examples, URL, shard=(0, 2), **OPTIONS)
    collect(demo_reader, examples, tmp_path, shard=(1, 2), **OPTIONS)
    collected = load_collected(tmp_path, URL)
    assert [record.id for record in collected.records] == [e.id for e in examples[:3]]
    collect(demo_reader, examples, URL + "-2", seed=5, max_examples=1, **OPTIONS)
    with pytest.raises(InputError, match=f"{tmp_path} and {URL}-2 are of different runs: seed"):
        load_collected(tmp_path, URL + "-2")


def test_file_urls_are_folders_with_all_they_promise(demo_reader, examples, local, tmp_path):
    folder = tmp_path / "a b"
    report = collect(demo_reader, examples, folder.as_uri(), **OPTIONS)
    assert report.folder == str(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == local
    for url in (f"local://{folder}", f"file://localhost{folder}", str(folder)):
        store = store_at(url)
        assert isinstance(store, LocalStore)
        assert ShardFolder(store).indices() == {0, 1, 2, 3}
    with pytest.raises(InputError, match="expected three slashes, as in file:///folder"):
        store_at("file://folder/run")


def test_another_run_is_refused(demo_reader, examples, local, memory):
    collect(demo_reader, examples, URL, **OPTIONS)
    with pytest.raises(InputError, match=rf"{URL} holds another run: seed is 3, there 0"):
        collect(demo_reader, examples, URL, seed=3, **OPTIONS)
    with pytest.raises(InputError, match=rf"{URL} holds another run: its example 0 is 'world-0-0'"):
        collect(demo_reader, examples[1:], URL, **OPTIONS)
    assert objects(memory) == local


def test_damaged_objects_are_named_and_skipped_on_request(demo_reader, examples, memory):
    collect(demo_reader, examples, URL, **OPTIONS)
    path = "/bucket/run/example-000001.safetensors"
    whole = memory.cat_file(path)
    memory.pipe_file(path, whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(FileFormatError, match=rf"{URL}/example-000001.safetensors is damaged"):
        load_collected(URL)
    with pytest.warns(CorruptRecordWarning, match="Left out"):
        assert len(load_collected(URL, on_corrupt="skip").records) == 2
    memory.pipe_file(path, b"")
    with pytest.raises(FileFormatError, match="is damaged: it ends within its header"):
        collect(demo_reader, examples, URL, **OPTIONS)
    memory.rm(path)
    assert collect(demo_reader, examples, URL, **OPTIONS).stored == 1
    assert memory.cat_file(path) == whole


def test_places_without_a_usable_manifest(demo_reader, examples, memory):
    with pytest.raises(FileFormatError, match=rf"{URL} has no manifest\.json; expected a folder"):
        load_collected(URL)
    memory.pipe_file("/bucket/run/example-000000.skip.json", b"{}")
    with pytest.raises(FileFormatError, match=rf"{URL} holds records and no manifest\.json"):
        collect(demo_reader, examples, URL, **OPTIONS)
    memory.pipe_file("/bucket/run/manifest.json", b"[]")
    with pytest.raises(FileFormatError, match=r"manifest\.json is no manifest"):
        load_collected(URL)


def test_long_headers_are_read_to_their_end(demo_reader, examples, tmp_path):
    """An answer of 40 kB does not fit into what is read of a record at first."""
    collect(demo_reader, examples, tmp_path, max_examples=1, **OPTIONS)
    collected = load_collected(tmp_path).records[0]
    long = type(collected)(**{**vars(collected), "answer": "word " * 8000})
    for where in (str(tmp_path), URL):
        folder = ShardFolder.at(where)
        folder.store_record(0, long)
        assert folder.has(0, examples[0])
        with pytest.raises(InputError, match="its example 0 is 'world-0-0', and now"):
            folder.has(0, examples[1])


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://bucket/run", r"'s3://bucket/run' needs the package s3fs.*pip install s3fs"),
        ("gs://bucket/run", r"needs the package gcsfs.*pip install gcsfs"),
        ("abfs://bucket/run", r"needs the package adlfs.*pip install adlfs"),
        ("simplecache::s3://bucket/run", r"needs the package s3fs.*pip install s3fs"),
        ("nowhere://run", r"unknown protocol 'nowhere'; expected a folder, or a URL that fsspec"),
    ],
)
def test_protocols_out_of_reach_say_what_to_do(url, message, monkeypatch):
    for package in ("s3fs", "gcsfs", "adlfs"):  # as if they were not installed
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=message):
        store_at(url)


class Broken(type(fsspec.filesystem("memory"))):
    """A file system that fails as told."""

    protocol = "broken"
    cachable = False
    error: Exception

    def pipe_file(self, path, value, **options):
        raise self.error

    def cat_file(self, path, start=None, end=None, **options):
        raise self.error

    def ls(self, path, detail=True, **options):
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), DiskFullError, "The disk is full: brok"),
        (PermissionError(errno.EACCES, "Forbidden"), InputError, "cannot be written: Forbidden"),
        (RuntimeError("no credentials\nlong advice"), InputError, "written: no credentials; exp"),
    ],
)
def test_failures_elsewhere_are_errors_with_the_place(error, kind, message):
    files = Broken()
    files.error = error
    store = RemoteStore("broken://run", files, "run")
    with pytest.raises(kind, match=message):
        store.write("name", b"data")
    with pytest.raises(InputError, match=r"broken://run/name cannot be read: .*Nothing was chang"):
        store.read("name")
    with pytest.raises(InputError, match="broken://run cannot be read"):
        store.names()
