"""Parity with the published implementation's own numbers (see tests/golden/README.md)."""

import pytest
import torch

from at2_rag import (
    MULTI_PASSAGE,
    AttentionShape,
    EstimatorMismatchError,
    Reader,
    ScoreEstimator,
    Settings,
)
from at2_rag.attention.folds import HeadFold, sum_ranges
from at2_rag.attention.recording import capture_of
from at2_rag.model.recorded_model import RecordedModel

TOLERANCE = 1e-5


def token_table(golden, case):
    estimator = ScoreEstimator.load(golden.folder / "score_estimator.pt")
    ids, (start, end) = case["input_ids"], case["target_token_range"]
    recorded = RecordedModel(golden.model)
    return recorded.read(ids[:start], ids[start:end], estimator.weightings).tables[0]


def test_scores_from_the_given_ranges_agree(golden):
    for case in golden.cases:
        scores = sum_ranges(token_table(golden, case), case["source_token_ranges"]).T
        agree_per_token(scores, case)
        torch.testing.assert_close(
            scores.mean(1), torch.tensor(case["scores_whole"]), rtol=0, atol=TOLERANCE
        )
        ranges = case["target_sentence_token_ranges"]
        for (start, end), expected in zip(ranges, case["scores_by_sentence"], strict=True):
            torch.testing.assert_close(
                scores[:, start:end].mean(1), torch.tensor(expected), rtol=0, atol=TOLERANCE
            )


def agree_per_token(scores, case):
    """Compare all numbers where they were kept, which is for sentences."""
    assert ("scores_per_token" in case) == (case["source_type"] == "sentence")
    if "scores_per_token" in case:
        expected = torch.tensor(case["scores_per_token"])
        torch.testing.assert_close(scores, expected, rtol=0, atol=TOLERANCE)


UNITS = {"sentence": "sentence", "token": "token", "document": "passage"}


def test_the_reader_agrees_from_text_to_scores(golden):
    """Prompt, tokens, sources, sentences and scores are all found by the reader itself."""
    estimator = ScoreEstimator.load(golden.folder / "score_estimator.pt")
    reader = Reader(golden.model, golden.tokenizer, estimator, prompt=MULTI_PASSAGE)
    for case in golden.cases:
        answer = reader.attribute(
            case["query"], case["passages"], case["answer"], source_unit=UNITS[case["source_type"]]
        )
        attribution = answer.attribution
        assert answer.prompt_tokens == case["target_token_range"][0]
        sources = [source.text.strip() for source in attribution.sources]
        assert sources == [text.strip() for text in case["sources"]]
        assert [s.passage_index for s in attribution.sources] == case["source_to_passage"]
        agree_per_token(attribution.scores, case)
        for statement, expected in zip(answer.statements, case["scores_by_sentence"], strict=True):
            scores = attribution.for_span(statement.start, statement.end)
            torch.testing.assert_close(scores, torch.tensor(expected), rtol=0, atol=TOLERANCE)


def test_input_ids_are_those_of_prompt_and_answer_as_one_text(golden):
    from at2_rag.documents.passages import as_passages
    from at2_rag.prompt.maker import PromptMaker
    from at2_rag.prompt.request import Request

    for case in golden.cases:
        passages = as_passages(case["passages"])
        request = Request(case["query"], passages, settings=Settings(prompt=MULTI_PASSAGE))
        maker = PromptMaker.of(golden.tokenizer, request)
        prompt = maker.make(range(len(passages)), lambda _, answer=case["answer"]: answer)
        assert prompt.text[: prompt.prompt_length] == case["input_text"]
        assert list(prompt.ids) == case["input_ids"]


def test_published_file_for_another_model_is_refused(golden_llama):
    with pytest.raises(EstimatorMismatchError, match=r"3 layers of 4 heads.*2 layers of 6 heads"):
        ScoreEstimator.load(golden_llama.folder, AttentionShape(2, 6))


def test_training_features_agree(golden):
    """Per statement and ablation, the sum over sources of ±1 times attention, per head."""
    cases = [case for case in golden.cases if "training_features" in case]
    assert cases
    for case in cases:
        start, end = case["target_token_range"]
        fold = HeadFold(
            3, 4, case["source_token_ranges"], case["target_sentence_token_ranges"], start - 1
        )
        capture = capture_of(golden.model)
        with torch.no_grad(), capture.recording(golden.model, fold, first_row=start - 1):
            golden.model(torch.tensor([case["input_ids"][: end - 1]]), use_cache=False)
        signs = 2.0 * torch.tensor(case["ablation_masks"]).float() - 1.0
        features = torch.einsum("lhts,as->talh", fold.features, signs).flatten(2)
        # They were stored in half precision: eleven bits.
        torch.testing.assert_close(
            features, torch.tensor(case["training_features"]), rtol=2**-11, atol=1e-5
        )
