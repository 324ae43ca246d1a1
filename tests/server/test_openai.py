"""Chat completions through the official client: whole and in chunks, with citations in both."""

import json

import httpx
import pytest
from openai import APIError, BadRequestError, NotFoundError
from support.serving import ASKED, DOCUMENTS, PASSAGES, QUESTION, TEXTS, error_of, served

from at2_rag import Passage, Reader, ThinkingMarkers


@pytest.fixture(scope="module")
def server(demo_reader):
    with served(demo_reader) as running:
        yield running


@pytest.fixture(scope="module")
def own(demo_reader):
    """What the reader answers without a server."""
    return demo_reader.answer(QUESTION, [Passage(**fields) for fields in PASSAGES])


@pytest.fixture(scope="module")
def whole(server):
    return server.complete()


def annotations_of(completion):
    return completion.choices[0].message.annotations


def places_of(annotations):
    """Return where answers and documents are tied to each other."""
    return [
        (
            (a.url_citation.start_index, a.url_citation.end_index),
            (a.source["document_index"], a.source["start_index"], a.source["end_index"]),
        )
        for a in annotations
    ]


def test_the_answer_is_the_readers(whole, own):
    message = whole.choices[0].message
    assert message.content == own.text
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage.prompt_tokens == own.prompt_tokens
    assert whole.usage.completion_tokens == own.answer_tokens
    assert places_of(message.annotations) == [
        ((c.start, c.end), (c.passage_index, c.source_start, c.source_end))
        for statement in own.statements
        for c in statement.citations
    ]
    assert whole.at2["marked_text"] == own.marked_text
    assert whole.at2["scored_by"] == {"model": "tiny", "estimator": own.estimator}


def test_offsets_of_both_sides_are_exact(whole):
    text, found = whole.choices[0].message.content, annotations_of(whole)
    assert found
    for annotation in found:
        citation, source = annotation.url_citation, annotation.source
        quoted = TEXTS[source["document_index"]][source["start_index"] : source["end_index"]]
        assert annotation.type == "url_citation"
        assert quoted == citation.content
        assert text[citation.start_index : citation.end_index].strip()
    cited = {a.source["document_id"]: a.url_citation.url for a in found}
    assert cited["vungon"] == "https://example.org/vungon"
    assert cited[None] == "document:2"


def test_a_stream_adds_up_to_the_whole(server, whole):
    chunks = list(server.complete(stream=True, stream_options={"include_usage": True}))
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == whole.choices[0].message.content
    streamed = [a for delta in deltas for a in getattr(delta, "annotations", None) or ()]
    assert [(a["url_citation"], a["source"]["number"]) for a in streamed] == [
        (a.url_citation.model_dump(), a.source["number"]) for a in annotations_of(whole)
    ]
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage == whole.usage
    assert chunks[-2].at2["statements"] == whole.at2["statements"]
    assert len({chunk.id for chunk in chunks}) == 1


@pytest.mark.parametrize("late", [{"prove": 2}, {"groundedness": True}, {"score_by": "gradient"}])
def test_text_streams_though_citations_come_at_the_end(server, late):
    whole = server.complete(extra_body={"at2": late})
    chunks = list(server.complete(stream=True, extra_body={"at2": late}))
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    said = [index for index, delta in enumerate(deltas) if delta.content]
    cited = [index for index, delta in enumerate(deltas) if getattr(delta, "annotations", None)]
    assert "".join(deltas[index].content for index in said) == whole.choices[0].message.content
    assert len(said) > 3
    assert said[-1] < cited[0]
    found = [a["url_citation"] for index in cited for a in deltas[index].annotations]
    assert found == [a.url_citation.model_dump() for a in annotations_of(whole)]


def test_citations_come_as_soon_as_their_statement_has_ended(server):
    text = ""
    for chunk in server.complete(stream=True):
        delta = chunk.choices[0].delta
        text += delta.content or ""
        for annotation in getattr(delta, "annotations", None) or ():
            assert annotation["url_citation"]["end_index"] == len(text)


@pytest.mark.parametrize(
    "documents",
    [
        PASSAGES,
        [{"id": each.get("id"), "data": each} for each in PASSAGES],
        [{"doc_id": each.get("id"), **each, "contents": each["text"], "text": None}
         for each in PASSAGES],
        [{"snippet" if key == "text" else key: value for key, value in each.items()}
         for each in PASSAGES],
    ],
    ids=["flat", "cohere", "contents", "snippet"],
)  # fmt: skip
def test_documents_come_in_the_shapes_of_others(server, whole, documents):
    found = server.complete(documents=documents)
    assert found.choices[0].message == whole.choices[0].message


def test_tools_results_are_documents(server):
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "search", "arguments": '{"query": "Vungon"}'},
    }
    found = "Vungon is a city whose mayor is Tete Gorun. She was born in the city of Nengos."
    messages = [
        *ASKED,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": found},
    ]
    completion = server.complete(messages, None)
    cited = annotations_of(completion)
    assert cited
    for annotation in cited:
        source = annotation.source
        assert source["kind"] == "tool"
        assert source["document_id"] == "history[2]"
        assert found[source["start_index"] : source["end_index"]] == (
            annotation.url_citation.content
        )


def test_earlier_messages_stay_in_front(server, demo_reader):
    history = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Who leads Bridira?"},
        {"role": "assistant", "content": "Nuke Gunmes."},
    ]
    completion = server.complete([*history, *ASKED])
    own = demo_reader.answer(QUESTION, [Passage(**p) for p in PASSAGES], history=history)
    assert completion.choices[0].message.content == own.text
    assert completion.usage.prompt_tokens == own.prompt_tokens


def test_a_chat_without_documents_is_answered_without_citations(server):
    completion = server.complete([{"role": "user", "content": "Hello."}], None, max_tokens=4)
    assert annotations_of(completion) == []
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage.completion_tokens == 4


def test_thoughts_come_apart_from_the_answer(demo_reader):
    thinker = demo_reader.with_options(thinking=ThinkingMarkers("", " Final answer: "))
    with served(thinker) as server:
        completion = server.complete()
        message = completion.choices[0].message
        chunks = list(server.complete(stream=True))
    assert message.content == "Nengos"
    assert message.reasoning_content.startswith("The mayor of Vungon is Tete Gorun.")
    kinds = {annotation.source["kind"] for annotation in message.annotations}
    assert kinds == {"passage", "thought"}
    thought = (getattr(c.choices[0].delta, "reasoning_content", None) or "" for c in chunks)
    assert "".join(thought) == message.reasoning_content


def test_one_may_sample_with_a_seed(server):
    options = {"temperature": 1.5, "max_tokens": 12, "documents": None}
    messages = [{"role": "user", "content": "Tell me anything."}]
    texts = [
        server.complete(messages, seed=seed, **options).choices[0].message.content
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("late", [{}, {"groundedness": True}])
def test_an_answer_may_be_told_where_to_end(server, whole, late):
    options = {"stop": ["Gorun."], "extra_body": {"at2": late}}
    [choice] = server.complete(**options).choices
    assert (choice.message.content, choice.finish_reason) == ("The mayor of Vungon is Tete", "stop")
    assert whole.choices[0].message.content.startswith(choice.message.content)
    deltas = [c.choices[0].delta for c in server.complete(stream=True, **options) if c.choices]
    assert "".join(delta.content or "" for delta in deltas) == choice.message.content


def test_settings_go_with_the_request(server, demo_reader):
    options = {"source_unit": "passage", "prune_to": 2}
    completion = server.complete(extra_body={"at2": options})
    own = demo_reader.answer(QUESTION, [Passage(**p) for p in PASSAGES], **options)
    assert completion.at2["kept"] == list(own.kept)
    assert len(own.kept) == 2
    for annotation in annotations_of(completion):
        assert annotation.url_citation.content == TEXTS[annotation.source["document_index"]]


def test_there_is_one_model(server):
    assert [model.id for model in server.openai.models.list()] == ["tiny"]
    assert server.openai.models.retrieve("tiny").id == "tiny"
    with pytest.raises(NotFoundError, match="no model 'huge'; expected 'tiny'"):
        server.openai.models.retrieve("huge")
    with pytest.raises(NotFoundError) as error:
        server.openai.chat.completions.create(model="huge", messages=ASKED)
    assert error.value.code == "model_not_found"


def test_a_models_name_is_not_a_path(golden_reader):
    assert "/" in golden_reader.model.name_or_path
    with served(golden_reader, name=None) as server:
        name = server.health()["model"]
        answered = server.post(
            "/api/answer",
            json={"question": "Who?", "passages": ["I."], "stream": False,
                  "options": {"max_new_tokens": 2}},
        )  # fmt: skip
    assert "/" not in name
    assert answered.json()["answer"]["model"] == name
    assert golden_reader.model.name_or_path not in answered.text


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"prov": 1}, "at2.prov is not known here. Did you mean prove?"),
        ({"zzz": 1}, "at2.zzz is not known here. Leave it out."),
    ],
)
def test_options_that_nobody_knows_are_told(server, options, told):
    response = server.post("/v1/chat/completions", json={"messages": ASKED, "at2": options})
    assert error_of(response)["message"] == told


def test_what_does_not_fit_is_told_before_a_stream_begins(short_reader):
    with served(short_reader) as server:
        for stream in (False, True):
            with pytest.raises(BadRequestError, match="tokens") as error:
                server.complete(documents=["word " * 900], stream=stream)
            assert error.value.code == "context_length_exceeded"


BROKEN = {
    "no messages": ({"messages": []}, "messages"),
    "a message without a role": ({"messages": [{"content": "Hi"}]}, "messages[0]"),
    "a message without text": ({"messages": [{"role": "user"}]}, "messages[0]"),
    "a picture": (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "messages[0]",
    ),
    "the model's own last word": (
        {"messages": [*ASKED, {"role": "assistant", "content": "The"}]},
        "messages",
    ),
    "a blank question": ({"messages": [{"role": "user", "content": " "}]}, "messages[0]"),
    "an end that is a number": ({"messages": ASKED, "stop": 5}, "stop"),
    "a document that is a number": ({"messages": ASKED, "documents": [3]}, "documents[0]"),
    "a document without text": ({"messages": ASKED, "documents": [{"x": "y"}]}, "documents[0]"),
    "a document whose text is none": (
        {"messages": ASKED, "documents": ["Yes.", {"text": 5}]},
        "documents[1]",
    ),
    "two documents with one id": (
        {"messages": ASKED, "documents": [{"id": "a", "text": "A."}, {"id": "a", "text": "B."}]},
        None,
    ),
    "a misspelt setting": ({"messages": ASKED, "at2": {"max_citation": 1}}, "at2.max_citation"),
    "a setting of no kind": ({"messages": ASKED, "at2": {"source_unit": "page"}},
                             "at2.source_unit"),
    "several answers": ({"messages": ASKED, "n": 2}, "n"),
    "no tokens": ({"messages": ASKED, "max_tokens": 0}, "max_tokens"),
    "half a character": ({"messages": [{"role": "user", "content": "\ud800"}]}, None),
}  # fmt: skip


@pytest.mark.parametrize(("body", "param"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_asked_is_refused_in_words(server, body, param, stream):
    sent = json.dumps({**body, "stream": stream})
    kind = {"Content-Type": "application/json"}
    response = server.post("/v1/chat/completions", content=sent, headers=kind)
    assert response.status_code == 400
    error = error_of(response)
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param


def test_an_error_behind_the_first_chunk_is_one_for_the_client(server, monkeypatch):
    """Such as a model that produces no numbers any more."""
    embedding = server.service.reader.model.get_input_embeddings()
    calls = []

    def spoil(module, arguments, output):
        calls.append(None)
        return output * float("nan") if len(calls) > 6 else output

    handle = embedding.register_forward_hook(spoil)
    try:
        stream = server.complete(stream=True)
        with pytest.raises(APIError, match="NaN"):
            list(stream)
    finally:
        handle.remove()


OPEN_WEBUI = """### Task:
Respond to the user query using the provided context, incorporating inline citations in the format \
[id] **only when the <source> tag includes an explicit id attribute**.

<context>
<source id="1" name="bridira.md">{}</source>
<source id="2" name="vungon.md">{}</source>
<source id="3">{}</source>
</context>

{}"""


def test_a_request_as_open_webui_sends_it(server):
    """Passages that it retrieved are in the user's message, in tags; see docs/serving.md."""
    body = {
        "model": "tiny",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [
            {"role": "system", "content": "User Context:\n\nToday is Monday."},
            {"role": "user", "content": OPEN_WEBUI.format(*TEXTS, QUESTION)},
        ],
        "temperature": 0,
    }
    chunks = list(server.openai.chat.completions.create(**body))
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    annotations = [a for delta in deltas for a in getattr(delta, "annotations", None) or ()]
    assert annotations
    for annotation in annotations:
        source = annotation["source"]
        text = TEXTS[source["document_index"]][source["start_index"] : source["end_index"]]
        assert text == annotation["url_citation"]["content"]
    assert "vungon.md" in {a["url_citation"]["title"] for a in annotations}
    assert "Nengos" in "".join(delta.content or "" for delta in deltas)


@pytest.mark.parametrize("role", ["system", "developer"])
def test_open_webui_may_put_passages_into_the_system_prompt(server, whole, role):
    context = OPEN_WEBUI.format(*TEXTS, "").strip()
    completion = server.complete([{"role": role, "content": context}, *ASKED], None)
    sources = [a.source["document_index"] for a in annotations_of(completion)]
    assert sources
    assert "source" not in completion.choices[0].message.content


def test_a_request_as_librechat_sends_it(server):
    """Parts of text, tools, and what they found in files, as its agents have it."""
    found = f"File: vungon.md\nRelevance: 0.9\nContent: {TEXTS[1]}\n\n{TEXTS[2]}"
    tool = {"type": "function", "function": {"name": "file_search", "parameters": {}}}
    call = {
        "id": "call_abc",
        "type": "function",
        "function": {"name": "file_search", "arguments": '{"query":"mayor of Vungon"}'},
    }
    body = {
        "model": "tiny",
        "user": "66f0",
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [tool],
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Use the file_search tool."}]},
            {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_abc", "name": "file_search", "content": found},
        ],
    }
    chunks = list(server.openai.chat.completions.create(**body))
    annotations = [
        a for c in chunks if c.choices
        for a in getattr(c.choices[0].delta, "annotations", None) or ()
    ]  # fmt: skip
    assert annotations
    for annotation in annotations:
        source = annotation["source"]
        assert source["kind"] == "tool"
        quoted = found[source["start_index"] : source["end_index"]]
        assert quoted == annotation["url_citation"]["content"]


def test_the_stream_is_what_openai_documents(server):
    """Lines of data, then the word that ends it; nothing keeps it on the way."""
    body = {"messages": ASKED, "documents": DOCUMENTS, "stream": True, "max_tokens": 3}
    response = server.post("/v1/chat/completions", json=body)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    blocks = [block for block in response.text.split("\n\n") if block]
    assert all(block.startswith("data: ") and "\n" not in block for block in blocks)
    assert blocks[-1] == "data: [DONE]"


def test_the_schema_is_there_and_no_page_loads_scripts_from_elsewhere(server):
    paths = server.get("/openapi.json").json()["paths"]
    assert {"/v1/chat/completions", "/api/answer", "/api/prune", "/health"} <= set(paths)
    assert isinstance(server.get("/docs"), httpx.Response)
    assert server.get("/docs").status_code == 404


def test_a_reader_of_ones_own_is_served_as_it_is(demo_reader):
    brief = demo_reader.with_options(max_new_tokens=3)
    assert isinstance(brief, Reader)
    with served(brief) as server:
        assert server.complete().usage.completion_tokens == 3
