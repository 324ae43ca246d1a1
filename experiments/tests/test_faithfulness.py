"""Faithfulness on questions whose evidence is known: what is measured, and what must hold of it."""

import math
from dataclasses import replace

import pytest
import torch
from at2_rag.errors import InputError
from at2_rag.evaluation.metrics import EvaluationData, linear_datamodeling_score
from at2_rag.methods import AttentionMethod, LeaveOneOutMethod, SurrogateMethod
from support.rounding import close
from support.runs import records_of, results_of, table_of

from at2_rag_experiments import run_experiment
from at2_rag_experiments.faithfulness.effects import effects_of
from at2_rag_experiments.faithfulness.experiment import Faithfulness, FaithfulnessConfig
from at2_rag_experiments.faithfulness.results import LEAVE_ONE_OUT, PROVED, summarize
from at2_rag_experiments.faithfulness.scored import method_scores
from at2_rag_experiments.shown_questions import ShownQuestionsConfig

METHODS = ("average-attention", "equal-tokens", "at2", "esm-8", "bm25", "bm25-with-question")


def small(**told):
    return Faithfulness(
        FaithfulnessConfig(
            **{"examples": 3, "passages": 4, "ablations": 8, "methods": METHODS, **told}
        )
    )


@pytest.fixture(scope="module")
def run(demo_reader, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    run_experiment(small(), demo_reader, folder)
    return folder


@pytest.fixture(scope="module")
def records(run):
    return records_of(run)


@pytest.fixture(scope="module")
def found(records):
    return summarize(records)


@pytest.fixture(scope="module")
def task(demo_reader):
    item = small().items()[0]
    passages = [item.passages[index] for index in small().config.shown(item)]
    return demo_reader.task(item.question, passages, max_new_tokens=64)


def by_name(found):
    return {one.name: one for one in found.methods}


def test_the_run_leaves_results_tables_and_a_figure(run):
    assert results_of(run)["experiment"] == "faithfulness"
    assert (run / "figure.png").stat().st_size > 10_000
    for title in ("Scores", "Citations", "Supported"):
        assert title in table_of(run)
    assert "network, proved" in table_of(run)  # the reader's own goes by its kind


def test_no_cell_of_a_table_in_a_file_is_cut(run):
    assert "first: prompt's first" in table_of(run)
    assert "…" not in table_of(run)


def test_attention_read_in_one_pass_is_what_each_method_sees_alone(demo_reader, task):
    together = method_scores(demo_reader, task, METHODS, seed=0)
    assert list(together) == list(METHODS)
    for name, estimator in (("average-attention", None), ("at2", demo_reader.estimator)):
        alone = AttentionMethod(estimator).scores(task).flatten().tolist()
        assert together[name].scores.flatten().tolist() == close(alone)


def test_a_surrogate_is_fitted_to_the_first_of_the_ablations_of_the_largest(demo_reader, task):
    both = method_scores(demo_reader, task, ("esm-8", "esm-16"), seed=0)
    alone = SurrogateMethod(16, seed=0).scores(task)
    numbers = alone.flatten().tolist()
    assert both["esm-16"].scores.flatten().tolist() == close(numbers)
    assert both["esm-8"].passes == 8
    assert both["esm-8"].scores.flatten().tolist() != close(numbers)


def test_effects_are_those_of_leaving_out(demo_reader, task):
    scored = method_scores(demo_reader, task, ("at2",), seed=0)
    found = effects_of(task, scored, 8, seed=0)
    expected = LeaveOneOutMethod().scores(task).flatten().tolist()
    # Falls are differences of log-probabilities, which are what rounds.
    scale = float(found.random.log_probabilities.abs().max())
    assert found.alone.flatten().tolist() == close(expected, scale)
    data = EvaluationData.collect(task, 8, 0)
    assert torch.equal(found.random.masks, data.masks)
    # The three first sources of leave-one-out do at least about what the first alone does.
    assert bool((found.top["leave-one-out"] >= found.alone.amax(dim=1) - 1.0).all())


def test_records_give_the_correlations_that_methods_have(demo_reader, task, records, found):
    scores = torch.tensor(records[0]["methods"]["at2"]["scores"])
    data = EvaluationData.collect(task, 8, 0)
    expected = linear_datamodeling_score(scores, data)
    (first,) = (one for one in by_name(summarize(records[:1])).values() if one.name == "at2")
    assert first.lds.mean == pytest.approx(float(expected.mean()), abs=1e-6)
    assert found.questions == 3
    assert found.left_out == 0


def test_what_is_proved_and_what_is_left_out_is_right_by_definition(found):
    methods = by_name(found)
    assert methods[LEAVE_ONE_OUT].precision.mean == 1.0
    assert methods[PROVED].precision.mean == 1.0
    assert methods[LEAVE_ONE_OUT].recall.mean >= methods[PROVED].recall.mean
    assert methods[LEAVE_ONE_OUT].first_is_largest.mean == 1.0
    assert methods[LEAVE_ONE_OUT].share_of_largest.mean == 1.0


def test_the_demo_reader_is_measured_to_be_far_better_than_average_attention(found):
    methods = by_name(found)
    assert methods["at2"].lds_dependent.mean > methods["average-attention"].lds_dependent.mean
    assert methods["at2"].first_is_largest.mean >= 0.5
    assert methods["at2"].cited_in_gold.mean >= 0.5
    assert found.support.right.mean >= 0.5


def test_given_answers_need_no_ablation(demo_reader, tmp_path):
    told = small(answers="data", ablations=0, methods=("average-attention", "at2"))
    run_experiment(told, demo_reader, tmp_path)
    records = records_of(tmp_path)
    assert [record["text"] for record in records] == [item.answer for item in told.items()]
    found = summarize(records)
    assert [one.name for one in found.methods] == ["average-attention", "at2"]
    assert found.support is None
    assert math.isnan(found.methods[0].lds.mean or math.nan)
    assert found.methods[0].first_in_gold.count == found.statements


def test_passages_with_evidence_are_kept_first_in_their_order():
    told = ShownQuestionsConfig(first=1, examples=1, passages=3)
    item = told.questions()[0]
    kept = told.shown(item)
    assert len(kept) == 3
    assert set(item.supporting) <= set(kept)
    assert kept == sorted(kept)
    assert replace(told, passages=0).shown(item) == list(range(len(item.passages)))


def test_questions_that_are_passed_over_are_those_before():
    behind = ShownQuestionsConfig(first=2, examples=2).questions()
    assert behind == ShownQuestionsConfig(examples=4).questions()[2:]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"answers": "mine"}, "answers is 'mine'; expected one of model, data"),
        ({"first": -1}, "first is -1"),
        ({"ablations": -1}, "ablations is -1"),
    ],
)
def test_what_it_cannot_be_told_is_said(told, expected):
    with pytest.raises(InputError, match=expected):
        small(**told)


def test_nothing_measured_is_nothing_found():
    assert summarize([{"too_long_by": 3}, {"text": ""}]) is None
    with pytest.raises(InputError, match="None of the 1 questions"):
        small().report([{"too_long_by": 3}])
