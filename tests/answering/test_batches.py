"""Many questions at once: each answer is the one that it would have had alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.architectures import WORKING, build
from support.comparing import check_close, check_same
from support.zandor import PASSAGES, QUESTION

from at2_rag import ContextOverflowError, InputError, Reader, ScoreEstimator
from at2_rag.attention.recording import capture_of
from at2_rag.batching import in_length_batches
from at2_rag.estimators import LinearEstimator
from at2_rag.methods import LeaveOneOutMethod
from at2_rag.model.recorded_model import RecordedModel
from at2_rag.worlds import generate_examples

NEW = 10


@given(
    st.lists(st.integers(1, 30), max_size=12),
    st.integers(1, 100),
    st.integers(0, 5),
    st.integers(1, 6),
)
def test_batches_are_within_bounds_and_in_order(lengths, max_tokens, room, memory):
    texts = [[index] * length for index, length in enumerate(lengths)]
    ran = []

    def run(batch):
        assert len(batch) == 1 or len(batch) * (max(map(len, batch)) + room) <= max_tokens
        if len(batch) > memory:
            raise torch.OutOfMemoryError("too much")
        ran.append([len(text) for text in batch])
        return [text[0] for text in batch]

    assert in_length_batches(texts, run, max_tokens, room) == list(range(len(texts)))
    assert [length for batch in ran for length in batch] == sorted(lengths, reverse=True)


def test_one_text_that_does_not_fit_into_memory_is_an_error():
    def run(batch):
        raise torch.OutOfMemoryError("too much")

    with pytest.raises(torch.OutOfMemoryError):
        in_length_batches([[1], [2, 3]], run, 100)


@pytest.mark.parametrize("name", WORKING)
def test_padding_changes_no_attention(name):
    """Of any architecture, also where windows close and where an answer ends before the others."""
    model = build(name)
    shape = capture_of(model).shape
    generator = torch.Generator().manual_seed(0)
    coefficients = torch.rand(shape.layers, shape.heads, generator=generator)
    estimator = LinearEstimator(coefficients, copying=coefficients.flip(0))
    recorded = RecordedModel(model)
    prompts = [
        torch.randint(3, 128, (length,), generator=generator).tolist() for length in (6, 15, 10)
    ]
    options = {"max_new_tokens": NEW, "pad_token_id": 0}
    together = recorded.generate(prompts, estimator.weightings, options)
    for prompt, got in zip(prompts, together, strict=True):
        [alone] = recorded.generate([prompt], estimator.weightings, options)
        assert (got.ids, got.truncated) == (alone.ids, alone.truncated)
        assert got.attention.keys == alone.attention.keys
        check_close(got.attention.tables, alone.attention.tables)


@pytest.fixture(scope="module")
def questions():
    examples = [
        next(generate_examples(seed, passages, hops))
        for seed, passages, hops in ((1, 6, 2), (2, 3, 1), (3, 8, 2), (4, 4, 1), (5, 5, 2))
    ]
    return [(example.question, example.passages) for example in examples]


@pytest.mark.parametrize(
    "options",
    [{}, {"prune_to": 2}, {"max_batch_tokens": 1}, {"num_beams": 2}, {"source_unit": "token"}],
    ids=lambda options: ",".join(options) or "plain",
)
def test_answers_are_those_of_one_at_a_time(demo_reader, questions, options):
    batch = demo_reader.answer_batch(questions, max_new_tokens=48, **options)
    assert len(batch) == len(questions)
    for (question, passages), answer in zip(questions, batch, strict=True):
        alone = demo_reader.answer(question, passages, max_new_tokens=48, **options)
        check_same(answer.to_dict(), alone.to_dict())


def test_other_methods_and_history(demo_reader, questions):
    reader = Reader(demo_reader.model, demo_reader.tokenizer, method=LeaveOneOutMethod())
    history = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hello."}]
    options = {"max_new_tokens": 8, "history": history}
    batch = reader.answer_batch(questions[:2], **options)
    for (question, passages), answer in zip(questions, batch, strict=False):
        check_same(answer.to_dict(), reader.answer(question, passages, **options).to_dict())


def test_nothing_is_answered_before_every_question_is_checked(golden_reader, monkeypatch):
    monkeypatch.setattr(RecordedModel, "generate", None)
    fine = (QUESTION, PASSAGES)
    with pytest.raises(InputError, match=r"questions\[1\]: question is ''"):
        golden_reader.answer_batch([fine, ("", PASSAGES)])
    with pytest.raises(InputError, match="prune_to"):
        golden_reader.answer_batch([fine, (QUESTION, PASSAGES[:1])], prune_to=0)
    with pytest.raises(ContextOverflowError, match=r"questions\[1\]: The prompt with 1 passage"):
        golden_reader.answer_batch([fine, (QUESTION, ["word " * 10_000])], on_overflow="error")
    assert golden_reader.answer_batch([]) == []


def test_an_estimator_that_hears_nothing_scores_nothing(golden_llama):
    shape = capture_of(golden_llama.model).shape
    nothing = LinearEstimator(torch.zeros(shape.layers, shape.heads))
    recorded = RecordedModel(golden_llama.model)
    for generation in recorded.generate(
        [[1, 5, 6], [1, 7]], nothing.weightings, {"max_new_tokens": 4}
    ):
        assert generation.attention.tables.shape[1] == len(generation.ids)
        assert not generation.attention.tables.any()
    assert ScoreEstimator.uniform(golden_llama.model).head_weights.any()
