"""Real pipelines: documents are embedded or indexed, retrieved, compressed, answered and cited."""

from copy import deepcopy

from langchain_classic.chains import create_retrieval_chain
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_community.retrievers import BM25Retriever
from langchain_core.messages import AIMessage, HumanMessage, message_chunk_to_message
from langchain_core.runnables import RunnableParallel, RunnablePassthrough
from support.documents import as_documents
from support.laws import check_message, check_same

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


async def test_in_a_retrieval_chain(reader, store, world):
    cited = AT2CitedAnswer(reader=reader, reader_options={"max_new_tokens": 24})
    chain = create_retrieval_chain(store.as_retriever(search_kwargs={"k": 3}), cited)
    result = chain.invoke({"input": world.question})
    message = result["answer"]
    check_message(message, result["context"])
    assert message == cited.invoke({"question": world.question, "context": result["context"]})
    assert await chain.ainvoke({"input": world.question}) == result
    chunks = list(chain.stream({"input": world.question}))
    streamed = [chunk["answer"] for chunk in chunks if "answer" in chunk]
    assert len(streamed) > 1
    check_same(message_chunk_to_message(streamed[0] + streamed[1:]), message)


def test_a_retrieval_chains_history_is_read(cited, asked):
    earlier = [HumanMessage("Who asks?"), AIMessage("You do.")]
    options = {"reader_options": {"max_new_tokens": 8}}
    named = {"input": asked["question"], "context": asked["context"], "chat_history": earlier}
    message = cited.invoke(named, **options)
    assert message == cited.invoke({**asked, "history": earlier}, **options)
    assert message.usage_metadata != cited.invoke(asked, **options).usage_metadata
    # The names of this package come first; a chain may carry others along.
    both = {**asked, "history": earlier, "input": "?", "chat_history": earlier[:1]}
    assert cited.invoke(both, **options) == message
    assert cited.invoke({**named, "chat_history": []}, **options) == cited.invoke(asked, **options)
