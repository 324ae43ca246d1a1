"""Parts of logs: read in any order, each is the rows that it is when all is read through."""

import json
import random

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from at2_rag.audit import open_logs
from at2_rag.audit.parts import PartReader, Parts


def write_log(folder, name, rows):
    """Write a file of rows that say where they are, of the kind that its name says."""
    path = folder / name
    values = [{"row": f"{name} {index}"} for index in range(rows)]
    if name.endswith(".parquet"):
        pyarrow = pytest.importorskip("pyarrow")
        table = pyarrow.Table.from_pylist(values, pyarrow.schema([("row", pyarrow.string())]))
        pytest.importorskip("pyarrow.parquet").write_table(table, path, row_group_size=3)
    elif name.endswith(".json"):
        path.write_text(json.dumps(values), encoding="utf-8")
    else:
        lines = [f"{json.dumps(value)}\r\n \n" for value in values]
        path.write_text("\ufeff\n" + "".join(lines), encoding="utf-8", newline="")
    return path


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    rows = {"a.jsonl": 7, "b.parquet": 11, "empty.jsonl": 0, "c.json": 5, "d.jsonl": 2}
    return open_logs([write_log(folder, name, count) for name, count in rows.items()])


@given(size=st.integers(1, 30), seed=st.integers(0, 99))
def test_any_order_of_parts_gives_each_its_rows(logs, size, seed):
    every = [(line.place, line.row()) for log in logs for line in log.lines()]
    assert len(every) == 25
    parts, rng = Parts.of(logs, size), random.Random(seed)
    assert (parts.rows, len(parts)) == (25, -(-25 // size))
    order = rng.choices(range(len(parts)), k=12) + sorted(rng.sample(range(len(parts)), 1))
    reader = PartReader(parts)
    for part in [*order, *range(len(parts))]:
        lines = [(line.place, line.row()) for line in reader.lines(part)]
        assert lines == every[part * size : (part + 1) * size]
        assert len(lines) == parts.rows_in(part)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet"])
def test_a_file_behind_a_url_is_that_file(tmp_path, name):
    path = write_log(tmp_path, name, 7)
    files = fsspec.filesystem("memory")
    files.pipe_file(f"/bucket/{name}", path.read_bytes())
    places = (str(path), path.as_uri(), f"memory://bucket/{name}")
    here, local, remote = (open_logs([place])[0] for place in places)
    rows = [line.row() for line in here.lines()]
    for log, place in zip((local, remote), places[1:], strict=True):
        assert [line.row() for line in log.lines()] == rows
        assert next(iter(log.lines())).place.startswith(place)
        assert (log.count(), log.fingerprint) == (7, here.fingerprint)
        [*_, last] = log.marks()
        assert [line.row() for line in log.lines(last)] == rows[-1:]
    files.store.clear()
