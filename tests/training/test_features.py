"""Features and outputs against the published numbers, and correlations against known ones."""

import math

import pytest
import torch
from support.comparing import check_close
from support.golden import load_golden

from at2_rag import InputError, NumericalError, ScoreEstimator
from at2_rag.ablation.effects import AblationEffects
from at2_rag.ablation.masking import Ablator
from at2_rag.ablation.task import AttributionTask
from at2_rag.attention.recording import capture_of
from at2_rag.evaluation.statistics import is_constant, mean_and_error, ranks
from at2_rag.training import ablation_data, head_features, pearson, signed_features, spearman


def as_task(golden, case):
    """A golden case with its own ranges, as a task."""
    return AttributionTask(
        golden.model,
        tuple(case["input_ids"]),
        case["target_token_range"][0],
        tuple(map(tuple, case["source_token_ranges"])),
        tuple(map(tuple, case["target_sentence_token_ranges"])),
        answer=None,
    )


def test_features_outputs_and_losses_agree_with_the_published_implementation(golden):
    cases = [case for case in golden.cases if "training_features" in case]
    assert len(cases) >= 2
    estimator = ScoreEstimator.load(golden.folder / "score_estimator.pt")
    for case in cases:
        data = ablation_data(
            as_task(golden, case), torch.tensor(case["ablation_masks"]), capture_of(golden.model)
        )
        # The published ones were stored in half precision: eleven bits.
        expected = torch.tensor(case["training_features"])
        torch.testing.assert_close(data.features, expected, rtol=2**-11, atol=1e-5)
        expected = torch.tensor(case["training_outputs"])
        check_close(data.outputs, expected)
        # And the losses were computed from those.
        losses = -pearson(data.features @ estimator.coefficients.flatten(), data.outputs)
        torch.testing.assert_close(losses, torch.tensor(case["pearson_losses"]), rtol=0, atol=2e-3)
        odds = torch.exp(data.outputs.double())
        check_close(data.log_probabilities.double(), torch.log(odds / (1 + odds)))


def test_losses_agree_tightly_on_the_published_features(golden):
    """Half precision apart, the loss is the published one."""
    estimator = ScoreEstimator.load(golden.folder / "score_estimator.pt")
    for case in golden.cases:
        if "training_features" in case:
            predictions = torch.tensor(case["training_features"]) @ estimator.coefficients.flatten()
            losses = -pearson(predictions, torch.tensor(case["training_outputs"]))
            expected = torch.tensor(case["pearson_losses"])
            torch.testing.assert_close(losses, expected, rtol=0, atol=2e-4)


def test_head_features_are_the_scores_before_coefficients(golden):
    case = next(c for c in golden.cases if c["source_type"] == "token")
    estimator = ScoreEstimator.load(golden.folder / "score_estimator.pt")
    attention = head_features(as_task(golden, case), capture_of(golden.model))
    scores = torch.einsum("lhts,lh->ts", attention, estimator.coefficients)
    torch.testing.assert_close(scores, torch.tensor(case["scores_by_sentence"]), rtol=0, atol=1e-5)


def test_signed_features_are_layer_major_sums_of_plus_and_minus():
    attention = torch.zeros(2, 2, 1, 3)
    attention[1, 0, 0] = torch.tensor([1.0, 10.0, 100.0])
    features = signed_features(attention, torch.tensor([[1, 0, 1], [0, 0, 0]]))
    assert features.tolist() == [[[0, 0, 91, 0], [0, 0, -111, 0]]]
    with pytest.raises(InputError, match=r"masks have the shape \(1, 2\); expected \(ablations, 3"):
        signed_features(attention, torch.ones(1, 2))


def test_certain_statements_are_refused_not_stored_as_infinite(golden_llama, monkeypatch):
    case = golden_llama.cases[0]
    certain = AblationEffects(torch.full((8, 96), 800.0).double())
    monkeypatch.setattr(Ablator, "ablate", lambda self, masks: certain)
    with pytest.raises(NumericalError, match="logit became infinite"):
        ablation_data(
            as_task(golden_llama, case),
            torch.tensor(case["ablation_masks"]),
            capture_of(golden_llama.model),
        )


def test_nan_attention_is_refused():
    golden = load_golden("llama")
    capture = capture_of(golden.model)
    with torch.no_grad():
        golden.model.model.layers[0].self_attn.q_proj.weight.fill_(math.nan)
    with pytest.raises(NumericalError, match="attention became NaN"):
        head_features(as_task(golden, golden.cases[0]), capture)


def test_correlations_of_known_numbers():
    a, b = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([1.0, 3.0, 2.0, 100.0])
    check_close(pearson(a, b), 148 / math.sqrt(5 * 7205), steps=16)
    check_close(spearman(a, b), 0.8, steps=16)
    check_close(pearson(a, -5 * a + 7), -1, steps=16)
    assert ranks(torch.tensor([5.0, 1.0, 5.0, 0.0])).tolist() == [3.5, 2, 3.5, 1]


@pytest.mark.parametrize("size", [1e-30, 1e-21, 1e-12, 1e12, 1e30])
def test_correlations_do_not_know_how_large_numbers_are(size):
    """Squares of the smallest and the largest of these are no numbers of float32."""
    a, b = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([1.0, 3.0, 2.0, 100.0])
    check_close(pearson(size * a, b), pearson(a, b), steps=16)
    check_close(pearson(a, size * b), pearson(a, b), steps=16)
    assert bool(is_constant(size * torch.tensor([3.0, 3.0, 3.0])))


def test_constants_correlate_with_nothing_and_give_no_nan():
    predictions = torch.tensor([[1.0, 2.0, 4.0], [3.0, 3.0, 3.0]], requires_grad=True)
    outputs = torch.tensor([[-20.1, -20.1, -20.1], [1.0, 2.0, 0.0]])
    correlations = pearson(predictions, outputs)
    correlations.sum().backward()
    assert correlations.tolist() == [0, 0]
    assert predictions.grad.abs().max() == 0
    noise = -20.1 + torch.tensor([1.0, -1.0, 1.0]) * 1e-6
    assert bool(is_constant(noise))
    assert not bool(is_constant(noise + torch.tensor([0, 1e-3, 0])))
    assert mean_and_error(torch.tensor([2.0])) == (2.0, None)
    mean, error = mean_and_error(torch.tensor([1.0, 3.0]))
    assert (mean, error) == (2.0, pytest.approx(1.0))
