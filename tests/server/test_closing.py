"""A server that is told to end while it answers."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor

import httpx
from support.serving import ASKED, PASSAGES, PATIENCE, QUESTION, TEXTS, eventually, served, slowed

CHAT = {"messages": ASKED, "documents": TEXTS, "max_tokens": 200}
PAGE = {"question": QUESTION, "passages": PASSAGES, "options": {"max_new_tokens": 200}}


def read(url, path, body):
    """Return what comes until the connection ends, whole."""
    return httpx.post(url + path, json=body, timeout=PATIENCE)


def test_what_it_cannot_wait_for_ends_in_words(demo_reader, caplog):
    asked = [
        ("/v1/chat/completions", {**CHAT, "stream": True}),
        ("/api/answer", PAGE),
        ("/v1/chat/completions", CHAT),
    ]
    with slowed(demo_reader, 1.5), ThreadPoolExecutor(len(asked)) as pool:
        with caplog.at_level(logging.WARNING), served(demo_reader) as server:
            running = []
            for ahead, each in enumerate(asked):  # the first is being answered, the others wait
                running.append(pool.submit(read, server.url, *each))
                eventually(
                    server.health, lambda told, n=ahead: told["busy"] and told["waiting"] == n
                )
        chat, page, whole = (each.result() for each in running)
    *_, last = [line for line in chat.text.splitlines() if line.startswith("data: ")]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "going_down"
    name, data = page.text.strip().splitlines()[-2:]
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"]["code"] == "going_down"
    assert whole.status_code == 503
    assert whole.json()["error"]["code"] == "going_down"
    assert [record for record in caplog.records if record.exc_info] == []
