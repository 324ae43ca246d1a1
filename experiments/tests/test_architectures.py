"""Two readers beside each other: what must hold of equal ones, and how rankings are compared."""

import json
from pathlib import Path

import at2_rag
import pytest
from at2_rag.errors import InputError, MissingResourceError
from at2_rag.evaluation import Estimate
from at2_rag.training import world_examples
from hypothesis import given
from hypothesis import strategies as st
from support.runs import (
    Stopped,
    as_read,
    records_of,
    results_of,
    silent,
    stopping_after,
    table_of,
)

from at2_rag_experiments import run_experiment
from at2_rag_experiments.architectures.experiment import CrossArchitecture, CrossArchitectureConfig
from at2_rag_experiments.architectures.rank_agreement import agreement, difference
from at2_rag_experiments.architectures.results import OF_THE_OTHER, SIDES, share_lost, summarize
from at2_rag_experiments.stated import stating_sources, with_worlds
from at2_rag_experiments.teaching import SHAPE_NAMES

DEMO = str(Path(at2_rag.__file__).parent / "demo_model")
SMALL = {
    "examples": 2,
    "seed": 1,
    "second": DEMO,
    "num_passages": (2, 2),
    "training_examples": 4,
    "num_ablations": 6,
    "measured_ablations": 8,
    "fit_steps": 20,
    "network_steps": 2,
    "methods": ("random", "average-attention", "leave-one-out"),
    "estimators": ("linear", "network"),
}


def small(**told):
    return CrossArchitecture(CrossArchitectureConfig(**{**SMALL, **told}))


@pytest.fixture(scope="module")
def run(demo_reader, tmp_path_factory):
    """The demo reader beside itself: folder, records, report, and what was told at last.

    Stopped while collecting for the first of both, and once more while measuring.
    """
    folder = tmp_path_factory.mktemp("run")
    for steps in (3, 4 + 4 + 1):
        with pytest.raises(Stopped):
            run_experiment(small(), demo_reader, folder, stopping_after(steps))
    seen = []
    report = run_experiment(small(), demo_reader, folder, lambda *done: seen.append(done))
    return folder, records_of(folder), report, seen


def test_interrupted_it_goes_on(run):
    *_, seen = run
    assert seen == [(1, 2, True), (2, 2, False)]  # all was fitted, and nothing is collected again


def test_a_reader_beside_itself_is_the_same(run):
    """Also where collecting for the one was interrupted, and for the other was not."""
    _, records, *_ = run
    for record in records:
        first, second = ({**record[side]} for side in SIDES)
        for found in (first, second):
            found["comparison"] = {**found["comparison"]}
            # Times are the machine's.
            del found["comparison"]["timings"]
        assert first == second
    found = summarize(records, (1, 3, 5))
    assert found.methods == (*SMALL["methods"], "at2 linear", "at2 network")
    for agreed in found.agreements:
        assert agreed.spearman.mean == pytest.approx(1.0)
        assert agreed.spearman.standard_error == pytest.approx(0.0, abs=1e-9)
        assert (agreed.same, agreed.reversed) == (agreed.pairs, ()) == (10, ())
    assert len(found.transfers) == 4
    for transfer in found.transfers:
        # What is fitted to the one is what is fitted to the other.
        assert transfer.lds.mean == transfer.loss.mean == 0.0
        assert all(drop.mean == 0.0 for drop in transfer.drops.values())


def test_results_are_those_of_the_records(run):
    folder, records, report, _ = run
    found = summarize(records, (1, 3, 5))
    assert results_of(folder) == as_read(report.results)
    for side in SIDES:
        results = found.sides[side]
        assert (results.model, results.examples, results.left_out) == ("llama", 2, 0)
        assert results.right.count == 2
        targets = sum(len(record[side]["comparison"]["targets"]) for record in records)
        assert results.targets == targets >= results.dependent > 0
        for summary in results.summaries:
            every = [
                m["lds"]
                for record in records
                for m in record[side]["comparison"]["measurements"]
                if m["method"] == summary.method
            ]
            assert summary.lds.mean == pytest.approx(sum(every) / len(every))
            assert summary.lds.count == targets
        # Leaving out each sentence finds what a statement comes from; a draw does not.
        assert results.stated["leave-one-out"].mean > results.stated["random"].mean
    table = table_of(folder)
    assert "llama (second)" in table
    assert f"at2 network{OF_THE_OTHER}" in table
    assert "…" not in table


def test_a_second_reader_is_trained_and_goes_on_being_trained(demo_reader, tmp_path):
    told = {
        "second": "train",
        "steps": 3,
        "tokens": 64,
        "examples": 1,
        "max_new_tokens": 8,
        "methods": ("random", "average-attention"),
        "estimators": (),
    }
    asked, seen = small(**told), []

    def stop(*done):
        seen.append(done)
        if done[:2] == (2, 3):
            raise Stopped

    with pytest.raises(Stopped):
        asked.prepare(demo_reader, tmp_path, stop)
    sides = asked.prepare(demo_reader, tmp_path, lambda *done: seen.append(done))
    assert [done for *done, _ in seen] == [[1, 3], [2, 3], [1, 3], [2, 3], [3, 3]]
    assert sides["first"].reader.model is demo_reader.model
    second = sides["second"].reader
    assert second.model.config.model_type == "gpt_neox"
    assert second.model.dtype == demo_reader.model.dtype
    assert second.settings == sides["first"].reader.settings
    record = asked.measure(sides, asked.items()[0])
    assert record["second"]["model"] == "gpt_neox"
    assert record["second"]["right"] == 0.0
    assert asked.prepare(demo_reader, tmp_path, lambda *done: seen.append(done))
    assert seen[-1] == (3, 3, True)


def test_a_second_model_that_is_nowhere_is_told(demo_reader, tmp_path):
    with pytest.raises(InputError, match=r"There is nothing at '\./nowhere'"):
        small(second="./nowhere").prepare(demo_reader, tmp_path, silent)
    with pytest.raises(MissingResourceError, match=r"second is 'nobody/nothing', which cannot"):
        small(second="nobody/nothing").prepare(demo_reader, tmp_path, silent)


def test_rows_of_a_file_have_no_known_answer(demo_reader, tmp_path):
    def row(name):
        text = f"{name} is a city. It lies on the Zados River."
        return {
            "id": name,
            "question": f"Where is {name}?",
            "answer": "there",
            "supporting_facts": {"title": [name], "sent_id": [0]},
            "context": {"title": [name, "Pulpe"], "sentences": [[text], ["Pulpe is a city."]]},
        }

    path = tmp_path / "rows.json"
    path.write_text(json.dumps([row(name) for name in ("Nengos", "Tilvo")]), encoding="utf-8")
    told = {"data": f"hotpot_qa={path}", "estimators": (), "methods": ("random",)}
    run_experiment(small(**told, max_new_tokens=16), demo_reader, tmp_path / "out")
    (record,) = records_of(tmp_path / "out")
    assert set(record["first"]) == {"model", "answer", "comparison"}
    found = summarize([record], (1, 3, 5))
    assert found.sides["first"].right == Estimate(None, None, 0)
    assert found.sides["first"].stated["random"].mean is None
    assert found.transfers == ()


def test_examples_that_do_not_fit_are_counted(hotpot, demo_reader, tmp_path):
    asked = small(data=hotpot, examples=2, estimators=(), methods=("random",))
    with pytest.raises(InputError, match="None of the 2 examples could be measured on the first"):
        run_experiment(asked, demo_reader, tmp_path)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"second": "train", "data": "hotpot_qa"}, "expected data 'worlds', or a second model"),
        ({"second": "train", "shape": "bert"}, f"expected one of {', '.join(SHAPE_NAMES)}"),
    ],
)
def test_what_cannot_be_told_is_refused(told, message):
    with pytest.raises(InputError, match=message):
        small(**told)


def test_sources_that_state_what_is_said(demo_reader):
    examples = world_examples(7, 12, (2, 4))
    asked = with_worlds(examples, 7)
    assert [found.example for found in asked] == examples
    for found in asked:
        world = found.world
        task = demo_reader.task(world.question, world.passages, world.answer)
        *stated, final = stating_sources(task, world)
        assert len(stated) == world.hops
        assert final is None
        for index, (passage, _) in zip(stated, world.supporting_sentences, strict=True):
            assert task.answer.attribution.sources[index].passage_index == passage
        last = task.answer.attribution.sources[stated[-1]].text
        assert world.final_answer in last
        wrong = demo_reader.task(world.question, world.passages, "Nobody knows. Final answer: x")
        assert stating_sources(wrong, world) == [None, None]


def values(**means):
    """Return two targets for each of four examples, around a mean by method."""
    noise = (-0.1, 0.1, 0.05, -0.05)
    return {
        name: {(e, t): mean + noise[(e + t) % 4] for e in range(4) for t in range(2)}
        for name, mean in means.items()
    }


def test_rankings_that_agree_and_that_do_not():
    first = values(a=3.0, b=2.0, c=1.0)
    same = agreement("x", first, values(a=30.0, b=20.0, c=10.0), "abc")
    assert same.spearman == Estimate(pytest.approx(1.0), pytest.approx(0.0, abs=1e-9), 4)
    assert (same.pairs, same.same, same.clear, same.reversed) == (3, 3, 3, ())
    turned = agreement("x", first, values(a=1.0, b=2.0, c=3.0), "abc")
    assert turned.spearman.mean == pytest.approx(-1.0)
    assert (turned.same, turned.reversed) == (0, (("a", "b"), ("a", "c"), ("b", "c")))
    # Of ranks 1 2 3 and 2 1 3: 1 - 6 · 2 / (3 · 8).
    swapped = agreement("x", first, values(a=2.0, b=3.0, c=1.0), "abc")
    assert swapped.spearman.mean == pytest.approx(0.5)
    assert swapped.reversed == (("a", "b"),)


def test_an_unclear_order_is_not_clearly_reversed_and_has_an_error():
    first = {"a": {(e, 0): 1.0 for e in range(4)}, "b": {(e, 0): 0.9 for e in range(4)}}
    second = {"a": {(e, 0): float(e % 2) for e in range(4)}, "b": {(e, 0): 0.6 for e in range(4)}}
    found = agreement("x", first, second, "ab")
    assert found.spearman.mean == pytest.approx(-1.0)
    assert found.spearman.standard_error > 0.5
    assert (found.same, found.clear, found.reversed) == (0, 0, ())


def test_nothing_to_rank_by_is_no_correlation():
    empty = {"a": {}, "b": {}}
    assert agreement("x", empty, empty, "ab").spearman == Estimate(None, None, 0)


@given(st.lists(st.tuples(st.floats(0.5, 2), st.floats(-2, 2)), min_size=2, max_size=8))
def test_what_is_lost_is_a_share_whatever_the_unit(rows):
    found = {
        "own": {(e, 0): own for e, (own, _) in enumerate(rows)},
        "other": {(e, 0): other for e, (_, other) in enumerate(rows)},
    }
    lost = share_lost(found, "own", "other")
    gap = difference(found, "own", "other").mean
    assert lost.mean == pytest.approx(gap * len(rows) / sum(own for own, _ in rows))
    scaled = {name: {k: 7 * v for k, v in by.items()} for name, by in found.items()}
    again = share_lost(scaled, "own", "other")
    assert again.mean == pytest.approx(lost.mean)
    assert again.standard_error == pytest.approx(lost.standard_error, abs=1e-9)
    assert share_lost(found, "own", "own").mean == pytest.approx(0.0)
    nothing = {"own": {(0, 0): 0.0}, "other": {(0, 0): 1.0}}
    assert share_lost(nothing, "own", "other") == Estimate(None, None, 0)
