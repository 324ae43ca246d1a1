"""Scores by a gradient, in the place of those of the estimator."""

from dataclasses import replace
from itertools import islice

import pytest
import torch
from support.comparing import check_close, check_same

from at2_rag import InputError, Reader, ScoreEstimator, UnsupportedModelError
from at2_rag.methods import KnockoutGradientMethod, LeaveOneOutMethod
from at2_rag.worlds import generate_examples

#: What is cited has so many nats, whatever the model.
LEAST = 4.0


@pytest.fixture(scope="module")
def asked():
    """Three questions about worlds, each with its passages."""
    worlds = islice(generate_examples(11, 4, 2), 3)
    return [(world.question, world.passages) for world in worlds]


@pytest.fixture(scope="module")
def answers(demo_reader, asked):
    return [demo_reader.answer(*each, score_by="gradient") for each in asked]


def test_scores_are_those_of_the_method_and_thresholds_are_in_nats(demo_reader, asked, answers):
    cited = 0
    for (question, passages), answer in zip(asked, answers, strict=True):
        assert answer.estimator == "knockout-gradient"
        assert answer.settings.score_by == "gradient"
        task = demo_reader.task(question, passages, answer.text)
        expected = KnockoutGradientMethod().scores(task)
        for statement, row in zip(answer.statements, expected, strict=True):
            scores = answer.attribution.for_span(statement.start, statement.end)
            check_close(scores, row, scale=float(expected.abs().max()))
            strong = [i for i in row.argsort(descending=True).tolist() if row[i] >= LEAST]
            places = [answer.attribution.sources[i].place for i in strong[:3]]
            assert [citation.place for citation in statement.citations] == places
            cited += len(places)
    assert cited


def test_a_reader_with_the_method_cites_the_same(demo_reader, asked, answers):
    reader = demo_reader.with_options(method="knockout-gradient")
    for each, answer in zip(asked, answers, strict=True):
        found = reader.answer(*each)
        for own, other in zip(found.statements, answer.statements, strict=True):
            assert [c.place for c in own.citations] == [c.place for c in other.citations]
            check_close([c.score for c in own.citations], [c.score for c in other.citations])


def test_verdicts_are_the_estimators_where_it_is_calibrated(demo_reader, asked, answers):
    for each, answer in zip(asked, answers, strict=True):
        by_attention = demo_reader.answer(*each)
        verdicts = [statement.supported for statement in by_attention.statements]
        assert [statement.supported for statement in answer.statements] == verdicts
        assert True in verdicts
    plain = demo_reader.with_options(estimator=ScoreEstimator.uniform(demo_reader.model))
    found = plain.attribute(*asked[0], answers[0].text, score_by="gradient")
    for statement in found.statements:
        scores = found.attribution.for_span(statement.start, statement.end)
        assert statement.supported == bool(scores.max() >= LEAST)


def test_batched_given_and_streamed_are_the_same(demo_reader, asked, answers):
    batch = demo_reader.answer_batch(asked, score_by="gradient")
    for each, one, other in zip(asked, answers, batch, strict=True):
        # A batch rounds otherwise, and a gradient carries that through every layer.
        check_same(other.to_dict(), one.to_dict(), steps=4096)
        given = demo_reader.attribute(*each, one.text, score_by="gradient")
        check_same(given.to_dict()["statements"], one.to_dict()["statements"], steps=4096)
    *_, done = demo_reader.stream(*asked[0], score_by="gradient")
    check_same(done.to_dict(), answers[0].to_dict(), steps=4096)


def test_a_draft_is_scored_so_too_and_pruned_by_it(demo_reader, asked, answers):
    by = {"score_by": "gradient"}
    for each, whole in zip(asked, answers, strict=True):
        used = sorted(index for index, _ in whole.used_passages[:2])
        answer = demo_reader.answer(*each, prune_to=2, **by)
        check_same(answer.draft.to_dict(), whole.to_dict(), steps=4096)
        pruned = demo_reader.prune(*each, top_k=2, **by)
        assert list(answer.kept) == list(pruned.kept) == used
        assert pruned.draft.estimator == "knockout-gradient"
    batch = demo_reader.answer_batch(asked, prune_to=2, **by)
    assert {answer.draft.estimator for answer in batch} == {"knockout-gradient"}


def test_what_it_finds_can_be_proven(demo_reader, asked):
    answer = demo_reader.answer(*asked[0], score_by="gradient", prove=3)
    assert answer.estimator == "knockout-gradient"
    assert all(c.effect is not None for c in answer.citations if c.kind != "thought")


def test_a_method_of_the_readers_own_goes_before_it(demo_reader, asked):
    reader = demo_reader.with_options(method=LeaveOneOutMethod())
    question, passages = asked[0]
    answer = reader.attribute(question, passages, "It is so.", score_by="gradient")
    assert answer.estimator == "leave-one-out"


def test_thresholds_are_for_sentences_and_passages(demo_reader, asked):
    question, passages = asked[0]
    method = KnockoutGradientMethod()
    assert method.calibration("passage").unit == "passage"
    assert method.calibration("word") is None
    text = demo_reader.answer(question, passages).text
    whole = demo_reader.attribute(
        question, passages, text, score_by="gradient", source_unit="passage"
    )
    words = demo_reader.attribute(question, passages, text, score_by="gradient", source_unit="word")
    assert any(statement.supported for statement in whole.statements)
    assert all(statement.supported is None for statement in words.statements)


def test_what_cannot_be_had_is_refused(golden_llama):
    with pytest.raises(InputError, match="score_by is 'gradients'; expected"):
        Reader(golden_llama.model, golden_llama.tokenizer, "average", score_by="gradients")


def test_a_model_that_takes_no_such_mask_is_refused(demo_reader, asked, monkeypatch):
    monkeypatch.setattr("at2_rag.ablation.fading.can_fade", lambda model: False)
    with pytest.raises(UnsupportedModelError, match=r"cannot fade with .* Use another method"):
        demo_reader.answer(*asked[0], score_by="gradient")


def test_weights_get_no_gradient(demo_reader, asked):
    demo_reader.answer(*asked[0], score_by="gradient")
    assert all(weight.grad is None for weight in demo_reader.model.parameters())
    with torch.inference_mode():
        demo_reader.answer(*asked[0], score_by="gradient")


def test_without_statements_or_sources_there_is_nothing_to_score(demo_reader, asked):
    task = demo_reader.task(*asked[0], "It is so.")
    method = KnockoutGradientMethod()
    assert method.scores(replace(task, targets=())).shape == (0, len(task.sources))
    assert method.scores(replace(task, sources=())).shape == (len(task.targets), 0)
    assert method.forward_passes(replace(task, targets=())) == 1.0


def test_it_is_said_what_cites(demo_reader):
    by_gradient = demo_reader.with_options(score_by="gradient")
    assert "scored by knockout-gradient" in repr(by_gradient)
    assert by_gradient.method_for(by_gradient.settings).name == "knockout-gradient"
    assert demo_reader.method_for(demo_reader.settings) is None
    own = by_gradient.with_options(method=LeaveOneOutMethod())
    assert own.method_for(own.settings) is own.method
    assert "scored by network estimator" in repr(demo_reader)
