"""Stability of coefficients: the pool, what is drawn from it, and what is said of the fits."""

import pytest
import torch
from at2_rag.errors import InputError
from hypothesis import given
from hypothesis import strategies as st
from support.runs import as_read, records_of, results_of, silent, table_of

from at2_rag_experiments.fitting.fits import fit_kind
from at2_rag_experiments.fitting.pool import draw
from at2_rag_experiments.fitting.quality import quality
from at2_rag_experiments.run import run_experiment
from at2_rag_experiments.stability.experiment import (
    KINDS,
    Chance,
    CoefficientStability,
    CoefficientStabilityConfig,
    drawn,
)
from at2_rag_experiments.stability.results import summarize


@pytest.fixture(scope="module")
def run(demo_reader, pool, pool_config, tmp_path_factory):
    """All kinds of chance on the pool: the folder of results, and what was told meanwhile."""
    out, seen = tmp_path_factory.mktemp("run"), []
    asked = CoefficientStability(CoefficientStabilityConfig(**vars(pool_config), seeds=2))
    run_experiment(asked, demo_reader, out, lambda *done: seen.append(done))
    return out, seen


def test_everything_is_written(run):
    out, _ = run
    results = results_of(out)
    found = summarize(records_of(out))
    assert as_read(found.to_dict()).items() <= results.items()
    assert {(s["estimator"], s["kind"]) for s in results["stabilities"]} == {
        (name, kind) for name in ("linear", "copying", "network") for kind in KINDS
    }
    assert (out / "figure.png").read_bytes().startswith(b"\x89PNG")
    table = table_of(out)
    assert "disjoint" in table
    assert "…" not in table
    assert max(map(len, table.splitlines())) <= 120


def test_a_shared_pool_is_collected_once(run):
    _, seen = run
    assert seen[:8] == [(done, 8, True) for done in range(1, 9)]
    assert seen[8:12] == [(done, 4, True) for done in range(1, 5)]
    assert seen[12:] == [(done, 8, False) for done in range(1, 9)]


def test_chance_that_decides_less_changes_less(run):
    out, _ = run
    found = summarize(records_of(out))
    by_seed = found.stability("linear", "seed")
    by_half = found.stability("linear", "disjoint")
    assert (by_seed.fits, by_half.fits) == (2, 4)
    assert (by_seed.examples, by_half.examples) == (8, 4)
    assert by_seed.tables.correlation.mean > by_half.tables.correlation.mean
    assert by_seed.scores.mean > by_half.scores.mean
    assert len(by_seed.tables.means) == 32
    assert len(found.stability("copying", "seed").tables.means) == 64
    assert found.stability("network", "seed").tables is None


def test_what_is_kept_of_a_fit_is_the_fits_own(run, pool, pool_config):
    out, _ = run
    record = next(r for r in records_of(out) if r["kind"] == "examples")
    (part,) = drawn(pool.training, Chance("examples", 0, 8))
    estimator = fit_kind("linear", part, pool_config.options, 0)
    kept = record["fits"]["linear"][0]
    assert kept["coefficients"] == pytest.approx(estimator.coefficients.flatten().tolist(), 1e-4)
    assert kept["quality"]["all"]["lds"] == pytest.approx(quality(estimator, pool)["all"]["lds"])
    assert len(kept["scores"]) == len(record["example"]) == int(pool.dependent.sum())


@given(st.integers(0, 10**6), st.integers(0, 9))
def test_halves_are_halves(seed, size):
    records = [_Numbered(str(number)) for number in range(size)]
    first, second = drawn(records, Chance("disjoint", seed, size))
    assert len(first) == len(second) == size // 2
    assert not {r.id for r in first} & {r.id for r in second}
    (half,) = drawn(records, Chance("examples", seed, size))
    assert len(half) == size // 2
    assert drawn(records, Chance("seed", seed, size)) == [records]
    assert draw(records, size + 1, str(seed)) == records


class _Numbered:
    """Stands for a record where nothing but its id matters."""

    def __init__(self, name):
        self.id = name


def made(kind, tables, qualities, scores):
    """A record as the experiment writes it."""
    return {
        "kind": kind,
        "examples": [4] * len(tables),
        "layers": 2,
        "heads": 3,
        "statements": 3,
        "example": [0, 1],
        "by_source": True,
        "references": {"average attention": {"dependent": {"lds": 0.3}}},
        "fits": {
            "linear": [
                {
                    "coefficients": table,
                    "quality": {part: {"lds": lds, "lds_error": 0.1} for part in PARTS},
                    "scores": [scores, scores[::-1]],
                }
                for table, lds in zip(tables, qualities, strict=True)
            ]
        },
    }


PARTS = ("all", "dependent")
TABLE = [0.5, -0.1, 0.1, 0.0, 0.2, 0.1]


def test_the_same_again_is_perfectly_stable():
    records = [made("seed", [TABLE], [0.5], [3.0, 1.0, 0.0]) for _ in range(3)]
    found = summarize(records).stability("linear", "seed")
    assert found.tables.correlation.least == pytest.approx(1.0)
    assert found.tables.deviations == pytest.approx([0.0] * 6, abs=1e-7)
    # A coefficient of 0 has no sign.
    assert (found.tables.signs, found.tables.signs_by_size) == (pytest.approx(5 / 6), 1.0)
    assert (found.tables.top, found.scores.mean, found.first.mean) == (1.0, pytest.approx(1), 1.0)
    assert found.likeness == pytest.approx([1.0] * 3)
    assert (found.dependent.mean, found.dependent.deviation) == (pytest.approx(0.5), 0.0)


def test_disjoint_halves_are_compared_with_each_other_alone():
    turned = [-value for value in TABLE]
    records = [made("disjoint", [t, t], [0.5, 0.4], [1.0, 0.0]) for t in (TABLE, turned)]
    found = summarize(records).stability("linear", "disjoint")
    assert found.tables.correlation.least == pytest.approx(1.0)
    assert found.tables.signs == 0.0
    assert found.fits == 4
    records = [made("examples", [t], [0.5], [1.0, 0.0]) for t in (TABLE, turned)]
    found = summarize(records).stability("linear", "examples")
    assert found.tables.correlation.mean == pytest.approx(-1.0)


def test_scores_may_agree_where_coefficients_do_not():
    other = [0.1, 0.2, 0.0, 0.1, -0.1, 0.5]
    records = [made("seed", [t], [0.5], [2.0, 1.0, 0.0]) for t in (TABLE, other)]
    found = summarize(records).stability("linear", "seed")
    assert found.tables.correlation.mean < 0
    assert found.scores.mean == pytest.approx(1.0)
    assert found.scores.count == 2
    records[1]["fits"]["linear"][0]["scores"] = [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]
    found = summarize(records).stability("linear", "seed")
    assert found.scores.mean == pytest.approx(0.0)
    assert found.first.mean == pytest.approx(0.5)


def test_odd_fits_that_are_worse_are_noticed():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(6, 6, generator=generator) * torch.tensor([0.0, 0.02, 0.05, 0.1, 0.2, 0.5])
    tables = (torch.tensor(TABLE) + noise.T).tolist()
    worse = [0.60, 0.59, 0.57, 0.5, 0.4, 0.1]
    records = [made("seed", [t], [q], [1.0, 0.0]) for t, q in zip(tables, worse, strict=True)]
    found = summarize(records)
    assert found.stability("linear", "seed").likeness_and_quality > 0.8
    assert found.likeness_and_quality["linear"] > 0.8
    better = [1 - q for q in worse]
    records = [made("seed", [t], [q], [1.0, 0.0]) for t, q in zip(tables, better, strict=True)]
    assert summarize(records).likeness_and_quality["linear"] < -0.8


def test_tokens_have_no_detail(demo_reader, pool_config, tmp_path):
    told = {"examples": 4, "held_out": 2, "source_unit": "token", "pool": None}
    config = CoefficientStabilityConfig(**{**vars(pool_config), **told}, seeds=2, kinds=("seed",))
    asked = CoefficientStability(config)
    pool = asked.prepare(demo_reader, tmp_path, silent)
    found = summarize([asked.measure(pool, item) for item in asked.items()])
    assert [one.estimator for one in found.stabilities] == ["linear", "copying"]
    assert found.by_source is False
    assert found.stabilities[0].first.mean is None
    assert found.stabilities[0].scores.mean == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"seeds": 1}, "seeds is 1"),
        ({"kinds": ("weather",)}, "kinds is .*disjoint"),
        ({"estimators": ("at2",)}, "estimators is .*copying"),
        ({"examples": 3}, "examples is 3; expected at least 4"),
        ({"held_out": 1}, "held_out is 1"),
        ({"num_ablations": 3}, "num_ablations is 3"),
        ({"source_unit": "page"}, "source_unit is 'page'"),
    ],
)
def test_configs_that_cannot_be_used(told, message):
    with pytest.raises(InputError, match=message):
        CoefficientStabilityConfig(**told)


def test_items_are_the_same_for_the_same_config():
    items = CoefficientStability().items()
    assert items == CoefficientStability().items()
    assert len({item.id for item in items}) == len(items) == 4 * 5
    more = CoefficientStability(CoefficientStabilityConfig(examples=200)).items()
    assert not {item.id for item in items} & {item.id for item in more}
