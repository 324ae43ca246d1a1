"""Thought attribution as an experiment: what must hold at a toy size."""

import pytest
from at2_rag.errors import InputError
from support.runs import as_read, contents, results_of

from at2_rag_experiments.run import run_experiment
from at2_rag_experiments.thoughts.experiment import (
    ThoughtAttribution,
    ThoughtAttributionConfig,
    ThoughtSubject,
)
from at2_rag_experiments.thoughts.results import summarize

SMALL = {
    "examples": 2,
    "num_passages": (2, 2),
    "training_examples": 4,
    "num_ablations": 6,
    "network_steps": 10,
    "fit_steps": 20,
    "measured_ablations": 8,
    "max_new_tokens": 64,
    "methods": ("random", "average-attention", "leave-one-out"),
}


def small(**told):
    return ThoughtAttribution(ThoughtAttributionConfig(**{**SMALL, **told}))


@pytest.fixture(scope="module")
def run(demo_reader, tmp_path_factory):
    folder = tmp_path_factory.mktemp("thoughts")
    return folder, run_experiment(small(), demo_reader, folder)


def test_what_must_hold(run):
    folder, report = run
    found = results_of(folder)
    assert found == as_read(report.results)
    assert list(found["units"]) == ["sentence", "token"]
    for unit in found["units"].values():
        assert unit["examples"] == 2
        assert unit["thoughts"] >= 2
        assert unit["sources"] > unit["thoughts"]
        by_method = {summary["method"]: summary for summary in unit["methods"]}
        assert (
            by_method["shipped"]["drops"]["1"]["mean"] > by_method["random"]["drops"]["1"]["mean"]
        )
        assert "leave-one-out" not in by_method or unit is found["units"]["sentence"]
        kinds = ("linear", "copying", "network")
        names = {f"at2 {kind} ({task})" for kind in kinds for task in ("general", "task")}
        assert names <= set(by_method)
    # What the response repeats is in the thoughts, so without them it is far less likely.
    assert found["reliance"]["thoughts"]["mean"] > 1.0
    assert found["reliance"]["thoughts"]["mean"] > found["reliance"]["passages"]["mean"]
    assert found["known"]["last_hop_first"]["leave-one-out"]["mean"] == 1.0
    assert found["known"]["last_hop_cited"]["mean"] > 0.5


def test_what_was_learned_is_not_learned_again(run, demo_reader):
    folder, _ = run
    before, seen = contents(folder), []
    small().prepare(demo_reader, folder, lambda *done: seen.append(done))
    assert seen == []
    assert contents(folder) == before


def test_what_cannot_be_measured_is_counted():
    records = [{"left_out": "cut off in its thoughts"}] * 2
    with pytest.raises(InputError, match=r"2 cut off in its thoughts.*leave room"):
        summarize(records)


def test_questions_without_passages_are_asked_too(plain_reader, made_up):
    data = f"global_opinions={made_up / 'global_opinions.jsonl'}"
    asked = small(data=data, general=data)
    items = asked.items()
    assert items
    assert all(item.example.passages == () and item.world is None for item in items)
    # A model without markers does not think, and has no sources then.
    with pytest.raises(InputError, match="No passages were given"):
        asked.measure(ThoughtSubject(plain_reader, {}), items[0])
