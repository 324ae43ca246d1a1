"""Fitting: known coefficients are found, and what cannot be fitted says so."""

import json
import math
import sys
import warnings
from dataclasses import asdict, replace

import pytest
import torch
from support.comparing import check_close, check_same

from at2_rag import AttentionShape, InputError, LinearEstimator, NumericalError, ScoreEstimator
from at2_rag.training import (
    FitWarning,
    NoBetterThanAverageWarning,
    TrainingRecord,
    fit,
    plot_coefficients,
    solvers,
)
from at2_rag.training.dataset import Statements, grouped
from at2_rag.training.solvers import Batches, DescentOptions, Ridge

SHAPE = AttentionShape(3, 4)
#: Three heads that matter, one of them against, and nine that do not.
TRUE = torch.tensor([0, 0, 1.0, 0, 0.5, 0, 0, 0, 0, 0, -0.7, 0])
METHODS = ("pearson", "ridge")
FAST = {"learning_rate": 0.02, "steps": 300, "batch_size": 64}


def synthetic(count=40, seed=0, coefficients=TRUE, noise=0.3, statements=3, sources=10):
    """Records whose outputs are a known combination of heads, of any size, from any level."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    records = []
    for index in range(count):
        masks = torch.rand(16, sources, generator=generator) < 0.5
        attention = normal(statements, sources, 12).abs() * 0.01
        features = torch.einsum("as,tsh->tah", 2.0 * masks.float() - 1, attention)
        signal = features @ coefficients
        outputs = signal + noise * signal.std() * normal(statements, 16)
        outputs = 5 * normal(statements, 1) + 100 * outputs
        records.append(
            TrainingRecord(
                f"e{index}", "f", "text", SHAPE, masks, features, outputs,
                torch.nn.functional.logsigmoid(outputs),
            )
        )  # fmt: skip
    return records


def test_an_estimator_knows_the_prompts_that_it_was_learned_with():
    records = synthetic(8)
    assert fit(records, method="ridge").estimator.prompts == ()
    told = [replace(r, prompt="ab"[i % 2] + "{passages}{question}") for i, r in enumerate(records)]
    assert fit(told, method="ridge").estimator.prompts == (
        "a{passages}{question}", "b{passages}{question}"
    )  # fmt: skip


def cosine(result, coefficients=TRUE):
    fitted = result.estimator.coefficients.flatten()
    return float(torch.nn.functional.cosine_similarity(fitted, coefficients, dim=0))


@pytest.mark.parametrize("method", METHODS)
def test_known_coefficients_are_found(method):
    result = fit(synthetic(), method=method, **FAST)
    assert cosine(result) > 0.95
    assert result.estimator.coefficients.shape == (3, 4)
    assert float(result.estimator.coefficients.abs().sum()) == pytest.approx(1, abs=1e-5)
    metrics = result.metrics
    assert (metrics.training_examples, metrics.held_out_examples) == (32, 8)
    assert (metrics.statements, metrics.unmoved_statements) == (120, 0)
    assert metrics.fitted.pearson > 0.9 > metrics.average.pearson
    assert metrics.fitted.lds > 0.85 > metrics.average.lds
    assert 0 < metrics.fitted.lds_error < 0.1
    assert (metrics.ridge is None) == (method == "pearson")


def test_the_papers_defaults_move_away_from_average_attention():
    records = synthetic(80)
    result = fit(records, steps=300)
    assert cosine(result) > cosine(fit(records, steps=1)) + 0.2
    assert result.metrics.fitted.pearson > result.metrics.average.pearson


@pytest.mark.parametrize("method", METHODS)
def test_the_seed_decides(method):
    records = synthetic(20)
    first, again, other = (fit(records, method=method, seed=s, **FAST) for s in (1, 1, 2))
    assert torch.equal(first.estimator.coefficients, again.estimator.coefficients)
    assert first.metrics == again.metrics
    assert not torch.equal(first.estimator.coefficients, other.estimator.coefficients)


@pytest.mark.parametrize("method", METHODS)
def test_non_negative_keeps_the_rest(method):
    result = fit(synthetic(), method=method, non_negative=True, **FAST)
    assert float(result.estimator.coefficients.min()) >= 0
    assert cosine(result, TRUE.clamp(min=0)) > 0.9


def scaled_by_hand(records):
    """Return what a ridge fits: (rows, heads) and (rows,), each statement centred and of size 1."""
    features = torch.cat([r.features for r in records]).double()
    outputs = torch.cat([r.outputs for r in records]).double()
    features, outputs = features - features.mean(1, True), outputs - outputs.mean(1, True)
    features = features / features.flatten(1).norm(dim=1)[:, None, None]
    return features.flatten(0, 1), (outputs / outputs.norm(dim=1, keepdim=True)).flatten()


def test_projected_ridge_is_the_constrained_minimum():
    """At the minimum no allowed small step goes down: the conditions of Karush, Kuhn, Tucker."""
    ridge = Ridge(Statements.of(synthetic()), bias=False)
    solution = ridge.solve(1e-3, non_negative=True)[0].double()
    features, outputs = scaled_by_hand(synthetic())
    gram, moment = features.T @ features, features.T @ outputs
    gradient = (gram + 1e-3 * gram.diagonal().mean() * torch.eye(12)) @ solution - moment
    size = moment.abs().max()
    assert bool((gradient.abs()[solution > 0] < 1e-5 * size).all())
    assert bool((gradient[solution == 0] > 0).all())
    assert int((solution == 0).sum()) >= 1


def test_ridge_agrees_with_least_squares_by_hand():
    records = synthetic(6, sources=14)
    coefficients, _ = Ridge(Statements.of(records), bias=False).solve(1e-12, non_negative=False)
    check_close(coefficients, torch.linalg.lstsq(*scaled_by_hand(records)).solution)


def test_ridge_in_pieces_is_the_whole(monkeypatch):
    statements = Statements.of(synthetic(6))
    whole = Ridge(statements, bias=True)
    monkeypatch.setattr(solvers, "ROWS", 5)
    pieces = Ridge(statements, bias=True)
    for strength, non_negative in ((1e-3, False), (1.0, True)):
        found, bias = pieces.solve(strength, non_negative=non_negative)
        expected, expected_bias = whole.solve(strength, non_negative=non_negative)
        check_close([*found, bias], [*expected, expected_bias])


@pytest.mark.parametrize("method", METHODS)
def test_bias_takes_what_every_source_does(method):
    """Removing any source hurts, besides what attention says; average attention knows that."""
    records = [
        replace(r, outputs=r.outputs + 2 * (2.0 * r.masks.float() - 1).sum(1)) for r in synthetic()
    ]
    with pytest.warns(NoBetterThanAverageWarning):
        biased = fit(records, method=method, bias=True, **FAST)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoBetterThanAverageWarning)
        without = fit(records, method=method, **FAST)
    assert cosine(biased) > max(cosine(without), 0.95)
    assert biased.estimator.metadata["fit"]["bias"] > 0
    assert without.estimator.metadata["fit"]["bias"] is None


def test_normalize_only_scales():
    records = synthetic(20)
    plain = fit(records, method="ridge", normalize=False).estimator.coefficients
    scaled = fit(records, method="ridge").estimator.coefficients
    check_close(scaled, plain / plain.abs().sum(), steps=16)
    assert abs(float(plain.abs().sum()) - 1) > 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_constant_outputs_change_nothing_and_are_counted(method):
    """A statement that no ablation moves, and one whose attention is 0 everywhere."""
    records = synthetic()
    dead = replace(
        records[0],
        features=torch.zeros_like(records[0].features),
        outputs=torch.full_like(records[0].outputs, -3.7),
        log_probabilities=torch.full_like(records[0].outputs, -3.72),
    )
    result = fit([*records, dead, dead], method=method, **FAST)
    assert bool(torch.isfinite(result.estimator.coefficients).all())
    assert cosine(result) > 0.95
    assert result.metrics.unmoved_statements == 6
    assert math.isfinite(result.metrics.fitted.pearson)
    no_attention = replace(records[1], features=torch.zeros_like(records[1].features))
    assert cosine(fit([*records, no_attention], method=method, **FAST)) > 0.95
    with pytest.raises(NumericalError, match="No ablation moved any of the 3 statements"), \
            pytest.warns(FitWarning):  # fmt: skip
        fit([dead], method=method)


def test_statements_that_hardly_move_are_counted_apart_and_can_be_left_out():
    records = synthetic()
    noise = torch.randn(40, 3, 16, generator=torch.Generator().manual_seed(5))
    idle = [
        replace(r, outputs=20 + 0.01 * n, log_probabilities=-0.01 + 0.001 * n)
        for r, n in zip(records, noise, strict=True)
    ]
    every = fit([*records, *idle], method="ridge")
    assert every.metrics.dependent_statements <= 120
    assert every.metrics.fitted_dependent.lds > every.metrics.fitted.lds + 0.2
    chosen = fit([*records, *idle], method="ridge", min_spread=math.log(2))
    assert cosine(chosen) > cosine(every)


@pytest.mark.parametrize("method", METHODS)
def test_a_single_example_is_measured_on_itself_and_says_so(method):
    with pytest.warns(FitWarning, match="No example of the 1 is held out"):
        result = fit(synthetic(1), method=method, **FAST)
    assert result.metrics.held_out_is_training
    assert (result.metrics.training_examples, result.metrics.held_out_examples) == (1, 1)
    assert result.metrics.fitted.lds_error is None
    json.dumps(result.estimator.metadata, allow_nan=False)


def test_two_examples_are_one_to_learn_from_and_one_to_measure_on():
    result = fit(synthetic(2), method="ridge", held_out=0.01)
    assert (result.metrics.training_examples, result.metrics.held_out_examples) == (1, 1)
    assert not result.metrics.held_out_is_training


def test_no_better_than_average_attention_is_said():
    uniform = torch.full((12,), 1.0)
    records = synthetic(6, coefficients=uniform, noise=0.05)
    rng = torch.Generator().manual_seed(0)
    noise = [replace(r, outputs=torch.randn(3, 16, generator=rng)) for r in synthetic(6, seed=1)]
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))[:6].tolist()
    mixed = [noise.pop() if i not in order else records.pop() for i in range(12)]
    with pytest.warns(NoBetterThanAverageWarning, match=r"LDS -?0\.\d+ against 0\.9\d+"):
        fit(mixed, held_out=0.5, **FAST)


def test_held_out_examples_are_not_learned_from():
    """Other outputs on the held-out examples leave the paper's coefficients as they are."""
    records = synthetic(10)
    held = torch.randperm(10, generator=torch.Generator().manual_seed(0))[:2].tolist()
    assert 1 <= len(held) < 10
    spoilt = [replace(r, outputs=-r.outputs) if i in held else r for i, r in enumerate(records)]
    first = fit(records, **FAST)
    with pytest.warns(NoBetterThanAverageWarning):
        second = fit(spoilt, **FAST)
    assert torch.equal(first.estimator.coefficients, second.estimator.coefficients)
    assert second.metrics.fitted.lds == pytest.approx(-first.metrics.fitted.lds)


def test_batches_hold_each_example_once_while_there_are_enough():
    example = torch.tensor([0, 0, 0, 2, 5, 5])
    place, counts = grouped(example)
    assert place.tolist() == [0, 0, 0, 1, 2, 2]
    assert counts.tolist() == [3, 1, 2]
    batches = Batches(example, DescentOptions(batch_size=3))
    drawn = torch.stack([batches.draw() for _ in range(200)])
    assert {tuple(sorted(row)) for row in place[drawn].tolist()} == {(0, 1, 2)}
    assert set(drawn.flatten().tolist()) == set(range(6))
    more = Batches(example, DescentOptions(batch_size=8)).draw()
    assert len(more) == 8


def test_metrics_average_over_examples_not_statements():
    records = synthetic(2)
    many = replace(
        records[0],
        features=records[0].features.repeat(9, 1, 1),
        outputs=records[0].outputs.repeat(9, 1),
        log_probabilities=records[0].log_probabilities.repeat(9, 1),
    )
    few, lots = Statements.of(records), Statements.of([many, records[1]])
    once, often = few.quality(few.features @ TRUE), lots.quality(lots.features @ TRUE)
    check_same(asdict(often), asdict(once))


@pytest.mark.parametrize("method", METHODS)
def test_metrics_and_provenance_are_saved_with_the_estimator(method, tmp_path):
    result = fit(synthetic(20), method=method, provenance={"seed": 3}, **FAST)
    result.estimator.save(tmp_path)
    loaded = ScoreEstimator.load(tmp_path, SHAPE)
    assert torch.equal(loaded.coefficients, result.estimator.coefficients)
    assert loaded.metadata["metrics"] == asdict(result.metrics)
    assert loaded.metadata["fit"]["method"] == method
    assert loaded.metadata["collected"] == {"seed": 3}


def test_unusable_arguments():
    records = synthetic(2)
    other = replace(records[1], shape=AttentionShape(4, 3))
    for given, options, message in [
        ([], {}, "There are no records to fit to"),
        ([records[0], other], {}, r"'e1' is of 4 layers of 3 heads.*'e0' of 3 layers of 4"),
        (records, {"method": "lasso"}, "method is 'lasso'; expected one of pearson, ridge"),
        (records, {"held_out": 1.0}, r"held_out is 1\.0; expected a share"),
        (records, {"steps": 0}, "steps is 0, batch_size 512"),
        (records, {"ridge_strengths": (0.0,)}, r"ridge_strengths is \(0\.0,\)"),
    ]:
        with pytest.raises(InputError, match=message):
            fit(given, **options)


def test_coefficients_that_all_become_zero_are_refused():
    against = synthetic(8, coefficients=-torch.ones(12), noise=0.0)
    with pytest.raises(NumericalError, match=r"All coefficients became 0.*without non_negative"):
        fit(against, method="ridge", non_negative=True)


# --- the heat map --------------------------------------------------------------------------


def test_the_heat_map_shows_the_coefficients(tmp_path):
    image = pytest.importorskip("matplotlib.image")
    coefficients = torch.zeros(2, 5)
    coefficients[1, 3], coefficients[0, 0] = 0.6, -0.4
    plot_coefficients(LinearEstimator(coefficients), tmp_path / "map.png", title="A model")
    pixels = torch.from_numpy(image.imread(tmp_path / "map.png"))[..., :3]
    red = (pixels - torch.tensor([103 / 255, 0, 31 / 255])).abs().sum(-1) < 0.02
    blue = (pixels[..., 2] > 0.6) & (pixels[..., 0] < 0.35)
    red_at, blue_at = red.nonzero().double(), blue.nonzero().double()
    # Below and to the right of the other; the colour bar has both, in one thin column.
    assert red_at[:, 0].median() > blue_at[:, 0].median()
    assert red_at[:, 1].median() > blue_at[:, 1].median()
    assert "matplotlib.pyplot" not in sys.modules


def test_pictures_that_cannot_be_written(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    estimator = LinearEstimator(torch.ones(2, 2))
    with pytest.raises(InputError, match=r"map\.txt cannot be written: Format 'txt' is not supp"):
        plot_coefficients(estimator, tmp_path / "map.txt")
    with pytest.raises(InputError, match=r"map\.png cannot be written: .*No such file"):
        plot_coefficients(estimator, tmp_path / "none" / "map.png")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "at2-rag\[plot\]"'):
        plot_coefficients(estimator, tmp_path / "map.png")
