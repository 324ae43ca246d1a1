"""Auditing with Ray: the same records as in one process, whatever dies meanwhile."""

import sys
from array import array
from functools import partial

import pytest
import torch
from support.actors import all_end, alone, contents, kill_first, loader, needs_ray
from support.logs import make_rows, write_rows

from at2_rag import FileFormatError, InputError, Reader
from at2_rag.audit import AuditFolder, AuditOptions, RayWorkers, audit_files, audit_with_ray
from at2_rag.audit.inputs import open_logs
from at2_rag.audit.parts import Parts
from at2_rag.audit.ray_engine import AuditingWork
from at2_rag.errors import At2Error
from at2_rag.runs.ray_actor import Actor, Attempts

OPTIONS = AuditOptions(rows_per_part=2)


@pytest.fixture
def log(tmp_path):
    rows = make_rows(12)
    return write_rows(tmp_path / "log.jsonl", [*rows[:7], "no JSON", *rows[7:]])


@needs_ray
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Ray's own
def test_two_actors_one_of_them_killed_give_the_same_records(
    demo_reader, log, tmp_path, monkeypatch
):
    """Two parts were there before; the first actor is killed at the first new one."""
    local, out, actors = (tmp_path / name for name in ("local", "ray", "actors"))
    actors.mkdir()
    audit_files(demo_reader, [log.as_uri()], local, OPTIONS)
    audit_files(demo_reader, [log.as_uri()], out, OPTIONS)
    before = contents(out)
    for part in ("part-000001.jsonl", *(f"part-00000{number}.jsonl" for number in range(3, 7))):
        (out / part).unlink()
    kept = {name: (out / name).stat().st_mtime_ns for name in contents(out) if "part" in name}
    told, rejected = [], []

    def kill_one(done, total, resumed):
        if not resumed and len(told) == 1:
            kill_first(actors)
        told.append((done, total, resumed))

    with alone(monkeypatch):
        report = audit_with_ray(
            loader(actors), [log.as_uri()], out.as_uri(), OPTIONS,
            workers=RayWorkers(actors=2, gpus=0), progress=kill_one, on_reject=rejected.append,
        )  # fmt: skip
    assert contents(out) == contents(local) == before
    assert len(list(out.glob(".*"))) <= 1  # of what the killed one was writing
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept
    assert (report.audited, report.resumed, report.rejected) == (8, 4, 1)
    assert told[0] == (4, 13, True)
    assert told[-1] == (13, 13, False)
    assert [each.place for each in rejected] == [f"{log.as_uri()}:8"]
    all_end(actors)
    assert not sys.modules["ray"].is_initialized()


# --- what an actor does, without Ray -------------------------------------------------------


def make_actor(load, log, out, begin=None, attempts=3):
    parts = Parts.of(open_logs([log]), OPTIONS.rows_per_part)
    todo = array("q", range(len(parts)))
    work = partial(AuditingWork.begin, load, parts, str(out), OPTIONS, todo)
    return Actor(work, torch.get_num_threads(), begin or Attempts().begin, attempts)


def result_of(actor, part):
    return Actor.result(actor({"id": part}))


def test_parts_in_any_order_are_the_same_records(demo_reader, log, tmp_path):
    audit_files(demo_reader, [log], tmp_path / "local", OPTIONS)
    actor = make_actor(lambda: demo_reader, log, tmp_path / "out")
    done = {part: result_of(actor, part) for part in (5, 0, 3, 1, 2, 4, 6, 3)}
    assert contents(tmp_path / "out") == contents(tmp_path / "local")
    assert [done[part].audited for part in range(7)] == [2, 2, 2, 1, 2, 2, 1]
    assert [each.place for each in done[3].rejected] == [f"{log}:8"]


def test_a_part_that_kills_its_actors_is_not_begun_for_ever(demo_reader, log, tmp_path):
    begin = Attempts().begin
    assert [begin(1), begin(1)] == [1, 2]  # by actors that are no more
    found = result_of(make_actor(lambda: demo_reader, log, tmp_path / "out", begin, attempts=2), 1)
    assert type(found) is At2Error
    assert f"Part 1, the 2 rows from {log}:3 on, was begun 2 times" in str(found)


def test_another_run_is_refused_by_actors_and_where_none_is_needed(demo_reader, log, tmp_path):
    out, other = tmp_path / "out", write_rows(tmp_path / "other.jsonl", make_rows(3))
    audit_files(demo_reader, [log], out, OPTIONS)
    found = result_of(make_actor(lambda: demo_reader, other, out), 0)
    assert isinstance(found, InputError)
    assert "files.0 is" in str(found)
    with pytest.raises(InputError, match=r"holds another run: files\.0 is"):
        audit_with_ray(Reader.demo, [other], out, OPTIONS)
    report = audit_with_ray(Reader.demo, [log], out, OPTIONS)  # and starts no cluster
    assert (report.audited, report.resumed) == (0, 13)
    assert len(list(AuditFolder.at(out).records())) == 12


def test_what_actors_cannot_reach_is_refused(log, tmp_path):
    with pytest.raises(InputError, match=r"'memory://run' is the memory of one process"):
        audit_with_ray(Reader.demo, [log], "memory://run")
    with pytest.raises(FileFormatError, match=r"memory://gone\.jsonl: cannot be read"):
        audit_with_ray(Reader.demo, ["memory://gone.jsonl"], tmp_path / "out")
