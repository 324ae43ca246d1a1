"""Thresholds from ablations: chosen, judged, stored and used."""

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from at2_rag import InputError, LinearEstimator, Reader, ScoreEstimator
from at2_rag.attention.probe import AttentionShape
from at2_rag.estimators import Calibration, Reliability
from at2_rag.model.loading import load_demo_estimator
from at2_rag.training import SourceDetail, TrainingRecord, calibrate


def record(index, effects, attention, earlier=0.0):
    """Two statements of two tokens each, about len(effects) sources; one head."""
    sources = len(effects)
    seen = torch.zeros(2, 1, 4, sources + 2)
    seen[0, 0, :2, :sources] = torch.tensor(attention) / 2
    seen[0, 0, 2:, sources] = earlier / 2
    whole = torch.tensor([-1.0, -1.0])
    alone = torch.stack([whole[0] - torch.tensor(effects), torch.full((sources,), -1.0)])
    detail = SourceDetail(
        seen,
        tuple(range(sources)),
        ((0, 2), (2, 4)),
        whole,
        torch.tensor([-1.0 - sum(effects), -1.0]),
        alone,
        torch.tensor([[-1.0, -1.0], [-1.0 - 9.0 * bool(earlier), -1.0]]),
    )
    masks = torch.ones(3, sources, dtype=torch.bool)
    empty = torch.zeros(2, 3, 1)
    return TrainingRecord(
        f"e{index}",
        "f",
        "A. B.",
        AttentionShape(1, 1),
        masks,
        empty,
        *empty.movedim(2, 0).repeat(2, 1, 1),
        detail,
    )


PLAIN = LinearEstimator(torch.ones(1, 1))


def test_a_clear_case_is_divided_exactly():
    """Scores of 0.8 are real and those of 0.2 are not, so the threshold lies between."""
    records = [record(i, [3.0, 0.1], [0.8, 0.2], earlier=0.6) for i in range(10)]
    found = calibrate(PLAIN, records, "sentence")
    assert found.unit == "sentence"
    assert 0.2 < found.citations.threshold < 0.8
    assert (found.citations.precision, found.citations.recall) == (1.0, 1.0)
    assert (found.supported.precision, found.supported.recall) == (1.0, 1.0)
    assert found.earlier is not None
    assert 0 < found.earlier.threshold <= 0.6001
    assert found.prompts == ()
    told = calibrate(
        PLAIN, [replace(r, prompt="{passages}{question}") for r in records], "sentence"
    )
    assert told == replace(found, prompts=("{passages}{question}",))
    assert Calibration.from_dict(json.loads(json.dumps(told.to_dict()))) == told
    assert (found.citations.count, found.supported.count, found.earlier.count) == (40, 20, 10)


def test_precision_and_recall_are_those_of_thresholds_that_other_folds_gave():
    """Scores that say nothing have the precision of chance, not that of the best guess."""
    generator = torch.Generator().manual_seed(0)
    records = [
        record(
            i,
            (4 * torch.rand(6, generator=generator)).tolist(),
            torch.rand(6, generator=generator).tolist(),
        )
        for i in range(60)
    ]
    found = calibrate(PLAIN, records, "sentence")
    share = torch.stack([-1 - r.detail.alone[0] for r in records]).ge(0.6931).float().mean() / 2
    assert found.citations.precision == pytest.approx(float(2 * share), abs=0.1)


def test_one_example_cannot_be_judged_by_another():
    found = calibrate(PLAIN, [record(0, [3.0, 0.1], [0.8, 0.2])], "sentence")
    assert found.citations == Reliability(found.citations.threshold, None, None, 0)
    assert found.earlier is None


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([replace(record(0, [3.0], [0.8]), detail=None)], "None of the 1 records has detail"),
        ([record(0, [0.1, 0.0], [0.8, 0.2])], "In none of the 1 records"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(records, message):
    with pytest.raises(InputError, match=message):
        calibrate(PLAIN, records, "sentence")


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30))
def test_no_other_threshold_has_a_higher_f1(pairs):
    """For support; each record has a second statement, of score 0, that nothing supports."""
    assume(any(truth for _, truth in pairs))
    records = [record(i, [9.0 * truth], [float(score)]) for i, (score, truth) in enumerate(pairs)]
    pairs = [*pairs, *[(0, False)] * len(pairs)]
    scores = torch.tensor([float(score) for score, _ in pairs])
    real = torch.tensor([truth for _, truth in pairs])

    def f1(threshold):
        said = scores >= threshold
        return 2 * int((said & real).sum()) / max(int(said.sum() + real.sum()), 1)

    best = calibrate(PLAIN, records, "sentence").supported.threshold
    assert f1(best) == max(
        f1(threshold) for threshold in [*scores.tolist(), 99.0] if threshold < 99
    )


def test_calibrations_are_saved_and_one_per_unit_is_kept(tmp_path):
    yes = Reliability(0.5, 0.9, 0.8, 10)
    for unit, threshold in (("sentence", 0.5), ("passage", 0.7), ("sentence", 0.6)):
        calibration = Calibration(unit, 0.69, replace(yes, threshold=threshold), yes, None)
        PLAIN.calibrated(calibration).save(tmp_path)
        loaded = ScoreEstimator.load(tmp_path)
        assert loaded.calibration(unit) == calibration
        assert loaded.calibration("word") is None
    twice = PLAIN.calibrated(calibration).calibrated(replace(calibration, effect=1.0))
    assert [c.effect for c in twice.calibrations] == [1.0]


def test_uniform_estimators_know_nothing_of_support(golden_llama):
    uniform = ScoreEstimator.uniform(golden_llama.model)
    reader = Reader(golden_llama.model, golden_llama.tokenizer, uniform)
    answer = reader.attribute("Who?", ["Ada built it."], "Ada did. She built it.")
    assert [s.supported for s in answer.statements] == [None, None]
    assert all(c.via is None for s in answer.statements for c in s.citations)


def test_the_demo_estimators_thresholds_hold_what_they_promise():
    for unit in ("sentence", "passage"):
        calibration = load_demo_estimator().calibration(unit)
        assert calibration is not None
        assert calibration.citations.precision > 0.7
        assert calibration.supported.precision > 0.8
