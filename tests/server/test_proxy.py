"""Another server answers and this one cites: nothing that it said is changed or lost."""

import json
from contextlib import contextmanager

import httpx
import pytest
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse
from openai import APIConnectionError, APIError, APIStatusError, AuthenticationError, NotFoundError
from support.serving import (
    ASKED,
    DOCUMENTS,
    PASSAGES,
    QUESTION,
    TEXTS,
    annotations_of_stream,
    error_of,
    posting,
    served,
    slowed,
)

from at2_rag import Passage
from at2_rag.server.heard import Heard
from at2_rag.server.limits import Limits
from at2_rag.server.run import serving
from at2_rag.server.upstream import Upstream

GIVEN = [Passage(**fields) for fields in PASSAGES]
BODY = {"messages": ASKED, "documents": DOCUMENTS}


@pytest.fixture(scope="module")
def other(demo_reader):
    """The server that answers."""
    with served(demo_reader, name="far") as running:
        yield running


@pytest.fixture(scope="module")
def server(demo_reader, other):
    with served(demo_reader, name="near", upstream=Upstream(f"{other.url}/v1")) as running:
        yield running


def complete(server, model="far", **more):
    extra = {"documents": more.pop("documents", DOCUMENTS), **more.pop("extra_body", {})}
    return server.openai.chat.completions.create(
        model=model, messages=more.pop("messages", ASKED), extra_body=extra, **more
    )


def test_what_is_cited_is_what_the_local_model_reads(server, demo_reader):
    completion = complete(server)
    message = completion.choices[0].message
    own = demo_reader.answer(QUESTION, GIVEN)
    cited = demo_reader.attribute(QUESTION, GIVEN, own.text)
    assert message.content == own.text
    assert completion.model == "far"
    assert completion.usage.prompt_tokens == own.prompt_tokens  # it read the documents
    assert completion.at2["scored_by"] == {"model": "near", "estimator": own.estimator}
    assert completion.at2["marked_text"] == cited.marked_text
    found = [(a.url_citation.start_index, a.source["start_index"]) for a in message.annotations]
    assert found == [(c.start, c.source_start) for each in cited.statements for c in each.citations]
    for annotation in message.annotations:
        source = annotation.source
        quoted = TEXTS[source["document_index"]][source["start_index"] : source["end_index"]]
        assert quoted == annotation.url_citation.content


def test_a_stream_adds_up_to_the_whole(server):
    whole = complete(server)
    chunks = list(complete(server, stream=True, stream_options={"include_usage": True}))
    text, annotations = annotations_of_stream(chunks)
    assert text == whole.choices[0].message.content
    assert [(a["url_citation"], a["source"]["number"]) for a in annotations] == [
        (a.url_citation.model_dump(), a.source["number"])
        for a in whole.choices[0].message.annotations
    ]
    kinds = [bool(getattr(c.choices[0].delta, "annotations", None)) for c in chunks if c.choices]
    assert kinds.index(True) == len(kinds) - 2  # behind the text, before the end
    assert chunks[-1].usage == whole.usage
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_request_without_documents_goes_through_as_it_is(server, other):
    messages = [{"role": "user", "content": "Hello."}]
    near = complete(server, messages=messages, documents=None, max_tokens=5)
    far = other.complete(messages, None, max_tokens=5)
    assert near.choices[0].message.content == far.choices[0].message.content
    assert near.usage == far.usage
    assert near.choices[0].message.annotations == []
    assert near.at2["scored_by"] is None


def test_errors_of_the_other_server_are_passed_on(server, other):
    with pytest.raises(NotFoundError) as error:
        complete(server, model="huge")
    with pytest.raises(NotFoundError) as own:
        other.openai.chat.completions.create(model="huge", messages=ASKED)
    assert error.value.body == own.value.body
    too_long = [{"role": "user", "content": "word " * 5000}]
    with pytest.raises(APIStatusError) as error:
        complete(server, messages=too_long, stream=True)
    assert (error.value.status_code, error.value.code) == (400, "context_length_exceeded")


def test_its_models_are_those_of_the_other_server(server):
    assert [model.id for model in server.openai.models.list()] == ["far"]
    assert server.openai.models.retrieve("far").id == "far"
    with pytest.raises(NotFoundError):
        server.openai.models.retrieve("near")


def test_keys_are_passed_on_or_brought_along(demo_reader):
    with served(demo_reader, name="far", token="key") as other:
        address = f"{other.url}/v1"
        with served(demo_reader, upstream=Upstream(address)) as server:
            with pytest.raises(AuthenticationError):
                complete(server, max_tokens=2)
            more = {"extra_headers": {"Authorization": "Bearer key"}, "max_tokens": 2}
            assert complete(server, **more).choices
        with served(demo_reader, upstream=Upstream(address, "key")) as server:
            assert complete(server, max_tokens=2).choices
        silent = Upstream(address, forwards=False)
        with served(demo_reader, upstream=silent) as server, pytest.raises(AuthenticationError):
            complete(server, **more)


def test_a_server_that_is_not_there_is_told(demo_reader):
    with served(demo_reader, upstream=Upstream("http://127.0.0.1:9/v1")) as server:
        response = server.post("/v1/chat/completions", json=BODY)
        assert response.status_code == 502
        assert "cannot be reached" in error_of(response)["message"]
        assert server.get("/v1/models").status_code == 502


def test_a_server_that_takes_too_long_is_told(demo_reader, other):
    upstream = Upstream(f"{other.url}/v1", seconds=0.2)
    with served(demo_reader, upstream=upstream) as server, slowed(demo_reader, 0.4):
        response = server.post("/v1/chat/completions", json=BODY)
    assert response.status_code == 504
    assert error_of(response)["code"] == "upstream_timeout"
    other.until_free()


@pytest.mark.parametrize("stream", [True, False])
def test_who_leaves_leaves_the_other_server_as_well(server, other, stream):
    before = other.service.metrics.counted("cancelled")
    with slowed(other.service.reader, 0.3):  # so that it is still at it when it is told
        with server.socket() as connection:
            connection.sendall(posting("/v1/chat/completions", {**BODY, "stream": stream}))
            if stream:
                connection.recv(1)
            other.until(lambda told: told["busy"])
        other.until_free()
    assert other.service.metrics.counted("cancelled") == before + 1
    server.until_free()


def test_what_was_said_is_not_lost_when_citing_fails(short_reader, other):
    """The local model's context is too short for it."""
    documents = [*DOCUMENTS, "The sea is wide. " * 60]
    with served(short_reader, name="near", upstream=Upstream(f"{other.url}/v1")) as server:
        completion = complete(server, documents=documents, max_tokens=12)
        chunks = list(complete(server, documents=documents, max_tokens=12, stream=True))
    text, annotations = annotations_of_stream(chunks)
    assert text == completion.choices[0].message.content != ""
    assert annotations == completion.choices[0].message.annotations == []
    told = next(c.at2 for c in chunks if getattr(c, "at2", None))
    for about in (completion.at2, told):
        assert about["scored_by"] is None
        assert about["error"]["code"] == "context_length_exceeded"


def test_nor_when_no_more_may_wait(demo_reader, other):
    upstream = Upstream(f"{other.url}/v1")
    with served(demo_reader, upstream=upstream, limits=Limits(waiting=1)) as server:
        with slowed(demo_reader, 0.1), server.socket() as one, server.socket() as two:
            for each in (one, two):
                asking = {"question": QUESTION, "passages": DOCUMENTS}
                each.sendall(posting("/api/answer", asking))
            server.until(lambda told: told["waiting"] == 1)
            completion = complete(server, max_tokens=3)
        assert completion.choices[0].message.content
        assert completion.at2["error"]["code"] == "queue_full"
        server.until_free()


@contextmanager
def scripted(reader, *pieces, kind="text/event-stream", status=200, breaks=False):
    """Serve in front of a server that says what it is told to, and keeps what it was asked."""
    app, asked = FastAPI(), []

    async def said():
        for piece in pieces:
            yield piece if isinstance(piece, bytes) else f"data: {json.dumps(piece)}\n\n".encode()
        if breaks:
            raise ConnectionError

    @app.post("/v1/chat/completions")
    async def complete_it(body: dict) -> Response:
        asked.append(body)
        return StreamingResponse(said(), status, media_type=kind)

    with serving(app, Limits()) as url, served(reader, upstream=Upstream(f"{url}/v1")) as server:
        server.asked = asked
        yield server


def chunk(delta, finish=None, index=0):
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [choice]}  # fmt: skip


SAID = "Vungon is led by Tete Gorun."
RAW = (
    b": a comment\n\n",
    b'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":null}}]}\n\n',
    b'data:{"id":"c",  "choices":[{"index":0,"delta":{"content":"  Vungon is"}}],"x":1}\r\n\r\n',
    'data: {"choices":[{"index":0,"delta":{"content":" led by Tete Gorun. 😀"}}]}\n\n'.encode(),
    b'event: odd\ndata: {"y":2}\n\n',
    b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
    b'data: {"id":"c","choices":[],"usage":{"total_tokens":3}}\n\n',
    b"data: [DONE]\n\n",
)


@pytest.mark.parametrize("cut", [None, 1, 7])
def test_every_byte_of_a_stream_goes_through_unchanged(demo_reader, cut):
    whole = b"".join(RAW)
    pieces = RAW if cut is None else [whole[i : i + cut] for i in range(0, len(whole), cut)]
    with scripted(demo_reader, *pieces) as server:
        sent = server.post("/v1/chat/completions", json={**BODY, "stream": True}).content
    begin, end = b"".join(RAW[:5]), b"".join(RAW[5:])
    assert sent.startswith(begin)
    assert sent.endswith(end)
    added = json.loads(sent[len(begin) : -len(end)].removeprefix(b"data: "))
    assert added["id"] == "c"
    annotations = added["choices"][0]["delta"]["annotations"]
    text = f"  {SAID} 😀"
    assert annotations
    for annotation in annotations:
        place = annotation["url_citation"]
        assert text[place["start_index"] : place["end_index"]].startswith("Vungon is led")


def test_the_documents_go_into_the_question_and_all_else_stays(demo_reader):
    messages = [{"role": "system", "content": "Be brief."}, {**ASKED[0], "name": "me"}]
    body = {"messages": messages, "documents": DOCUMENTS, "at2": {"max_citations": 1}, "top_k": 3,
            "tools": [], "model": "m"}  # fmt: skip
    with scripted(demo_reader, b'{"choices": []}', kind="application/json") as server:
        server.post("/v1/chat/completions", json=body)
        [asked] = server.asked
    prompt = demo_reader.settings.prompt.render(QUESTION, GIVEN, [0, 1, 2])[0]
    assert asked == {
        "messages": [messages[0], {**messages[1], "content": prompt}],
        "top_k": 3, "tools": [], "model": "m",
    }  # fmt: skip


def test_several_answers_are_cited_each(demo_reader):
    pieces = [
        chunk({"content": SAID}),
        chunk({"content": "Nobody"}, index=1),
        chunk({}, "stop"),
        chunk({"content": " leads it."}, index=1),
        chunk({}, "stop", index=1),
        b"data: [DONE]\n\n",
    ]
    with scripted(demo_reader, *pieces) as server:
        chunks = list(complete(server, model="m", n=2, stream=True))
    texts = {0: "", 1: ""}
    cited = set()
    for each in chunks:
        choice = each.choices[0]
        texts[choice.index] += choice.delta.content or ""
        if hasattr(each, "at2"):
            cited.add(choice.index)
    assert texts == {0: SAID, 1: "Nobody leads it."}
    assert cited == {0, 1}


def test_a_server_that_breaks_off_is_told_behind_what_it_said(demo_reader):
    with scripted(demo_reader, chunk({"content": SAID}), breaks=True) as server:
        stream = complete(server, model="m", stream=True)
        assert next(stream).choices[0].delta.content == SAID
        with pytest.raises(APIError, match="broke off"):
            next(stream)


def test_an_error_within_the_other_stream_is_passed_on_and_not_cited(demo_reader):
    failed = {"error": {"message": "Out of memory.", "type": "server_error"}}
    with scripted(demo_reader, chunk({"content": SAID}), failed) as server:
        response = server.post("/v1/chat/completions", json={**BODY, "stream": True})
    assert "Out of memory." in response.text
    assert "annotations" not in response.text


@pytest.mark.parametrize("body", [b"not JSON", b"[]", b'{"choices": [{}]}', b"{}"])
def test_what_is_no_completion_is_passed_on(demo_reader, body):
    with scripted(demo_reader, body, kind="application/json") as server:
        assert server.post("/v1/chat/completions", json=BODY).content == body


def test_its_own_status_and_body_are_those_of_an_error(demo_reader):
    with scripted(demo_reader, b"<h1>Busy</h1>", kind="text/html", status=529) as server:
        response = server.post("/v1/chat/completions", json={**BODY, "stream": True})
    assert (response.status_code, response.content) == (529, b"<h1>Busy</h1>")
    assert response.headers["content-type"].startswith("text/html")


def test_calls_of_tools_and_pictures_are_none_of_its_business(demo_reader):
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    answer = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    messages = [{"role": "user", "content": [picture, {"type": "text", "text": "Look."}]}]
    with scripted(demo_reader, json.dumps(answer).encode(), kind="application/json") as server:
        told = server.post("/v1/chat/completions", json={"messages": messages}).json()
        assert server.asked == [{"messages": messages}]
        refused = server.post(
            "/v1/chat/completions", json={"messages": messages, "documents": ["A."]}
        )
    assert told["choices"][0]["message"]["tool_calls"] == [call]
    assert told["choices"][0]["message"]["annotations"] == []
    assert refused.status_code == 400


def test_thoughts_that_the_other_server_tells_apart_are_heard():
    heard = Heard()
    for delta in ({"reasoning_content": "Hm. "}, {"reasoning": "Ah."}, {"content": "Yes."}):
        assert not heard.hear(f"data: {json.dumps(chunk(delta))}\n\n".encode())
    assert (heard.choices[0].thoughts, heard.choices[0].text) == ("Hm. Ah.", "Yes.")
    assert heard.hear(b"data: [DONE]\n\n")


def test_a_server_behind_two_others(demo_reader, server):
    """Which one may build by mistake, and which cites twice but says everything once."""
    with served(demo_reader, upstream=Upstream(f"{server.url}/v1")) as outer:
        text, annotations = annotations_of_stream(complete(outer, stream=True))
    assert text == complete(server).choices[0].message.content
    assert annotations


def test_nothing_is_left_open(server, other):
    with pytest.raises((APIConnectionError, httpx.HTTPError)):
        server.openai.with_options(timeout=0.001).chat.completions.create(
            model="far", messages=ASKED
        )
    server.until_free()
    other.until_free()
