"""Many given answers at once: each is cited as it would be alone."""

import pytest
import torch
from support.architectures import WORKING, build
from support.comparing import check_close, check_same
from support.zandor import PASSAGES, QUESTION

from at2_rag import ContextOverflowError, InputError
from at2_rag.attention.recording import capture_of
from at2_rag.estimators import LinearEstimator
from at2_rag.model.recorded_model import RecordedModel
from at2_rag.worlds import generate_examples


@pytest.mark.parametrize("name", WORKING)
def test_padding_behind_changes_no_attention(name):
    """Of any architecture; of texts that differ in their prompts, their answers and in both."""
    model = build(name)
    shape = capture_of(model).shape
    generator = torch.Generator().manual_seed(0)
    coefficients = torch.rand(shape.layers, shape.heads, generator=generator)
    estimator = LinearEstimator(coefficients, copying=coefficients.flip(0))
    recorded = RecordedModel(model)

    def ids(length):
        return torch.randint(3, 128, (length,), generator=generator).tolist()

    texts = [(ids(12), ids(3)), (ids(6), ids(9)), (ids(9), ids(1)), (ids(5), []), (ids(3), ids(20))]
    together = recorded.read_batch(texts, estimator.weightings)
    for (prompt, answer), got in zip(texts, together, strict=True):
        alone = recorded.read(prompt, answer, estimator.weightings)
        assert (got.keys, got.answer) == (alone.keys, alone.answer)
        check_close(got.tables, alone.tables)


@pytest.fixture(scope="module")
def told():
    """Answers that are right, wrong, long and refusals, to questions about made-up worlds."""
    found = []
    for seed, passages, hops in ((1, 6, 2), (2, 3, 1), (3, 8, 2), (4, 4, 1)):
        example = next(generate_examples(seed, passages, hops))
        first = example.passages[0].text
        for answer in (first, "I don't know.", f"{first} It is so. Nobody said that."):
            found.append((example.question, example.passages, answer))
    return found


@pytest.mark.parametrize(
    "options",
    [{}, {"max_batch_tokens": 1}, {"source_unit": "token"}, {"prove": 2}, {"method": "bm25"}],
    ids=lambda options: ",".join(options) or "plain",
)
def test_answers_are_cited_as_one_at_a_time(demo_reader, told, options):
    options = dict(options)
    reader = demo_reader
    if method := options.pop("method", None):
        reader = reader.with_options(method=method)
    batch = reader.attribute_batch(told, **options)
    assert len(batch) == len(told)
    for (question, passages, answer), found in zip(told, batch, strict=True):
        alone = reader.attribute(question, passages, answer, **options)
        check_same(found.to_dict(), alone.to_dict())


def test_answers_run_together(golden_reader, monkeypatch):
    sizes = []
    read = RecordedModel.read_batch

    def counted(self, texts, *args, **options):
        sizes.append(len(texts))
        return read(self, texts, *args, **options)

    monkeypatch.setattr(RecordedModel, "read_batch", counted)
    golden_reader.attribute_batch([(QUESTION, ["It is long."], "It is.")] * 5)
    golden_reader.attribute_batch([(QUESTION, ["It is long. " * 400], "It is.")] * 2)
    assert sizes == [5, 1, 1]


def test_nothing_is_read_before_everything_is_checked(golden_reader, monkeypatch):
    monkeypatch.setattr(RecordedModel, "read_batch", None)
    fine = (QUESTION, PASSAGES, "Yes.")
    for wrong, message in (
        ((QUESTION, PASSAGES, " "), "answer is ' '"),
        ((QUESTION, PASSAGES, 3), "answer is 3"),
        (("", PASSAGES, "Yes."), "question is ''"),
        ((QUESTION, PASSAGES), r"answers\[1\] is .*expected triples"),
    ):
        with pytest.raises(InputError, match=message):
            golden_reader.attribute_batch([fine, wrong])
    with pytest.raises(InputError, match="answers is a str"):
        golden_reader.attribute_batch("Yes.")
    with pytest.raises(InputError, match="Unknown option do_sample"):
        golden_reader.attribute_batch([fine], do_sample=True)
    with pytest.raises(ContextOverflowError):
        golden_reader.attribute_batch([fine, (QUESTION, ["word " * 10_000], "Yes.")])
    assert golden_reader.attribute_batch([]) == []
