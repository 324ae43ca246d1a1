"""Streams that are left early: the model stops at once."""

import asyncio
from threading import enumerate as all_threads

import pytest
from llama_index.postprocessor.at2 import AT2CitationQueryEngine
from llama_index.retrievers.bm25 import BM25Retriever
from support.nodes import nodes_of

from at2_rag import Reader


def answering():
    """The threads in which a model is at work."""
    return [thread for thread in all_threads() if thread.name == "at2-rag answer"]


@pytest.fixture(autouse=True)
def _kept(monkeypatch):
    """Every stream of the reader is held, so that no garbage collection ends it."""
    kept = []

    def keeping(method):
        def stream(*args, **kwargs):
            kept.append(method(*args, **kwargs))
            return kept[-1]

        return stream

    monkeypatch.setattr(Reader, "stream", keeping(Reader.stream))
    monkeypatch.setattr(Reader, "astream", keeping(Reader.astream))
    yield
    assert len(kept) == 1


@pytest.fixture
def ask(reader, example):
    """Asks for an answer that would take long, by the named method of an engine."""
    engine = AT2CitationQueryEngine.from_args(
        BM25Retriever.from_defaults(nodes=nodes_of(example), similarity_top_k=3),
        reader,
        streaming=True,
        options={"max_new_tokens": 1000, "min_new_tokens": 1000},
    )
    return lambda method: getattr(engine, method)(example.question)


def test_closing_the_generator_ends_the_generation(ask):
    response = ask("query")
    assert next(response.response_gen)
    assert answering()
    response.response_gen.close()
    assert not answering()
    assert list(response.response_gen) == []


@pytest.mark.parametrize("public", [True, False])
def test_closing_the_asynchronous_generator_ends_the_generation(ask, public):
    async def leave():
        response = await ask("aquery")
        texts = response.async_response_gen() if public else response.response_gen
        assert await anext(texts)
        assert answering()
        await texts.aclose()
        assert not answering()

    asyncio.run(leave())


def test_cancelling_the_task_ends_the_generation(ask):
    async def leave():
        response = await ask("aquery")
        task = asyncio.create_task(response.get_response())
        while not answering() and not task.done():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not answering()

    asyncio.run(leave())
