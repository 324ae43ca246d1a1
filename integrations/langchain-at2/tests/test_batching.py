"""Many questions: in threads, or at once where the reader can."""

import pytest
from at2_rag import ContextOverflowError, InputError, Reader
from langchain_core.messages import AIMessage, HumanMessage

from langchain_at2 import AT2CitedAnswer
from tests.conftest import as_documents
from tests.runs import Runs


def test_batch_keeps_order_and_returns_errors_in_their_places(cited, worlds):
    inputs = [{"question": w.question, "context": as_documents(w.passages)} for w in worlds[:3]]
    inputs.insert(1, {"question": "Who?", "context": []})
    alone = [cited.invoke(value) for value in (*inputs[:1], *inputs[2:])]
    runs = Runs()
    results = cited.batch(inputs, {"callbacks": [runs]}, return_exceptions=True)
    assert isinstance(results.pop(1), InputError)
    assert results == alone
    assert (len(runs.started), len(runs.ended), len(runs.failed)) == (4, 3, 1)
    with pytest.raises(InputError, match="No passages"):
        cited.batch(inputs[:2])
    assert cited.batch([]) == []


class BatchReader(Reader):
    """Answers lists, as readers with ``answer_batch`` do."""

    def answer_batch(self, questions, **options):
        sizes = getattr(self, "sizes", [])
        self.sizes = [*sizes, len(questions)]
        return [self.answer(question, passages, **options) for question, passages in questions]


class TestReaderThatBatches:
    @pytest.fixture
    def batching(self, reader):
        other = BatchReader(reader.model, reader.tokenizer, reader.estimator, reader.settings)
        return AT2CitedAnswer(reader=other)

    @pytest.fixture
    def inputs(self, worlds):
        return [{"question": w.question, "context": as_documents(w.passages)} for w in worlds[:2]]

    async def test_all_together(self, batching, cited, inputs):
        expected = [cited.invoke(value) for value in inputs]
        runs = Runs()
        assert batching.batch(inputs, {"callbacks": [runs]}) == expected
        assert batching.reader.sizes == [2]
        assert len(runs.started) == len(runs.ended) == 2
        assert await batching.abatch(inputs) == expected
        assert batching.reader.sizes == [2, 2]

    def test_one_that_fails_does_not_take_the_others_along(self, batching, cited, inputs):
        too_long = {**inputs[0], "context": inputs[0]["context"] * 14}
        given = [inputs[0], {"question": "Who?", "context": "text"}, inputs[1], too_long]
        runs = Runs()
        results = batching.batch(given, {"callbacks": [runs]}, return_exceptions=True)
        assert [type(result) for result in results] == [
            AIMessage,
            InputError,
            AIMessage,
            ContextOverflowError,
        ]
        assert results[0] == cited.invoke(inputs[0])
        assert (len(runs.ended), len(runs.failed)) == (2, 2)
        with pytest.raises(InputError, match="list of Documents"):
            batching.batch(given)

    def test_what_differs_is_asked_apart(self, batching, cited, inputs):
        inputs[0]["context"] = inputs[0]["context"][:2]
        third = {**inputs[1], "history": [HumanMessage("Hello.")]}
        results = batching.batch([*inputs, third], prune_to=2)
        assert results == [cited.invoke(v, prune_to=2) for v in [*inputs, third]]
        assert not hasattr(batching.reader, "sizes")
