"""Training by itself: estimators judged on held-out questions, and none kept that is no better."""

from dataclasses import replace

import pytest
import torch
from support.collecting import make_examples
from support.own_documents import asker_of, world_documents

from at2_rag import InputError, Passage, ScoreEstimator
from at2_rag.datasets.written import WrittenFiles
from at2_rag.estimators import LinearEstimator, ProbedEstimator
from at2_rag.evaluation import EvaluationData, linear_datamodeling_score, top_k_drop
from at2_rag.methods import AttentionMethod
from at2_rag.training import (
    AskOptions,
    AutoOptions,
    Candidate,
    Pace,
    collect,
    fit_from,
    judge,
    load_collected,
    train_auto,
    work_folder,
    world_examples,
)
from at2_rag.training.auto import chosen, sides_of
from at2_rag.training.solvers import RIDGE_STRENGTHS

OPTIONS = AutoOptions(
    None, 15, num_ablations=8, asking=AskOptions(num_passages=3, max_new_tokens=24)
)
PASSAGES, QUESTIONS = world_documents(8, passages=4)


@pytest.fixture(scope="module")
def trained(demo_reader, tmp_path_factory):
    work = tmp_path_factory.mktemp("work")
    return work, train_auto(demo_reader, PASSAGES, work, OPTIONS, writer=asker_of(QUESTIONS))


@pytest.fixture(scope="module")
def records(demo_reader, tmp_path_factory):
    """Records with detail, of the demo reader's own answers."""
    out = tmp_path_factory.mktemp("records")
    collect(demo_reader, EXAMPLES, out, num_ablations=8, source_unit="sentence", detail=True)
    return load_collected(out).records


EXAMPLES = world_examples(11, 6, num_passages=(3, 4))


def test_the_sides_share_no_document(trained):
    work, _ = trained
    paths = [
        {
            passage.metadata["path"]
            for written in WrittenFiles(work / side).read().values()
            for passage in written.passages
        }
        for side in ("training", "held-out")
    ]
    assert all(paths)
    assert paths[0].isdisjoint(paths[1])


def test_the_winner_is_no_worse_than_probed_on_held_out_questions(trained):
    _, found = trained
    winner, probed = found.judged[found.winner], found.judged["probed"]
    assert winner.mean_lds.mean >= probed.mean_lds.mean
    assert winner.mean_drop.mean >= probed.mean_drop.mean
    assert (found.estimator is None) == (found.winner == "probed") == bool(found.kept_because)
    assert {"probed", "average attention", "ridge", "from probed, copying"} <= set(found.judged)


def test_going_on_asks_nothing_again_and_comes_to_the_same(trained, demo_reader):
    work, first = trained
    steps = []
    second = train_auto(
        demo_reader, PASSAGES, work, OPTIONS, writer=asker_of(QUESTIONS), progress=steps.append
    )
    assert all(step.resumed for step in steps)
    assert second.winner == first.winner
    assert second.collected.kept == first.collected.kept
    for name, judged in first.judged.items():
        assert torch.equal(judged.lds, second.judged[name].lds)


def test_too_few_questions_keep_probed_heads(demo_reader, tmp_path):
    options = replace(OPTIONS, examples=3)
    found = train_auto(demo_reader, PASSAGES, tmp_path, options, writer=asker_of(QUESTIONS))
    assert (found.winner, found.estimator, found.judged) == ("probed", None, {})
    assert "at least 5 of each" in found.kept_because


def test_what_cannot_be_learned_is_left_out(trained, demo_reader):
    work, _ = trained
    closed = Candidate("closed", lambda learning: None)
    found = train_auto(
        demo_reader, PASSAGES, work, OPTIONS, candidates=[closed], writer=asker_of(QUESTIONS)
    )
    assert set(found.judged) == {"average attention", "probed"}


def test_judging_needs_no_pass_and_agrees_with_what_passes_tell(records, demo_reader):
    estimators = {
        "average": ScoreEstimator.uniform(demo_reader.model),
        "own": demo_reader.estimator,
    }
    found = judge(estimators, records)
    by_id = {record.id: record for record in records}
    wanted = {name: ([], []) for name in estimators}
    for example in EXAMPLES:
        record = by_id[example.id]
        task = demo_reader.task(example.question, example.passages, record.answer)
        data = EvaluationData(record.masks, record.log_probabilities, record.detail.whole)
        for name, estimator in estimators.items():
            scores = AttentionMethod(estimator).scores(task)
            depends = data.spread >= 0.6931
            wanted[name][0].append(linear_datamodeling_score(scores, data)[depends])
            wanted[name][1].append(top_k_drop(task, scores, 1)[depends])
    for name, (lds, drops) in wanted.items():
        assert torch.allclose(found[name].lds, torch.cat(lds).double(), atol=1e-3)
        assert torch.allclose(found[name].drop.double(), torch.cat(drops).double(), atol=1e-3)


def test_the_best_is_taken_and_calibrated(records, demo_reader, trained):
    """The demo reader's own network was learned from far more than these."""
    probed = ScoreEstimator.uniform(demo_reader.model)
    given = {"probed": probed, "own": replace(demo_reader.estimator, calibrations=())}
    found = chosen(given, records, trained[1].collected)
    assert found.winner == "own"
    assert found.estimator.calibration("sentence") is not None
    about = found.estimator.metadata["auto"]
    assert about["chosen"] == "own"
    assert about["held_out"]["probed"]["lds"]["mean"] == found.judged["probed"].mean_lds.mean


def test_judging_needs_detail(demo_reader, tmp_path):
    collect(demo_reader, make_examples(2), tmp_path, num_ablations=4, source_unit="sentence")
    with pytest.raises(InputError, match="has no detail"):
        judge({"probed": demo_reader.estimator}, load_collected(tmp_path).records)


def some_prior(records):
    shape = records[0].shape
    generator = torch.Generator().manual_seed(0)
    return LinearEstimator(torch.rand(shape.layers, shape.heads, generator=generator))


def test_a_strong_ridge_leaves_the_prior_as_it_is(records):
    prior = some_prior(records)
    found = fit_from(prior, records, strengths=[1e9])
    expected = prior.coefficients / prior.coefficients.abs().sum()
    assert torch.allclose(found.coefficients, expected, atol=1e-5)
    assert found.copying is None


def test_probed_heads_are_a_prior_with_their_factor_for_equal_tokens(records):
    prior = some_prior(records)
    probed = ProbedEstimator(prior.coefficients, equal_tokens=3.0)
    found = fit_from(probed, records, strengths=[1e9])
    old, new = judge({"old": probed, "new": found}, records).values()
    assert torch.allclose(old.lds, new.lds, atol=1e-3)
    assert torch.allclose(found.copying, 3 * found.coefficients, atol=1e-5)


def test_from_a_prior_copying_is_learned_where_it_is_wanted(records):
    prior = some_prior(records)
    found = fit_from(prior, records, copying=True, strengths=RIDGE_STRENGTHS)
    assert found.copying.shape == prior.coefficients.shape
    again = fit_from(found, records)
    assert again.copying is not None


def test_the_estimate_is_made_of_timed_passes(demo_reader, tmp_path):
    sides = sides_of(demo_reader, PASSAGES, tmp_path, OPTIONS)
    pace = Pace.measured(sides[0])
    assert pace.pass_seconds > 0
    learned, measured = (pace.seconds_per_question(side) for side in sides)
    assert measured > learned > pace.pass_seconds  # each source alone is left out as well


def test_other_documents_and_options_have_another_folder(demo_reader):
    place = work_folder(demo_reader, PASSAGES, OPTIONS)
    assert place == work_folder(demo_reader, PASSAGES, replace(OPTIONS, minutes=3, examples=None))
    assert place != work_folder(demo_reader, PASSAGES[1:], OPTIONS)
    assert place != work_folder(demo_reader, PASSAGES, replace(OPTIONS, seed=1))
    assert place != work_folder(demo_reader, [Passage("x"), *PASSAGES[1:]], OPTIONS)
