"""Running any experiment: what is written, what goes on, what is refused; and the list of all."""

from dataclasses import dataclass, replace
from inspect import isabstract

import pytest
from at2_rag.cli.experiment import ABOUT
from at2_rag.errors import FileFormatError, InputError
from rich.table import Table
from support.runs import (
    FILES,
    Stopped,
    as_read,
    contents,
    lines_of,
    results_of,
    stopping_after,
    table_of,
)

from at2_rag_experiments import (
    EXPERIMENTS,
    Experiment,
    ExperimentConfig,
    Report,
    experiment_by_name,
    run_experiment,
)
from at2_rag_experiments.questions import gold_questions
from at2_rag_experiments.store import RecordStore


@dataclass(frozen=True)
class CountingConfig(ExperimentConfig):
    """Only adds to what all experiments can be told."""

    step: int = 2


@dataclass(frozen=True)
class Number:
    """One thing to measure."""

    value: int

    @property
    def id(self):
        return f"number {self.value}"

    @property
    def fingerprint(self):
        return str(self.value)


@dataclass(frozen=True)
class Counting(Experiment):
    """Measures how large numbers are, on a reader that has no part in it."""

    name = "counting"
    config: CountingConfig = CountingConfig()

    def items(self):
        return [Number(n * self.config.step) for n in range(self.config.examples)]

    def measure(self, subject, item):
        return {"value": item.value, "on": subject.name}

    def report(self, records):
        table = Table("a title that is rather long")
        table.add_row(str(len(records)))
        found = {"sum": sum(record["value"] for record in records)}
        return Report(found, (table,), lambda figure: figure.subplots(), files={"own.txt": "own"})


def counting(**told):
    return Counting(CountingConfig(**{"examples": 3, **told}))


@pytest.fixture
def whole(demo_reader, tmp_path):
    folder = tmp_path / "whole"
    return folder, run_experiment(counting(), demo_reader, folder)


def test_everything_is_written(whole, demo_reader):
    folder, report = whole
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "own.txt"])
    assert report.results["sum"] == 0 + 2 + 4
    assert (report.results["experiment"], report.results["config"]["step"]) == ("counting", 2)
    assert results_of(folder) == as_read(report.results)
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert "a title that is rather long" in table_of(folder)
    # Where an experiment prepares nothing, it measures on the reader itself.
    assert [f'"on": "{demo_reader.name}"' in line for line in lines_of(folder)] == [True] * 3


def test_interrupted_it_goes_on_to_the_same(whole, demo_reader, tmp_path):
    whole, parts = whole[0], tmp_path / "parts"
    with pytest.raises(Stopped):
        run_experiment(counting(), demo_reader, parts, stopping_after(2))
    assert lines_of(parts) == lines_of(whole)[:2]
    with (parts / "records.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "number 4", "finge')  # as if stopped while writing
    seen = []
    run_experiment(counting(), demo_reader, parts, lambda *done: seen.append(done))
    assert seen == [(1, 3, True), (2, 3, True), (3, 3, False)]
    for name in FILES:
        assert (parts / name).read_bytes() == (whole / name).read_bytes()

    # Once more, nothing is measured again, and everything stays as it is.
    before = contents(parts)
    seen.clear()
    run_experiment(counting(), demo_reader, parts, lambda *done: seen.append(done))
    assert seen == [(1, 3, True), (2, 3, True), (3, 3, True)]
    assert contents(parts) == before

    # Fewer are a part of it, and are not measured again; more are added.
    fewer = run_experiment(counting(examples=2), demo_reader, parts)
    assert fewer.results["sum"] == 2
    assert lines_of(parts) == lines_of(whole)
    more = run_experiment(counting(examples=4), demo_reader, parts)
    assert more.results["sum"] == 12
    assert lines_of(parts)[:3] == lines_of(whole)


def test_another_runs_folder_is_refused(whole, demo_reader, plain_reader):
    folder, _ = whole
    before = contents(folder)
    with pytest.raises(InputError, match=r"config\.step is 3, there 2"):
        run_experiment(counting(step=3), demo_reader, folder)
    with pytest.raises(InputError, match=r"estimator\.kind is 'uniform', there 'network'"):
        run_experiment(counting(), plain_reader, folder)
    assert contents(folder) == before


def test_records_of_other_data_are_refused(tmp_path):
    one, other = gold_questions("worlds", 1, 0)[0], gold_questions("worlds", 1, 0, 6)[0]
    assert one.id == other.id
    store = RecordStore(tmp_path, {})
    assert store.add(one, {"a": (1, 2)}) == {"a": [1, 2]}
    assert RecordStore(tmp_path, {}).get(one) == {"a": [1, 2]}
    with pytest.raises(InputError, match="was measured on other data"):
        RecordStore(tmp_path, {}).get(other)


def test_a_bad_record_is_told_with_its_line(tmp_path):
    RecordStore(tmp_path, {})
    (tmp_path / "records.jsonl").write_text("[]\n", encoding="utf-8")
    with pytest.raises(FileFormatError, match=r"records\.jsonl:1: no record"):
        RecordStore(tmp_path, {})
    (tmp_path / "config.json").unlink()
    with pytest.raises(InputError, match=r"without config\.json"):
        RecordStore(tmp_path, {})


def below(kind):
    """All classes that derive from one."""
    return {found for child in kind.__subclasses__() for found in {child, *below(child)}}


def test_all_experiments_are_listed_and_told_of():
    of_the_package = {
        found
        for found in below(Experiment)
        if found.__module__.startswith("at2_rag_experiments.") and not isabstract(found)
    }
    assert set(EXPERIMENTS.values()) == of_the_package
    assert list(ABOUT) == list(EXPERIMENTS)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_can_be_told_what_its_config_has(name):
    asked = experiment_by_name(name, examples=17, seed=3)
    assert type(asked) is EXPERIMENTS[name]
    assert (asked.name, asked.config.examples, asked.config.seed) == (name, 17, 3)
    assert replace(EXPERIMENTS[name]().config, examples=17, seed=3) == asked.config


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"examples": 0}, "examples is 0"),
        ({"prompt": "short"}, "prompt is 'short'"),
        ({"leaps": 1}, "has no leaps; expected any of .*hops"),
    ],
)
def test_configs_that_cannot_be_used(told, message):
    with pytest.raises(InputError, match=message):
        experiment_by_name("hotpot-pruning", **told)


def test_there_is_no_such_experiment():
    with pytest.raises(InputError, match="expected one of method-comparison"):
        experiment_by_name("hotpot")
