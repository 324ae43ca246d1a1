"""Many at once, slow ones, and ones that vanish: all are answered, or refused in words."""

import asyncio
import gc
import json
import threading
from contextlib import ExitStack
from itertools import pairwise

import httpx
import pytest
from support.serving import (
    ASKED,
    DOCUMENTS,
    PATIENCE,
    error_of,
    events_of,
    held,
    posting,
    served,
    slowed,
)

from at2_rag.server.limits import Limits
from at2_rag.server.metrics import resident_bytes

CLIENTS = 50
BODY = {"messages": ASKED, "documents": DOCUMENTS, "max_tokens": 6}
PATH = "/v1/chat/completions"


@pytest.fixture(scope="module")
def server(demo_reader):
    with served(demo_reader) as running:
        yield running


@pytest.fixture(scope="module")
def alone(server):
    """What is said to who asks alone."""
    return text_of(server.post(PATH, json=BODY), False)


def text_of(response, stream):
    assert response.status_code == 200
    if not stream:
        return response.json()["choices"][0]["message"]["content"]
    blocks = response.text.split("data: ")[1:-1]
    chunks = [json.loads(block.split("\n\n")[0]) for block in blocks]
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)


def all_at_once(server, count=CLIENTS, body=BODY):
    """Return what many are told who ask at the same time, half of them in chunks."""

    async def run():
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=PATIENCE, limits=limits) as client:
            asking = [
                client.post(server.url + PATH, json={**body, "stream": index % 2 == 1})
                for index in range(count)
            ]
            return await asyncio.gather(*asking)

    return asyncio.run(run())


def test_fifty_at_once_are_answered_as_one_alone(server, alone):
    responses = all_at_once(server)
    assert [text_of(r, index % 2) for index, r in enumerate(responses)] == [alone] * CLIENTS


def test_those_who_cannot_wait_are_refused_in_words(demo_reader, alone):
    with served(demo_reader, limits=Limits(waiting=10)) as server, slowed(demo_reader, 0.01):
        responses = all_at_once(server)
        answered = [r for r in responses if r.status_code == 200]
        refused = [r for r in responses if r.status_code != 200]
        assert len(answered) >= 11
        assert refused
        for response in refused:
            assert response.status_code == 429
            assert response.headers["retry-after"]
            assert error_of(response)["code"] == "queue_full"
        assert {text_of(r, "event-stream" in r.headers["content-type"]) for r in answered} == {
            alone
        }
        assert server.service.metrics.counted("requests") == CLIENTS


def test_slow_readers_keep_nobody_waiting_and_get_all(server, alone):
    body = {**BODY, "stream": True}
    with ExitStack() as stack:
        slow = [stack.enter_context(server.socket()) for _ in range(10)]
        for connection in slow:
            connection.sendall(posting(PATH, body, ["Connection: close"]))
        assert text_of(server.post(PATH, json=BODY), False) == alone
        server.until_free()
        for connection in slow:
            read = b"".join(iter(lambda taken=connection: taken.recv(7), b""))
            assert b"data: [DONE]\n\n" in read[-40:]


@pytest.mark.parametrize("path", [PATH, "/api/answer", "/api/prune", "/api/cite", "/v1/rerank"])
@pytest.mark.parametrize("stream", [True, False])
def test_clients_that_vanish_leave_nothing(demo_reader, path, stream):
    asking = {"question": "Who?", "passages": DOCUMENTS}
    body = {
        PATH: {**BODY, "max_tokens": 60, "stream": stream},
        "/api/answer": {**asking, "stream": stream},
        "/api/prune": {**asking, "top_k": 1},
        "/api/cite": {**asking, "answer": "It is Tete Gorun."},
        "/v1/rerank": {"query": "Who?", "documents": DOCUMENTS},
    }[path]
    with served(demo_reader) as server, held(demo_reader) as gate:
        gone = [server.socket() for _ in range(6)]
        for connection in gone:
            connection.sendall(posting(path, body))
        server.until(lambda told: told["waiting"] == 5)
        for connection in gone:
            connection.close()
        server.until(lambda told: told["waiting"] == 0)
        gate.open()
        server.until_free()
        metrics = server.service.metrics
        assert metrics.counted("cancelled") == 6
        assert metrics.counted("answer_tokens") <= 12  # a pass that has begun is not cut short


def test_what_takes_too_long_is_ended_and_told(demo_reader):
    limits = Limits(seconds=2)
    with served(demo_reader, limits=limits) as server:
        with slowed(demo_reader, 0.2):
            whole = server.post(PATH, json={**BODY, "max_tokens": 60})
            server.until_free()
            stream = server.post(PATH, json={**BODY, "max_tokens": 60, "stream": True})
            server.until_free()
            asking = {"question": ASKED[0]["content"], "passages": DOCUMENTS}
            events = events_of(server.post("/api/answer", json=asking))
            server.until_free()
        assert whole.status_code == 504
        assert error_of(whole)["code"] == "timeout"
        assert '"longer' not in stream.text
        assert "longer than 2 seconds" in stream.text
        assert stream.text.rstrip().endswith("data: [DONE]")
        assert events[0][0] == "text"
        assert events[-1][0] == "error"
        assert server.post(PATH, json={**BODY, "max_tokens": 1}).status_code == 200


def heard(server, path, body, gate):
    """Return a response whose turn comes once it has been told that it waits."""
    pieces = []
    with httpx.stream("POST", server.url + path, json=body, timeout=PATIENCE) as response:
        for piece in response.iter_bytes():
            pieces.append(piece)
            if b"waiting" in b"".join(pieces):  # not before, however fast the model is
                gate.open()
    return httpx.Response(response.status_code, content=b"".join(pieces))


def test_who_waits_hears_that_the_server_is_there(demo_reader):
    limits = Limits(quiet_seconds=0.05)
    asking = {"question": ASKED[0]["content"], "passages": DOCUMENTS}
    with ExitStack() as opened:
        server = opened.enter_context(served(demo_reader, limits=limits))
        gate = opened.enter_context(held(demo_reader))
        first = opened.enter_context(server.socket())
        first.sendall(posting(PATH, BODY))
        assert gate.reached.wait(PATIENCE)
        events = events_of(heard(server, "/api/answer", asking, gate))
        server.until_free()
        gate.close()
        first.sendall(posting(PATH, BODY))
        assert gate.reached.wait(PATIENCE)
        stream = heard(server, PATH, {**BODY, "stream": True}, gate)
    assert ("waiting", {"ahead": 1}) in events
    assert events[-1][0] == "answer"
    assert ": waiting, " in stream.text


def test_memory_stays_flat_and_nothing_is_left(server, alone):
    """Answers, refusals, bodies that are too large, and clients that vanish, several times.

    What is kept by mistake is kept every time; memory needed at once need not go back.
    """
    large = b" " * 50_000_000

    def round_of_all():
        all_at_once(server, 12)
        for _ in range(2):
            response = server.post(PATH, content=large)
            assert response.status_code == 413
        for _ in range(10):
            with server.socket() as connection:
                connection.sendall(posting(PATH, {**BODY, "stream": True}))
        server.post(PATH, content=b"{", headers={"Content-Type": "application/json"})
        server.until_free()
        gc.collect()
        return resident_bytes()

    sizes = [round_of_all() for _ in range(2)]
    threads = threading.active_count()
    sizes += [round_of_all() for _ in range(2)]
    assert min(after - before for before, after in pairwise(sizes)) < 5 * 2**20, sizes
    assert threading.active_count() <= threads
    assert text_of(server.post(PATH, json=BODY), False) == alone
