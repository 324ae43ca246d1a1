"""AT2DocumentCompressor: the documents most used, everything on them kept."""

from copy import deepcopy

import pytest
from at2_rag import ContextOverflowError, InputError
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests
from pydantic import ValidationError
from support.runs import Runs

from langchain_at2 import AT2DocumentCompressor


@pytest.fixture(scope="module")
def compressor(reader):
    return AT2DocumentCompressor(reader=reader)


def scores(documents):
    return [document.metadata["relevance_score"] for document in documents]


def test_the_most_used_come_first(compressor, reader, documents, question, world, answer):
    kept = compressor.compress_documents(documents, question)
    ranked = answer.ranked_passages[:3]
    assert [d.page_content for d in kept] == [world.passages[i].text for i, _ in ranked]
    assert scores(kept) == [score for _, score in ranked]
    needed = {world.passages[i].text for i in world.supporting_passages}
    assert needed <= {document.page_content for document in kept}


def test_the_question_ranks_them_without_a_draft(reader, documents, question, world):
    options = {"rank_by": "question"}
    by_question = AT2DocumentCompressor(reader=reader, reader_options=options)
    kept = by_question.compress_documents(documents, question)
    ranked = reader.rank(question, world.passages, **options)[:3]
    assert [d.page_content for d in kept] == [world.passages[i].text for i, _ in ranked]
    assert scores(kept) == pytest.approx([score for _, score in ranked])
    everything = AT2DocumentCompressor(reader=reader, top_n=None, reader_options=options)
    kept = everything.compress_documents([Document(""), *documents], question)
    assert kept[-1].page_content == ""
    assert scores(kept) == sorted(scores(kept), reverse=True)
    assert scores(kept)[-1] < 0  # looked at less than by any question


def test_documents_are_copied_and_complete(compressor, documents, question):
    before = deepcopy(documents)
    kept = compressor.compress_documents(documents, question)
    assert documents == before
    by_id = {document.id: document for document in documents}
    for document in kept:
        original = by_id[document.id]
        score = document.metadata["relevance_score"]
        assert isinstance(score, float)
        expected = {**original.metadata, "relevance_score": score}
        assert document == original.model_copy(update={"metadata": expected})
        document.metadata["nested"]["page"].append("changed")
    assert documents == before


def test_threshold_and_count(reader, documents, question):
    def compress(**options):
        return AT2DocumentCompressor(reader=reader, **options).compress_documents(
            documents, question
        )

    everything = compress(top_n=None)
    assert len(everything) == len(documents)
    assert len(compress(top_n=50)) == len(documents)
    second = scores(everything)[1]
    assert scores(compress(score_threshold=second)) == scores(everything)[:2]
    assert compress(top_n=1, score_threshold=second) == everything[:1]
    assert compress(score_threshold=1e9) == []


async def test_async_is_the_same(compressor, documents, question):
    kept = compressor.compress_documents(documents, question)
    assert await compressor.acompress_documents(documents, question) == kept


def test_callbacks_see_the_draft(compressor, documents, question):
    runs = Runs()
    compressor.compress_documents(documents, question, callbacks=[runs])
    assert [name for name, *_ in runs.started] == ["AT2DocumentCompressor"]
    assert len(runs.ended) == 1


class TestBadInput:
    def test_no_documents(self, compressor):
        assert compressor.compress_documents([], "Who?") == []

    def test_no_query(self, compressor, documents):
        with pytest.raises(InputError, match="expected text to answer"):
            compressor.compress_documents(documents, " ")

    def test_no_documents_but_text(self, compressor):
        with pytest.raises(InputError, match=r"documents\[0\] is a str"):
            compressor.compress_documents(["text"], "Who?")

    def test_empty_documents_come_last(self, reader, compressor, documents, question):
        empty = Document(page_content=" ", id="empty", metadata={"relevance_score": 9.0})
        expected = compressor.compress_documents(documents, question)
        assert compressor.compress_documents([empty, *documents], question) == expected
        everything = AT2DocumentCompressor(reader=reader, top_n=None)
        last = everything.compress_documents([empty, *documents], question)[-1]
        assert (last.id, scores([last])) == ("empty", [0.0])
        assert scores(compressor.compress_documents([empty] * 4, question)) == [0.0] * 3

    def test_ids_missing_or_the_same(self, compressor, documents, question):
        expected = compressor.compress_documents(documents, question)
        for document in documents:
            document.id = "same" if document.id != "doc-0" else None
        kept = compressor.compress_documents(documents, question)
        assert [d.page_content for d in kept] == [d.page_content for d in expected]
        assert {document.id for document in kept} <= {"same", None}

    def test_metadata_that_cannot_be_copied(self, compressor, documents, question):
        generator = (n for n in "abc")
        for document in documents:
            document.metadata["handle"] = generator
        kept = compressor.compress_documents(documents, question)
        assert all(document.metadata["handle"] is generator for document in kept)

    def test_more_than_fits(self, compressor, reader, documents, question):
        many = documents * 14
        with pytest.raises(ContextOverflowError):
            compressor.compress_documents(many, question)
        dropping = AT2DocumentCompressor(
            reader=reader, top_n=None, reader_options={"on_overflow": "drop"}
        )
        kept = dropping.compress_documents(many, question)
        assert len(kept) == len(many)
        assert scores(kept)[-1] == 0.0

    @pytest.mark.parametrize("options", [{"top_n": 0}, {"top_k": 3}, {"reader": "a name"}])
    def test_options(self, reader, options):
        with pytest.raises(ValidationError, match=next(iter(options))):
            AT2DocumentCompressor(**{"reader": reader, **options})


class CompressedRetriever(ContextualCompressionRetriever):
    """Takes the number of documents as the standard tests give it."""

    def __init__(self, *, base, reader, k=3):
        super().__init__(
            base_retriever=base, base_compressor=AT2DocumentCompressor(reader=reader, top_n=k)
        )


class TestStandardRetriever(RetrieversIntegrationTests):
    """LangChain's standard tests of retrievers, around the compressor."""

    @pytest.fixture(autouse=True)
    def _pipeline(self, reader, store, worlds):
        self._parameters = {"base": store.as_retriever(), "reader": reader}
        self._question = worlds[0].question

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return CompressedRetriever

    @property
    def retriever_constructor_params(self):
        return self._parameters

    @property
    def retriever_query_example(self):
        return self._question
