"""Stability of coefficients: the pool, what is drawn from it, and what is said of the fits."""

from dataclasses import replace

import pytest
import torch
from at2_rag.errors import InputError
from at2_rag.evaluation.statistics import DEPENDENT_SPREAD, pearson, spearman
from at2_rag.training import fit
from hypothesis import given
from hypothesis import strategies as st
from support.runs import as_read, records_of, results_of, silent, table_of

from at2_rag_experiments.fitting.fits import fit_kind
from at2_rag_experiments.fitting.pool import Pool, PoolConfig, draw, gather, with_ablations
from at2_rag_experiments.fitting.quality import average_quality, quality, statement_scores
from at2_rag_experiments.run import run_experiment
from at2_rag_experiments.stability.experiment import (
    KINDS,
    Chance,
    CoefficientStability,
    CoefficientStabilityConfig,
    drawn,
)
from at2_rag_experiments.stability.results import summarize

SMALL = {"examples": 8, "held_out": 4, "num_ablations": 8, "steps": 30, "network_steps": 2}
OPTIONS = CoefficientStabilityConfig(**SMALL).options


def small(folder, **told):
    config = CoefficientStabilityConfig(**{**SMALL, "seeds": 2, "pool": str(folder), **told})
    return CoefficientStability(config)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pool")


@pytest.fixture(scope="module")
def pool(demo_reader, folder):
    return gather(small(folder).config, demo_reader, folder, silent)


@pytest.fixture(scope="module")
def run(demo_reader, folder, pool, tmp_path_factory):
    """All kinds of chance on the pool: the folder of results, and what was told meanwhile."""
    out, seen = tmp_path_factory.mktemp("run"), []
    run_experiment(small(folder), demo_reader, out, lambda *done: seen.append(done))
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


def test_a_pool_may_hold_more_than_is_asked_for(demo_reader, folder, pool):
    config = small(folder, examples=5, held_out=3).config
    part = gather(config, demo_reader, folder, silent)
    assert [r.id for r in part.training] == [r.id for r in pool.training[:5]]
    assert [r.id for r in part.held_out] == [r.id for r in pool.held_out[:3]]
    assert not {r.id for r in pool.training} & {r.id for r in pool.held_out}


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


def test_what_is_kept_of_a_fit_is_the_fits_own(run, pool):
    out, _ = run
    record = next(r for r in records_of(out) if r["kind"] == "examples")
    (part,) = drawn(pool.training, Chance("examples", 0, 8))
    estimator = fit_kind("linear", part, OPTIONS, 0)
    kept = record["fits"]["linear"][0]
    assert kept["coefficients"] == pytest.approx(estimator.coefficients.flatten().tolist(), 1e-4)
    assert kept["quality"]["all"]["lds"] == pytest.approx(quality(estimator, pool)["all"]["lds"])
    assert len(kept["scores"]) == len(record["example"]) == int(pool.dependent.sum())


@pytest.mark.parametrize("name", ["linear", "copying", "network"])
def test_quality_is_that_of_the_scores(name, pool):
    """LDS by its definition, from the scores of sources and the masks of ablations."""
    estimator = fit_kind(name, pool.training, OPTIONS, 0)
    rows, means = iter(statement_scores(estimator, pool)), []
    for record in pool.held_out:
        log_p = record.log_probabilities
        spread = log_p.amax(1) - log_p.amin(1)
        found = [
            float(spearman(record.masks.float() @ next(rows), outputs))
            for outputs, moved in zip(record.outputs, spread >= DEPENDENT_SPREAD, strict=True)
            if moved
        ]
        means += [sum(found) / len(found)] if found else []
    assert next(rows, None) is None
    expected = sum(means) / len(means)
    assert quality(estimator, pool)["dependent"]["lds"] == pytest.approx(expected, abs=1e-3)


def test_average_attention_is_all_heads_alike(pool):
    heads = pool.statements.shape.layers * pool.statements.shape.heads
    predictions = pool.statements.features[..., :heads].mean(-1)
    expected = pool.statements.quality(predictions).lds
    assert average_quality(pool)["all"]["lds"] == pytest.approx(expected)


def test_refits_are_the_packages_own(pool):
    """The paper's fit, to all of the records, and not to the copying features."""
    plain = [record.without_copying for record in pool.training]
    with pytest.warns(UserWarning, match="No example of the 8 is held out"):
        expected = fit(plain, steps=30, held_out=0, seed=3).estimator
    found = fit_kind("linear", pool.training, OPTIONS, 3)
    assert torch.equal(found.coefficients, expected.coefficients)
    assert found.copying is None
    assert isinstance(fit_kind("copying", pool.training, OPTIONS, 3).copying, torch.Tensor)


def test_scores_without_detail_are_sums_over_ablations(pool):
    bare = [replace(record, detail=None) for record in pool.held_out]
    estimator = fit_kind("linear", pool.training, OPTIONS, 0)
    by_source = statement_scores(estimator, pool)
    by_ablation = statement_scores(estimator, Pool.of(pool.training, bare))
    example = pool.statements.example[pool.dependent].tolist()
    for index, scores, sums in zip(example, by_source, by_ablation, strict=True):
        kept = pool.held_out[index].masks.float() @ scores
        assert float(pearson(kept, sums)) == pytest.approx(1.0, abs=1e-4)


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


@given(st.integers(0, 10**6), st.integers(1, 8))
def test_ablations_stay_with_what_they_did(pool, seed, size):
    record = pool.training[0]
    part = with_ablations(record, size, str(seed))
    assert part.masks.shape[0] == part.features.shape[1] == part.outputs.shape[1] == size
    for row in range(size):
        places = [
            place
            for place in range(len(record.masks))
            if torch.equal(record.masks[place], part.masks[row])
        ]
        assert any(
            torch.equal(record.features[:, place], part.features[:, row])
            and torch.equal(record.outputs[:, place], part.outputs[:, row])
            and torch.equal(record.log_probabilities[:, place], part.log_probabilities[:, row])
            for place in places
        )
    assert part.detail is record.detail


def test_each_record_has_its_own_draw_of_ablations(pool):
    numbered = torch.arange(8.0)[None]
    drawn_rows = {
        tuple(with_ablations(replace(record, outputs=numbered), 4, "0").outputs[0].tolist())
        for record in pool.training
    }
    assert len(drawn_rows) > 1


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
        "average": {"dependent": {"lds": 0.3}},
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


def test_tokens_have_no_detail(demo_reader, tmp_path):
    told = {"examples": 4, "held_out": 2, "source_unit": "token", "kinds": ("seed",)}
    results = run_experiment(small(tmp_path / "pool", **told), demo_reader, tmp_path).results
    assert [one["estimator"] for one in results["stabilities"]] == ["linear", "copying"]
    assert results["by_source"] is False
    assert results["stabilities"][0]["first"]["mean"] is None
    assert results["stabilities"][0]["scores"]["mean"] == pytest.approx(1.0, abs=0.05)


def test_another_kind_of_pool_is_refused(demo_reader, folder, pool):
    with pytest.raises(InputError, match="num_ablations is 9, there 8"):
        gather(small(folder, num_ablations=9).config, demo_reader, folder, silent)


def test_too_little_is_told(pool):
    with pytest.raises(InputError, match="3 training records and 4 held-out"):
        Pool.of(pool.training[:3], pool.held_out)
    unmoved = [
        replace(r, log_probabilities=torch.zeros_like(r.log_probabilities)) for r in pool.held_out
    ]
    with pytest.raises(InputError, match="depend on their sources"):
        Pool.of(pool.training, unmoved)


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


def test_data_of_a_file(hotpot, demo_reader, tmp_path):
    """The rows' own prompts are kept; most of these are too long for the demo reader."""
    config = PoolConfig(data=hotpot, examples=4)
    with pytest.raises(InputError, match="Give more examples"):
        gather(replace(config, held_out=2), demo_reader, tmp_path, silent)
