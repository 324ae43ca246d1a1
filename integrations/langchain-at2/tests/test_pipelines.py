"""Real pipelines: documents are embedded or indexed, retrieved, compressed, answered and cited."""

from copy import deepcopy

from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_community.retrievers import BM25Retriever
from langchain_core.runnables import RunnableParallel, RunnablePassthrough
from support.documents import as_documents
from support.laws import check_message

from langchain_at2 import AT2CitedAnswer, AT2DocumentCompressor, citations_of, references_text


def pipeline(retriever, reader, **options):
    """From a question to the answer and the documents that it was made from."""
    compressed = ContextualCompressionRetriever(
        base_compressor=AT2DocumentCompressor(reader=reader, top_n=3), base_retriever=retriever
    )
    inputs = RunnableParallel(question=RunnablePassthrough(), context=compressed)
    return inputs | RunnablePassthrough.assign(answer=AT2CitedAnswer(reader=reader, **options))


def test_vector_store_compressor_and_answer(reader, store, worlds):
    chain = pipeline(store.as_retriever(search_kwargs={"k": 8}), reader)
    right, cited = 0, 0
    for world in worlds[:2]:
        result = chain.invoke(world.question)
        check_message(result["answer"], result["context"])
        assert len(result["context"]) == 3
        cited += bool(references_text(result["answer"]))
        right += world.final_answer in result["answer"].text
    assert right == 2
    assert cited


def test_bm25_compressor_and_answer(reader, world):
    documents = as_documents(world.passages)
    before = deepcopy(documents)
    retriever = BM25Retriever.from_documents(documents, k=4)
    chain = pipeline(retriever, reader, inline_markers=True)
    result = chain.invoke(world.question)
    check_message(result["answer"], result["context"])
    assert world.final_answer in result["answer"].text
    assert ("[1]" in result["answer"].text) == bool(citations_of(result["answer"]))
    assert documents == before


async def test_the_same_asynchronously(reader, store, world):
    chain = pipeline(store.as_retriever(search_kwargs={"k": 8}), reader)
    assert await chain.ainvoke(world.question) == chain.invoke(world.question)
