"""Collecting and fitting: what is kept, pools to draw from, and how good estimators are."""

import json
from dataclasses import replace

import pytest
import torch
from at2_rag import Reader
from at2_rag.errors import InputError
from at2_rag.estimators import ProbedEstimator
from at2_rag.evaluation.statistics import DEPENDENT_SPREAD, pearson, spearman
from at2_rag.training import FitWarning, fit, fit_from
from hypothesis import given
from hypothesis import strategies as st
from support.runs import Stopped, silent, stopping_after

from at2_rag_experiments.examples import examples_for
from at2_rag_experiments.fitting.config import LearningConfig
from at2_rag_experiments.fitting.fits import ESTIMATORS, FitOptions, fit_kind
from at2_rag_experiments.fitting.learning import Lot, collected, learned
from at2_rag_experiments.fitting.pool import Pool, PoolConfig, gather, with_ablations
from at2_rag_experiments.fitting.quality import quality, reference_qualities, statement_scores

OPTIONS = FitOptions(steps=5, network_steps=2)


@pytest.fixture(scope="module")
def lot():
    """Two questions about worlds of two passages, to learn everything from."""
    examples = examples_for("training", "worlds", 2, 0, num_passages=(2, 2))
    return Lot(examples, (*ESTIMATORS, "ridge"), num_ablations=6, seed=1)


@pytest.fixture(scope="module")
def whole(lot, demo_reader, tmp_path_factory):
    """Learned in one go: the folder and the estimators."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, learned(lot, OPTIONS, demo_reader, folder, silent)


def same(one, other):
    ours, theirs = one.tensors(), other.tensors()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[n], theirs[n]) for n in ours)


def test_interrupted_the_same_is_learned(whole, lot, demo_reader, tmp_path):
    _, expected = whole
    with pytest.raises(Stopped):
        learned(lot, OPTIONS, demo_reader, tmp_path, stopping_after(1))
    seen = []
    found = learned(lot, OPTIONS, demo_reader, tmp_path, lambda *done: seen.append(done))
    assert seen == [(1, 2, True), (2, 2, False)]
    assert list(found) == list(expected) == ["linear", "copying", "network", "ridge"]
    assert all(same(found[kind], expected[kind]) for kind in found)


def test_what_is_learned_is_what_is_fitted_to_what_is_collected(whole, lot, demo_reader):
    folder, found = whole
    records = collected(lot, demo_reader, folder / "collected", silent)
    assert [record.id for record in records] == [example.id for example in lot.examples]
    for kind, estimator in found.items():
        assert same(fit_kind(kind, records, OPTIONS, 1), estimator)
    assert not same(found["linear"], found["ridge"])
    assert [found[kind].kind for kind in lot.kinds] == ["linear", "copying", "network", "linear"]


def test_what_is_there_is_loaded_and_what_is_missing_is_fitted(whole, lot, demo_reader):
    folder, expected = whole
    seen = []
    again = learned(lot, OPTIONS, demo_reader, folder, lambda *done: seen.append(done))
    assert seen == []
    assert same(again["network"], expected["network"])
    (folder / "estimators" / "copying").rename(folder / "elsewhere")
    again = learned(lot, OPTIONS, demo_reader, folder, lambda *done: seen.append(done))
    assert seen == [(1, 2, True), (2, 2, True)]
    assert same(again["copying"], expected["copying"])


def test_only_what_serves_the_kinds_is_collected(demo_reader, lot, tmp_path):
    bare = replace(lot, examples=lot.examples[:1], kinds=("linear",), source_unit="token")
    (record,) = collected(bare, demo_reader, tmp_path, silent)
    assert record.detail is None
    assert record.features.shape[-1] == 4 * 8  # a number for each head, and none for copying
    assert learned(replace(bare, kinds=()), OPTIONS, demo_reader, tmp_path / "none", silent) == {}
    assert not (tmp_path / "none").exists()


def test_fits_that_are_judged_say_where_they_are_poor(whole, lot, demo_reader):
    folder, _ = whole
    records = collected(lot, demo_reader, folder / "collected", silent)
    with pytest.warns(FitWarning):
        judged = fit_kind("linear", records, replace(OPTIONS, judged=True), 0)
    assert judged.metadata["metrics"]["held_out_examples"] == 1
    assert fit_kind("linear", records, OPTIONS, 0).metadata["metrics"]["held_out_is_training"]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"training_examples": 3}, "training_examples is 3; expected at least 4"),
        ({"num_ablations": 3}, "num_ablations is 3; expected at least 4"),
        ({"estimators": ("tree",)}, "any estimators of linear, copying, network"),
        ({"methods": ("at2",)}, "methods without at2"),
    ],
)
def test_configs_that_cannot_be_used(told, message):
    with pytest.raises(InputError, match=message):
        LearningConfig(**told)


def test_a_pool_may_hold_more_than_is_asked_for(demo_reader, pool, pool_config, tmp_path):
    config = replace(pool_config, examples=5, held_out=3)
    part = gather(config, demo_reader, tmp_path, silent)
    assert [r.id for r in part.training] == [r.id for r in pool.training[:5]]
    assert [r.id for r in part.held_out] == [r.id for r in pool.held_out[:3]]
    assert not {r.id for r in pool.training} & {r.id for r in pool.held_out}


def by_definition(pool, rows):
    """LDS on dependent statements, from the scores of sources and the masks of ablations."""
    means = []
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
    return pytest.approx(sum(means) / len(means), abs=1e-3)


@pytest.fixture(scope="module")
def probed(pool):
    """Heads as probing finds them, which count attention to equal tokens more."""
    shape = pool.statements.shape
    heads = torch.arange(shape.layers * shape.heads) % 3 == 0
    table = heads.float().view(shape.layers, shape.heads) / heads.sum()
    return ProbedEstimator(table, equal_tokens=2.0)


@pytest.mark.parametrize("name", ["linear", "copying", "network"])
def test_quality_is_that_of_the_scores(name, pool, pool_config):
    estimator = fit_kind(name, pool.training, pool_config.options, 0)
    expected = by_definition(pool, iter(statement_scores(estimator, pool)))
    assert quality(estimator, pool)["dependent"]["lds"] == expected


def test_references_are_what_nothing_is_fitted_for(pool, probed):
    assert list(reference_qualities(pool)) == ["average attention", "leave-one-out"]
    found = reference_qualities(replace(pool, probed=probed))
    assert list(found) == ["average attention", "probed heads", "leave-one-out"]
    scores = iter(statement_scores(probed, pool))
    assert found["probed heads"]["dependent"]["lds"] == by_definition(pool, scores)
    falls = [
        target - rest
        for record in pool.held_out
        for target, rest, spread in zip(
            record.detail.whole, record.detail.alone, record.spread(), strict=True
        )
        if spread >= DEPENDENT_SPREAD
    ]
    assert found["leave-one-out"]["dependent"]["lds"] == by_definition(pool, iter(falls))
    bare = [replace(record, detail=None) for record in pool.held_out]
    assert list(reference_qualities(Pool.of(pool.training, bare))) == ["average attention"]


@pytest.mark.parametrize(
    ("name", "copies"), [("from-probed", False), ("from-probed-copying", True)]
)
def test_learning_goes_on_from_probed_heads(name, copies, pool, pool_config, probed):
    prior = probed if copies else replace(probed, equal_tokens=0.0)
    found = fit_kind(name, pool.training, pool_config.options, 0, prior)
    expected = fit_from(prior, pool.training, copying=copies)
    assert same(found, expected)
    assert found.kind == ("copying" if copies else "linear")
    with pytest.raises(InputError, match="the reader has none; expected one with estimator='probe"):
        fit_kind(name, pool.training, pool_config.options, 0)


def test_a_pool_takes_probed_heads_from_its_reader(
    demo_reader, pool, pool_config, probed, tmp_path
):
    config = replace(pool_config, examples=4, held_out=2)
    reader = Reader(demo_reader.model, demo_reader.tokenizer, probed)
    assert gather(config, reader, tmp_path, silent).probed is probed
    assert pool.probed is None


def test_held_out_data_of_their_own(tmp_path):
    """Then nothing is learned from them, and all of the others is."""
    texts = {name: [f"{name} {i}" for i in range(6)] for name in ("learned", "measured")}
    for name, ids in texts.items():
        rows = [{"id": each, "question": "Who?", "passages": ["Ada did."]} for each in ids]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    config = PoolConfig(
        data=str(tmp_path / "learned.jsonl"), held_out_data=str(tmp_path / "measured.jsonl")
    )
    for purpose, name in (("training", "learned"), ("measuring", "measured")):
        found = config.lot(purpose, 5).examples
        assert len(found) == 5
        assert {example.id for example in found} < set(texts[name])
    halved = replace(config, held_out_data=None)
    both = [{e.id for e in halved.lot(p, 9).examples} for p in ("training", "measuring")]
    assert [len(half) for half in both] == [3, 3]
    assert both[0] | both[1] == set(texts["learned"])


def test_average_attention_is_all_heads_alike(pool):
    heads = pool.statements.shape.layers * pool.statements.shape.heads
    predictions = pool.statements.features[..., :heads].mean(-1)
    expected = pool.statements.quality(predictions).lds
    assert reference_qualities(pool)["average attention"]["all"]["lds"] == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore::at2_rag.training.FitWarning")
def test_refits_are_the_packages_own(pool, pool_config):
    """The paper's fit, to all of the records, and not to the copying features."""
    plain = [record.without_copying for record in pool.training]
    expected = fit(plain, steps=30, held_out=0, seed=3).estimator
    found = fit_kind("linear", pool.training, pool_config.options, 3)
    assert torch.equal(found.coefficients, expected.coefficients)
    assert found.copying is None
    assert isinstance(
        fit_kind("copying", pool.training, pool_config.options, 3).copying, torch.Tensor
    )


def test_scores_without_detail_are_sums_over_ablations(pool, pool_config):
    bare = [replace(record, detail=None) for record in pool.held_out]
    estimator = fit_kind("linear", pool.training, pool_config.options, 0)
    by_source = statement_scores(estimator, pool)
    by_ablation = statement_scores(estimator, Pool.of(pool.training, bare))
    example = pool.statements.example[pool.dependent].tolist()
    for index, scores, sums in zip(example, by_source, by_ablation, strict=True):
        kept = pool.held_out[index].masks.float() @ scores
        assert float(pearson(kept, sums)) == pytest.approx(1.0, abs=1e-4)


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


def test_another_kind_of_pool_is_refused(demo_reader, pool, pool_config, tmp_path):
    with pytest.raises(InputError, match="num_ablations is 9, there 8"):
        gather(replace(pool_config, num_ablations=9), demo_reader, tmp_path, silent)


def test_too_little_is_told(pool):
    with pytest.raises(InputError, match="3 training records and 4 held-out"):
        Pool.of(pool.training[:3], pool.held_out)
    unmoved = [
        replace(r, log_probabilities=torch.zeros_like(r.log_probabilities)) for r in pool.held_out
    ]
    with pytest.raises(InputError, match="depend on their sources"):
        Pool.of(pool.training, unmoved)


def test_data_of_a_file(hotpot, demo_reader, tmp_path):
    """The rows' own prompts are kept; most of these are too long for the demo reader."""
    config = PoolConfig(data=hotpot, examples=4)
    with pytest.raises(InputError, match="Give more examples"):
        gather(replace(config, held_out=2), demo_reader, tmp_path, silent)
