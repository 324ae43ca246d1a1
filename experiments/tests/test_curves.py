"""Learning curves: what is drawn, what is enough, and going on after an interruption."""

from shutil import copytree

import pytest
from at2_rag.errors import InputError
from support.runs import (
    Stopped,
    as_read,
    lines_of,
    records_of,
    results_of,
    silent,
    stopping_after,
    table_of,
)

from at2_rag_experiments.curves.experiment import Drawn, LearningCurves, LearningCurvesConfig, drawn
from at2_rag_experiments.curves.results import SLACK, summarize
from at2_rag_experiments.fitting.pool import gather
from at2_rag_experiments.run import run_experiment

#: Without detail, so without networks: a few passes for each example.
SMALL = {
    "examples": 6,
    "held_out": 3,
    "num_passages": (2, 2),
    "max_new_tokens": 20,
    "num_ablations": 8,
    "steps": 10,
    "detail": False,
    "sizes": (3, 6, 12),
    "ablations": (4, 8, 16),
    "repeats": 2,
}


def small(**told):
    return LearningCurves(LearningCurvesConfig(**{**SMALL, **told}))


@pytest.fixture(scope="module")
def run(demo_reader, tmp_path_factory):
    """The folder of results, stopped while collecting, and while fitting."""
    out = tmp_path_factory.mktemp("run")
    for steps in (4, 6 + 3 + 3):
        with pytest.raises(Stopped):
            run_experiment(small(), demo_reader, out, stopping_after(steps))
    assert len(lines_of(out)) == 3
    run_experiment(small(), demo_reader, out)
    return out


def test_everything_is_written(run):
    records = records_of(run)
    # What is beyond the pool is left out.
    assert [(r["examples"], r["ablations"]) for r in records[::2]] == [
        (3, 4),
        (3, 8),
        (6, 4),
        (6, 8),
    ]
    results = results_of(run)
    assert as_read(summarize(records).to_dict()).items() <= results.items()
    assert [curve["estimator"] for curve in results["curves"]] == ["linear", "copying"]
    assert results["alone"] == 0
    assert (run / "figure.png").read_bytes().startswith(b"\x89PNG")
    table = table_of(run)
    assert "What is enough" in table
    assert "…" not in table


def test_interrupted_it_goes_on_to_the_same(run, demo_reader):
    seen = []
    pool = small().prepare(demo_reader, run, lambda *done: seen.append(done))
    assert seen[:6] == [(done, 6, True) for done in range(1, 7)]
    assert seen[6:] == [(done, 3, True) for done in range(1, 4)]
    items, records = small().items(), records_of(run)
    for place in (0, 2, 3, 7):
        assert as_read(small().measure(pool, items[place])) == records[place]


def test_a_larger_pool_is_drawn_from_anew(run, demo_reader, tmp_path):
    """What was collected of it stays."""
    copytree(run, tmp_path, dirs_exist_ok=True)
    seen = []
    more = small(examples=7, sizes=(3, 6, 12))
    found = run_experiment(more, demo_reader, tmp_path, lambda *done: seen.append(done))
    assert found.results["pool"] == 7
    assert [before for _, _, before in seen[:10]].count(False) == 1
    assert lines_of(tmp_path)[:8] == lines_of(run)


def test_draws(run, demo_reader):
    pool = gather(small().config, demo_reader, run, silent)
    first, second = (drawn(pool.training, Drawn(3, 4, repeat, 6)) for repeat in range(2))
    for part in (first, second):
        assert len({record.id for record in part}) == 3
        assert all(record.outputs.shape[1] == 4 for record in part)
    assert [r.id for r in first] != [r.id for r in second]
    assert len(drawn(pool.training, Drawn(60, 4, 0, 6))) == 6


def made(lds, sizes=(10, 20, 40), ablations=(4, 8), repeats=2):
    """Records in which LDS is what a function of examples, ablations and repeat says."""
    return [
        {
            "examples": examples,
            "ablations": each,
            "repeat": repeat,
            "asked": examples,
            "pool": 80,
            "held_out": 5,
            "dependent": 12,
            "alone": 0,
            "references": {"average attention": {"dependent": {"lds": 0.2}}},
            "fits": {
                "linear": {
                    part: {"lds": lds(examples, each, repeat), "lds_error": 0.05}
                    for part in ("all", "dependent")
                }
            },
        }
        for examples in sizes
        for each in ablations
        for repeat in range(repeats)
    ]


def test_the_cheapest_that_is_as_good_is_enough():
    def saturates(examples, ablations, repeat):
        return min(examples, 20) / 100

    curve = summarize(made(saturates)).curve("linear")
    assert (curve.enough.examples, curve.enough.ablations) == (20, 4)
    assert (curve.enough.cost, curve.enough.lds) == (80, pytest.approx(0.2))

    def slowly(examples, ablations, repeat):
        return 0.5 + (examples > 10) * SLACK * 0.9

    assert summarize(made(slowly)).curve("linear").enough.cost == 40

    def clearly(examples, ablations, repeat):
        return 0.5 + (examples == 40 and ablations == 8) * SLACK * 1.1

    assert summarize(made(clearly)).curve("linear").enough.cost == 320

    def noisily(examples, ablations, repeat):
        best = examples == 40 and ablations == 8
        return 0.5 + best * (0.04 + 0.1 * repeat)

    # It is ahead by 0.09, and uncertain by 0.05.
    assert summarize(made(noisily)).curve("linear").enough.cost == 320


def test_within_an_error_of_the_best_is_as_good():
    def noisily(examples, ablations, repeat):
        best = examples == 40 and ablations == 8
        return 0.5 + best * (-0.05 + 0.2 * repeat)

    curve = summarize(made(noisily)).curve("linear")
    assert curve.best.lds == pytest.approx(0.55)
    assert curve.best.dependent.standard_error == pytest.approx(0.1)
    assert curve.enough.cost == 40


def test_examples_against_ablations_at_the_same_cost():
    by_examples = summarize(made(lambda n, m, r: n / 100)).curve("linear")
    assert by_examples.pairs == 2  # 10 × 8 and 20 × 4, 20 × 8 and 40 × 4
    assert by_examples.doubled.mean == pytest.approx((0.1 + 0.2) / 2)
    assert by_examples.doubled.standard_error == pytest.approx(0.0)
    by_ablations = summarize(made(lambda n, m, r: m / 100)).curve("linear")
    assert by_ablations.doubled.mean == pytest.approx(-0.04)
    by_cost = summarize(made(lambda n, m, r: n * m / 1000)).curve("linear")
    assert by_cost.doubled.mean == pytest.approx(0.0)
    differing = summarize(made(lambda n, m, r: n * (1 + r) / 100)).curve("linear")
    assert differing.doubled.mean == pytest.approx(0.15 * 1.5)
    assert differing.doubled.standard_error == pytest.approx(0.075)
    alone = summarize(made(lambda n, m, r: 0.5, ablations=(8,))).curve("linear")
    assert (alone.pairs, alone.doubled.mean) == (0, None)


def test_networks_are_trained_with_the_most_ablations_alone(demo_reader, tmp_path):
    told = {"examples": 4, "held_out": 2, "num_ablations": 4, "sizes": (4,), "network_steps": 2}
    asked = small(**told, detail=True, ablations=(3, 4))
    pool = asked.prepare(demo_reader, tmp_path, silent)
    found = summarize([asked.measure(pool, item) for item in asked.items()])
    cells = {curve.estimator: [c.ablations for c in curve.cells] for curve in found.curves}
    assert cells == {"linear": [3, 4], "copying": [3, 4], "network": [4]}
    # Each of 2 passages is at least a sentence long.
    assert found.alone >= 2 + 2 + 1


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"repeats": 1}, "repeats is 1"),
        ({"sizes": (12,)}, r"sizes is \(12,\).*pool's 6"),
        ({"sizes": ()}, "sizes is"),
        ({"ablations": (2, 4)}, "ablations is .*from 3 on"),
        ({"ablations": (16,)}, "pool's 8"),
        ({"held_out": 1}, "held_out is 1"),
    ],
)
def test_configs_that_cannot_be_used(told, message):
    with pytest.raises(InputError, match=message):
        small(**told)
