"""Streams that are left early: the model stops at once."""

import asyncio
from threading import enumerate as all_threads

import pytest
from at2_rag import Reader
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from support.runs import Runs

from langchain_at2 import AT2CitedAnswer


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


@pytest.fixture(params=["alone", "in a chain"])
def asking(request, reader, question, documents):
    """A runnable whose answer would take long, and its input."""
    options = {"max_new_tokens": 1000, "min_new_tokens": 1000}
    cited = AT2CitedAnswer(reader=reader, reader_options=options)
    if request.param == "alone":
        return cited, {"question": question, "context": documents}
    retrieve = RunnableLambda(lambda _: documents)
    return {"question": RunnablePassthrough(), "context": retrieve} | cited, question


def test_closing_the_generator_ends_the_generation(asking):
    runnable, value = asking
    runs = Runs()
    stream = runnable.stream(value, {"callbacks": [runs]})
    assert next(stream).text
    assert answering()
    stream.close()
    assert not answering()
    assert len(runs.started) == len(runs.ended)


async def test_closing_the_asynchronous_generator_ends_the_generation(asking):
    runnable, value = asking
    stream = runnable.astream(value)
    assert (await anext(stream)).text
    assert answering()
    await stream.aclose()
    if not isinstance(runnable, AT2CitedAnswer):
        # LangChain's sequences leave it to the event loop to close their parts.
        async with asyncio.timeout(1):
            while answering():
                await asyncio.sleep(0.01)
    assert not answering()


async def test_cancelling_the_task_ends_the_generation(asking):
    runnable, value = asking

    async def read():
        return [chunk async for chunk in runnable.astream(value)]

    task = asyncio.create_task(read())
    while not answering() and not task.done():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not answering()
