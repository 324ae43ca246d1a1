"""Collecting with Ray: the same files as in one process, whatever dies meanwhile."""

import pickle
import socket
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
from support.actors import all_end, alone, contents, kill_first, loader, needs_ray

from at2_rag import InputError, Reader
from at2_rag.errors import At2Error, ContextOverflowError
from at2_rag.runs.ray_actor import Actor, Attempts
from at2_rag.runs.ray_cluster import plan
from at2_rag.training import RayWorkers, SkipReason, collect, collect_with_ray, world_examples
from at2_rag.training.collector import CollectOptions
from at2_rag.training.ray_work import CollectingWork
from at2_rag.training.shards import ShardFolder

OPTIONS = {"num_ablations": 4, "source_unit": "sentence"}


def make_examples(count):
    return world_examples(0, count, num_passages=(3, 4))


@needs_ray
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Ray's own
def test_two_actors_one_of_them_killed_give_the_same_files(demo_reader, tmp_path, monkeypatch):
    """Half of the examples were there before; the first actor is killed at the first new one."""
    local, out, actors = (tmp_path / name for name in ("local", "ray", "actors"))
    actors.mkdir()
    examples = make_examples(12)
    examples[9] = replace(examples[9], answer=" ")
    collect(demo_reader, examples, local, **OPTIONS)
    collect(demo_reader, examples, out, max_examples=5, **OPTIONS)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    seen, nodes = [], []

    def kill_one(outcome):
        import ray

        if not outcome.resumed and not nodes:
            nodes.extend(ray.nodes())
            kill_first(actors)
        seen.append(outcome)

    with alone(monkeypatch):
        report = collect_with_ray(
            loader(actors), examples, out.as_uri(),
            workers=RayWorkers(actors=2, gpus=0), progress=kill_one, **OPTIONS,
        )  # fmt: skip
    assert contents(out) == contents(local)
    assert len(list(out.glob(".*"))) <= 1  # of what the killed one was writing
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    assert sorted(outcome.id for outcome in seen) == sorted(example.id for example in examples)
    assert (report.stored, report.resumed, report.examples) == (6, 5, 12)
    assert report.skipped == {SkipReason.empty_answer: 1}
    assert sum(outcome.resumed for outcome in seen) == 5
    assert [node["NodeManagerAddress"] for node in nodes] == ["127.0.0.1"]
    all_end(actors)
    assert not sys.modules["ray"].is_initialized()


# --- what an actor does, without Ray -------------------------------------------------------


def make_actor(load, out, begin=None, attempts=3):
    options = CollectOptions(**OPTIONS)
    begin = begin or Attempts().begin
    work = partial(CollectingWork.begin, load, str(out), options)
    return Actor(work, torch.get_num_threads(), begin, attempts)


def result_of(actor, example, index=0, before=False):
    row = {"id": index, "example": pickle.dumps(example), "before": before}
    return Actor.result(actor(row))


def test_what_an_actor_stored_before_it_died_counts_as_stored(demo_reader, tmp_path):
    examples = make_examples(2)
    examples[1] = replace(examples[1], answer="")
    collect(demo_reader, examples, tmp_path, **OPTIONS)
    actor = make_actor(lambda: demo_reader, tmp_path)
    stored, skipped = (result_of(actor, example, i) for i, example in enumerate(examples))
    assert (stored.resumed, stored.skipped) == (False, None)
    assert (skipped.resumed, skipped.skipped) == (False, SkipReason.empty_answer)
    assert result_of(actor, examples[0], before=True).resumed


def test_an_example_that_kills_its_actors_is_not_begun_for_ever(demo_reader, tmp_path):
    [example] = make_examples(1)
    begin = Attempts().begin
    assert [begin(0), begin(0)] == [1, 2]  # by actors that are no more
    given_up = result_of(make_actor(lambda: demo_reader, tmp_path, begin, attempts=2), example)
    assert isinstance(given_up, At2Error)
    assert "world-0-0' was begun 2 times, and each time its actor died" in str(given_up)
    again = make_actor(lambda: demo_reader, tmp_path, begin, attempts=4)
    assert result_of(again, example).skipped is None
    assert ShardFolder.at(tmp_path).indices() == {0}


def test_an_unusable_example_is_the_error_that_it_is_in_one_process(demo_reader, tmp_path):
    bad = replace(make_examples(1)[0], passages=())
    with pytest.raises(InputError) as expected:
        collect(demo_reader, [bad], tmp_path, **OPTIONS)
    found = result_of(make_actor(lambda: demo_reader, tmp_path), bad)
    assert type(found) is InputError
    assert str(found) == str(expected.value)
    assert "in _record" in found.__notes__[0]


def test_another_run_is_refused_by_the_actor(demo_reader, tmp_path):
    collect(demo_reader, make_examples(1), tmp_path, **{**OPTIONS, "seed": 7})
    found = result_of(make_actor(lambda: demo_reader, tmp_path), make_examples(1)[0])
    assert isinstance(found, InputError)
    assert "holds another run: seed is 0, there 7" in str(found)


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        (OSError("no such model"), At2Error, "An actor could not begin: OSError: no such model"),
        (ContextOverflowError("too long by far", 3), InputError, "too long by far"),
    ],
)
def test_errors_of_any_kind_reach_the_caller(tmp_path, raised, kind, message):
    def load():
        raise raised

    found = result_of(make_actor(load, tmp_path), make_examples(1)[0])
    assert type(found) is kind
    assert message in str(found)


# --- actors and clusters -------------------------------------------------------------------


def test_actors_fill_what_there_is():
    assert plan(RayWorkers(), cpus=8, gpus=0).actors == 8
    assert plan(RayWorkers(cpus=3), cpus=8, gpus=0).actors == 2
    on_gpus = plan(RayWorkers(cpus=4), cpus=8, gpus=8)
    assert (on_gpus.actors, on_gpus.gpus) == (8, 1)
    assert plan(RayWorkers(gpus=0.5), cpus=2, gpus=1).actors == 2
    assert plan(RayWorkers(gpus=4), cpus=2, gpus=8).actors == 2
    assert plan(RayWorkers(gpus=0), cpus=2, gpus=8).actors == 2
    assert plan(RayWorkers(actors=3, gpus=1), cpus=1, gpus=0).actors == 3
    with pytest.raises(InputError, match="No actor of 4 GPUs and 1 CPUs fits: there are 2 GPUs"):
        plan(RayWorkers(gpus=4), cpus=8, gpus=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"actors": 0}, "actors is 0; expected at least 1"),
        ({"gpus": -1}, "gpus is -1; expected at least 0"),
        ({"cpus": 0}, "cpus is 0; expected more than 0"),
        ({"attempts": 0}, "attempts is 0; expected at least 1"),
    ],
)
def test_impossible_actors(options, message):
    with pytest.raises(InputError, match=message):
        RayWorkers(**options)


def test_threads_are_the_cpus_of_an_actor():
    assert [RayWorkers(cpus=cpus).threads for cpus in (0.5, 1, 2.5, 8)] == [1, 1, 2, 8]


def test_the_memory_of_one_process_is_no_place_for_several():
    with pytest.raises(InputError, match=r"'memory://run' is the memory of one process"):
        collect_with_ray(Reader.demo, make_examples(1), "memory://run")


@pytest.mark.parametrize("prefix", ["", "ray://"])
def test_an_address_where_nobody_listens(tmp_path, prefix):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        address = f"{prefix}127.0.0.1:{unused.getsockname()[1]}"
        workers = RayWorkers(address=address)
        with pytest.raises(InputError, match=f"There is no Ray cluster at '{address}': .*refused"):
            collect_with_ray(Reader.demo, make_examples(1), tmp_path, workers=workers)


def test_without_ray_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(ImportError, match=r'pip install "at2-rag\[ray\]"'):
        collect_with_ray(Reader.demo, make_examples(1), tmp_path)


def test_nothing_of_ray_is_imported_before_it_is_used():
    code = "import sys, at2_rag.training, at2_rag.cli.train; print('ray' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
