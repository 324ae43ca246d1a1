"""Many questions at once."""

import pytest
from at2_rag import ContextOverflowError, InputError, Reader
from langchain_core.messages import AIMessage, HumanMessage
from support.documents import as_documents
from support.laws import check_message, check_same
from support.runs import Runs

from langchain_at2 import AT2CitedAnswer, citations_of

SHORT = {"max_new_tokens": 12}


class CountingReader(Reader):
    """Notes the sizes of its batches."""

    def answer_batch(self, questions, **options):
        self.sizes = [*getattr(self, "sizes", []), len(questions)]
        return super().answer_batch(questions, **options)


@pytest.fixture(scope="module")
def cited(reader):
    return AT2CitedAnswer(reader=reader, reader_options=SHORT)


@pytest.fixture
def batching(reader):
    counting = CountingReader(reader.model, reader.tokenizer, reader.estimator, reader.settings)
    return AT2CitedAnswer(reader=counting, reader_options=SHORT)


@pytest.fixture
def inputs(worlds):
    return [{"question": w.question, "context": as_documents(w.passages)} for w in worlds]


@pytest.fixture(scope="module")
def expected(cited, worlds):
    """What each answers alone."""
    values = [{"question": w.question, "context": as_documents(w.passages)} for w in worlds]
    messages = [cited.invoke(value) for value in values]
    assert sum(bool(citations_of(message)) for message in messages) >= 3
    return messages


def check_all(messages, expected, inputs):
    for message, alone, value in zip(messages, expected, inputs, strict=True):
        check_message(message, value["context"])
        check_same(message, alone)


def test_batch_keeps_order_and_returns_errors_in_their_places(cited, inputs, expected):
    runs = Runs()
    given = [inputs[0], {"question": "Who?"}, *inputs[1:]]
    results = cited.batch(given, {"callbacks": [runs]}, return_exceptions=True)
    assert isinstance(results.pop(1), InputError)
    check_all(results, expected, inputs)
    assert (len(runs.started), len(runs.ended), len(runs.failed)) == (5, 4, 1)
    with pytest.raises(InputError, match="exactly one of"):
        cited.batch(given[:2])
    assert cited.batch([]) == []


async def test_all_together(batching, inputs, expected):
    runs = Runs()
    check_all(batching.batch(inputs, {"callbacks": [runs]}), expected, inputs)
    assert batching.reader.sizes == [4]
    assert len(runs.started) == len(runs.ended) == 4
    check_all(await batching.abatch(inputs), expected, inputs)
    assert batching.reader.sizes == [4, 4]


def test_one_that_fails_does_not_take_the_others_along(batching, inputs, expected):
    """Nor do they lose the speed of a batch."""
    too_long = {**inputs[0], "context": inputs[0]["context"] * 14}
    given = [*inputs[:2], {"question": "Who?", "context": "text"}, inputs[2], too_long]
    runs = Runs()
    results = batching.batch(given, {"callbacks": [runs]}, return_exceptions=True)
    assert [type(result) for result in results] == [
        AIMessage,
        AIMessage,
        InputError,
        AIMessage,
        ContextOverflowError,
    ]
    check_all([*results[:2], results[3]], expected[:3], inputs[:3])
    assert batching.reader.sizes == [4, 2, 2]  # all that can be read; both halves; then one by one
    assert (len(runs.ended), len(runs.failed)) == (3, 2)
    with pytest.raises(InputError, match="list of Documents"):
        batching.batch(given)


def test_what_differs_is_asked_apart(batching, cited, inputs):
    """Histories that are the same share a batch, whether there is enough to prune or not."""
    history = [HumanMessage("Hello.")]
    few = {**inputs[0], "context": inputs[0]["context"][:2]}
    given = [few, {**inputs[1], "history": history}, inputs[2], {**inputs[3], "history": history}]
    results = batching.batch(given, prune_to=2)
    check_all(results, [cited.invoke(value, prune_to=2) for value in given], given)
    assert batching.reader.sizes == [2, 2]


def test_those_with_nothing_to_read_are_not_asked(batching, cited, inputs, expected):
    given = [inputs[0], {**inputs[1], "context": []}, inputs[2]]
    results = batching.batch(given)
    assert results.pop(1) == cited.invoke({**inputs[1], "context": []})
    check_all(results, [expected[0], expected[2]], [inputs[0], inputs[2]])
    assert batching.reader.sizes == [2]
