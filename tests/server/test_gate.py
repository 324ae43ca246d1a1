"""Who is let in, with how much, and what the others are told."""

import json
from contextlib import ExitStack

import httpx
import pytest
from support.serving import (
    ASKED,
    DOCUMENTS,
    PATIENCE,
    error_of,
    eventually,
    posting,
    read_until,
    served,
    slowed,
)

from at2_rag import InputError
from at2_rag.server.limits import Limits
from at2_rag.server.run import listen

SMALL = Limits(body_bytes=20_000, body_seconds=0.5, requests=8)
BODY = {"messages": ASKED, "documents": DOCUMENTS, "max_tokens": 2}


@pytest.fixture(scope="module")
def server(demo_reader):
    with served(demo_reader, limits=SMALL) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(demo_reader):
    with served(demo_reader, token="right-token") as running:
        yield running


def authorized(value):
    return {"headers": {"Authorization": value, "Host": "elsewhere.example"}}


@pytest.mark.parametrize(
    "value", ["Bearer wrong", "Bearer", "", "Basic right-token", "right-token", "Bearer é"]
)
@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/nothing", "/openapi.json"])
def test_a_wrong_token_opens_nothing(guarded, path, value):
    more = authorized(value.encode())
    response = guarded.get(path, **more)
    assert response.status_code == 401
    error = error_of(response)
    assert error["code"] == "invalid_api_key"
    assert "right-token" not in response.text
    assert response.headers["www-authenticate"] == "Bearer"


def test_the_right_token_opens_all_from_anywhere(guarded):
    more = authorized("bearer right-token")
    assert guarded.get("/v1/models", **more).status_code == 200
    assert guarded.post("/v1/chat/completions", json=BODY, **more).status_code == 200


def test_health_needs_no_token_and_tells_no_more_than_health(guarded):
    told = guarded.get("/health", headers={"Host": "elsewhere.example"}).json()
    assert set(told) == {"status", "version", "model", "busy", "waiting"}
    assert told["status"] == "ok"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", ""])
def test_without_a_token_other_names_are_refused(server, host):
    """A page from elsewhere may have its own name stand for this machine."""
    assert server.get("/v1/models", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:9", "[::1]:9"])
def test_this_machine_has_several_names(server, host):
    assert server.get("/v1/models", headers={"Host": host}).status_code == 200


def pieces(size):
    for _ in range(0, size, 2**16):
        yield b" " * 2**16


@pytest.mark.parametrize("size", [20_001, 50_000_000])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/answer", "/api/passages", "/no"])
def test_a_large_body_is_refused_before_it_is_read(server, path, size):
    response = server.post(path, content=b" " * size)
    assert response.status_code == 413
    assert "larger than 20,000 bytes" in error_of(response)["message"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/answer", "/api/passages"])
def test_a_large_body_of_unknown_size_is_refused_where_it_is_too_much(server, path):
    kind = {"Content-Type": "application/json"}
    if path == "/api/passages":
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
    response = server.post(path, content=pieces(50_000_000), headers=kind)
    assert response.status_code == 413
    error_of(response)


def test_who_asks_before_sending_is_told_without_sending(server):
    head = posting("/v1/chat/completions", b"", ["Expect: 100-continue"])
    with server.socket() as connection:
        connection.sendall(head.replace(b"Content-Length: 0", b"Content-Length: 50000000"))
        assert read_until(connection, b" 413 ").startswith(b"HTTP/1.1 413 ")


def test_a_body_that_does_not_arrive_is_not_waited_for(server):
    sent = posting("/v1/chat/completions", BODY)
    with server.socket() as connection:  # which waits for long, but not for ever
        connection.sendall(sent[:-10])
        answer = read_until(connection, b"did not arrive within 0.5 seconds")
    assert answer.startswith(b"HTTP/1.1 408 ")


BROKEN = [b"", b"{", b"[1]", b"nonsense", b'{"messages": NaNN}', b"\xff\xfe", b"null", b"[" * 9000,
          b'"' + b"x" * 9000]  # fmt: skip


@pytest.mark.parametrize("body", BROKEN)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/answer"])
def test_bad_json_is_told(server, path, body):
    response = server.post(path, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert error_of(response)["type"] == "invalid_request_error"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_only_json_is_json(server, kind):
    """Browsers send other kinds from pages of elsewhere without asking."""
    headers = {} if kind is None else {"Content-Type": kind}
    body = json.dumps(BODY)
    response = server.post("/v1/chat/completions", content=body, headers=headers)
    assert response.status_code == 400
    assert "Content-Type: application/json" in error_of(response)["message"]


def test_other_routes_and_methods_are_told(server):
    response = server.get("/v1/completions")
    assert response.status_code == 404
    assert "no GET /v1/completions here" in error_of(response)["message"]
    response = server.get("/v1/chat/completions")
    assert response.status_code == 405
    error_of(response)


def test_more_requests_than_may_be_open_are_refused(demo_reader):
    """Those that are open take what they need; the rest are told to come back."""
    limits = Limits(requests=8, body_seconds=PATIENCE)
    with served(demo_reader, limits=limits) as server:

        def models():
            return server.get("/v1/models")

        with ExitStack() as open_ones:
            for _ in range(limits.requests):
                connection = open_ones.enter_context(server.socket())
                connection.sendall(posting("/v1/chat/completions", BODY)[:-10])
            response = eventually(models, lambda response: response.status_code == 503)
            assert response.headers["retry-after"]
            assert error_of(response)["code"] == "too_many"
            assert server.get("/health").status_code == 200
        eventually(models, lambda response: response.status_code == 200)


def test_what_was_not_expected_is_not_told_to_clients(server, monkeypatch, caplog):
    def fail(*args, **kwargs):
        raise RuntimeError("a secret of the machine")

    monkeypatch.setattr(type(server.service.reader), "astream", fail)
    response = server.post("/v1/chat/completions", json=BODY)
    assert response.status_code == 500
    assert "secret" not in response.text
    assert error_of(response)["type"] == "server_error"
    assert "a secret of the machine" in caplog.text


def test_metrics_count_what_was_done(demo_reader):
    with served(demo_reader) as server:
        server.post("/v1/chat/completions", json=BODY)
        server.post("/v1/chat/completions", content=b"{")
        server.get("/nothing", headers={"Host": "evil.example"})
        text = server.get("/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines['at2_requests_total{status="200"}'] == "1"
    assert lines['at2_requests_total{status="400"}'] == "1"
    assert lines['at2_refused_total{status="403"}'] == "1"
    assert lines["at2_answer_tokens_total"] == "2"
    assert lines["at2_model_seconds_count"] == "1"
    assert lines["at2_busy"] == lines["at2_waiting"] == "0"


def test_limits_are_above_nothing():
    with pytest.raises(InputError, match="waiting is 0"):
        Limits(waiting=0)


def test_an_address_that_is_taken_is_told():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(InputError, match=f"127.0.0.1:{port} cannot be listened at"):
            listen("127.0.0.1", port)


def test_the_server_ends_with_what_is_open(demo_reader):
    """Whoever still streams when it is told to end does not keep it."""
    with slowed(demo_reader, 0.2), served(demo_reader) as server:
        body = {**BODY, "stream": True, "max_tokens": 60}
        with httpx.stream(
            "POST", f"{server.url}/v1/chat/completions", json=body, timeout=PATIENCE
        ) as response:
            next(response.iter_lines())
        metrics = server.service.metrics
    assert metrics.counted("answer_tokens") < 20
