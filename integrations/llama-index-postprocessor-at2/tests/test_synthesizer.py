"""AT2Synthesizer: what a response has, whole and streaming, and the reader's prompt."""

import asyncio
import json

import pytest
from llama_index.core.base.response.schema import (
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation.events.synthesis import (
    SynthesizeEndEvent,
    SynthesizeStartEvent,
)
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.postprocessor.at2 import AT2Response, AT2Synthesizer
from support.laws import Unchanged, check_response, check_same
from support.listening import listening, logged
from support.nodes import nodes_of, scored

from at2_rag import ContextOverflowError, InputError, Reader


@pytest.fixture(scope="module")
def asked(worlds):
    return worlds[0], scored(nodes_of(worlds[0]))


@pytest.fixture(scope="module")
def whole(reader, asked):
    example, nodes = asked
    with Unchanged(nodes):
        return AT2Synthesizer(reader=reader).synthesize(example.question, nodes)


def test_the_response(reader, asked, whole):
    example, nodes = asked
    assert type(whole) is AT2Response
    assert isinstance(whole, Response)
    check_response(whole, nodes)
    answer = reader.answer(example.question, example.passages)
    assert [s["text"] for s in whole.at2["statements"]] == [s.text for s in answer.statements]
    assert whole.at2["model"] == reader.name
    assert whole.at2["prompt_tokens"] == answer.prompt_tokens
    assert whole.at2["kept"] == [item.node_id for item in nodes]
    scores = dict(answer.ranked_passages)
    for item in whole.source_nodes:
        index = next(i for i, given in enumerate(nodes) if given.node is item.node)
        assert item.score == pytest.approx(scores[index])


def test_effects_of_proven_citations_are_told(reader, asked, whole):
    example, nodes = asked
    options = {"prove": 3}
    proven = AT2Synthesizer(reader, options=options).synthesize(example.question, nodes)
    check_response(proven, nodes)
    answer = reader.answer(example.question, example.passages, prove=3)
    effects = [c.effect for statement in answer.statements for c in statement.citations]
    assert effects
    assert [c["effect"] for c in proven.at2["citations"]] == effects
    assert all(c["effect"] is None for c in whole.at2["citations"])
    streaming = AT2Synthesizer(reader, options=options, streaming=True)
    check_same(streaming.synthesize(example.question, nodes).get_response(), proven)


def test_the_needed_nodes_are_cited(reader, worlds):
    found = 0
    for example in worlds[:4]:
        nodes = scored(nodes_of(example))
        response = AT2Synthesizer(reader).synthesize(QueryBundle(example.question), nodes)
        check_response(response, nodes)
        cited = {c["node_index"] for c in response.at2["citations"]}
        found += set(example.supporting_passages) <= cited
    assert found >= 3


def test_streaming_is_the_whole_in_pieces(reader, asked, whole):
    example, nodes = asked
    response = AT2Synthesizer(reader, streaming=True).synthesize(example.question, nodes)
    assert isinstance(response, StreamingResponse)
    seen = ""
    for piece in response.response_gen:
        seen += piece
        numbers = {c["number"] for c in response.at2["citations"]}
        assert all((f"[{n}]" in seen) == (n in numbers) for n in range(1, 7))
        cited = [response.source_nodes[n - 1].node_id for n in sorted(numbers)]
        assert cited == list(dict.fromkeys(c["node_id"] for c in response.at2["citations"]))
        others = [item.node_id for item in response.source_nodes[len(numbers) :]]
        assert others == [item.node_id for item in nodes if item.node_id not in cited]
    check_same(AT2Response(seen, response.source_nodes, response.metadata, response.at2), whole)


def test_what_is_proven_streams_with_its_markers_at_the_end(reader, asked):
    example, nodes = asked
    options = {"options": {"prove": 2}}
    whole = AT2Synthesizer(reader, **options).synthesize(example.question, nodes)
    streamed = AT2Synthesizer(reader, streaming=True, **options).synthesize(example.question, nodes)
    check_same(streamed.get_response(), whole)


def test_streaming_responses_become_responses(reader, asked, whole):
    example, nodes = asked
    synthesizer = AT2Synthesizer(reader, streaming=True)
    check_same(synthesizer.synthesize(example.question, nodes).get_response(), whole)

    async def stream():
        response = await synthesizer.asynthesize(example.question, nodes)
        assert isinstance(response, AsyncStreamingResponse)
        pieces = [piece async for piece in response.async_response_gen()]
        assert len(pieces) > len(response.at2["statements"])
        assert "".join(pieces) == whole.response
        return await response.get_response()

    check_same(asyncio.run(stream()), whole)


def test_async_is_the_same(reader, asked, whole):
    example, nodes = asked
    assert asyncio.run(AT2Synthesizer(reader).asynthesize(example.question, nodes)) == whole


def test_text_chunks_are_answered_from_too(reader, asked, whole):
    example, nodes = asked
    # The heading is what the titles were.
    chunks = [f"{item.node.metadata['title']}\n{item.node.text}" for item in nodes]
    texts = [AT2Synthesizer(reader).get_response(example.question, chunks)]
    texts.append(asyncio.run(AT2Synthesizer(reader).aget_response(example.question, chunks)))
    texts.append(
        "".join(AT2Synthesizer(reader, streaming=True).get_response(example.question, chunks))
    )
    assert texts[0] == texts[1] == texts[2]
    assert texts[0].startswith(whole.at2["statements"][0]["text"])
    assert "[1]" in texts[0]


def test_pruning_answers_from_fewer_nodes(reader, asked):
    example, nodes = asked
    response = AT2Synthesizer(reader, prune_to=2).synthesize(example.question, nodes)
    check_response(response, nodes)
    assert len(response.at2["kept"]) == 2
    pair = [nodes[i] for i in sorted(example.supporting_passages)]
    few = AT2Synthesizer(reader, prune_to=4).synthesize(example.question, pair)
    assert len(few.at2["kept"]) == 2


def test_without_nodes_it_says_so_or_answers_where_asked(reader, asked):
    example, _ = asked
    for given in ([], [NodeWithScore(node=TextNode(text=" "))]):
        assert AT2Synthesizer(reader).synthesize(example.question, given).response == (
            "Empty Response"
        )
        options = {"on_empty": "answer", "max_new_tokens": 4}
        response = AT2Synthesizer(reader, options=options).synthesize(example.question, given)
        assert response.at2["answer_tokens"] > 0
        assert response.source_nodes == []
        with pytest.raises(ValueError, match=r"No passages|are empty"):
            AT2Synthesizer(reader).synthesize(example.question, given, on_empty="error")


def test_nodes_may_come_in_any_iterable_and_have_scores(reader, asked, whole):
    example, nodes = asked
    assert AT2Synthesizer(reader).synthesize(example.question, iter(nodes)) == whole
    with pytest.raises(TypeError, match=r"nodes\[0\] is a TextNode; expected a NodeWithScore"):
        AT2Synthesizer(reader).synthesize(example.question, [nodes[0].node])


def test_options_are_the_readers(reader, asked):
    example, nodes = asked
    synthesizer = AT2Synthesizer(reader, options={"max_citations": 1, "source_unit": "passage"})
    response = synthesizer.synthesize(example.question, nodes, max_new_tokens=8)
    check_response(response, nodes)
    assert all(len(s["numbers"]) <= 1 for s in response.at2["statements"])
    assert response.at2["truncated"]
    texts = {item.node.text for item in nodes}
    assert all(c["text"] in texts for c in response.at2["citations"])


def test_additional_nodes_come_behind(reader, asked, whole):
    example, nodes = asked
    extra = NodeWithScore(node=TextNode(text="More.", metadata={"a": 1}), score=0.5)
    response = AT2Synthesizer(reader).synthesize(example.question, nodes, [extra])
    assert response.source_nodes == [*whole.source_nodes, extra]
    assert response.metadata[extra.node_id] == {"a": 1}


def test_odd_nodes_do_no_harm(reader, asked):
    """Empty ones, the same one twice, and metadata that is no JSON."""
    example, nodes = asked
    odd = [
        item.model_copy(
            update={"node": item.node.model_copy(update={"metadata": {"title": 7, "x": {1, b"2"}}})}
        )
        for item in nodes
    ]
    empty = NodeWithScore(node=TextNode(text=" "))
    mixed = [empty, *odd, odd[0]]
    with Unchanged(mixed):
        response = AT2Synthesizer(reader).synthesize(example.question, mixed)
    check_response(response, mixed)
    assert empty.node_id not in response.at2["kept"]
    assert len(response.at2["kept"]) == len(nodes) + 1
    assert {c["title"] for c in response.at2["citations"]} == {None}


@pytest.mark.parametrize("texts", [[], [""], [" ", "\n"]])
def test_nothing_to_read(reader, texts):
    nodes = [NodeWithScore(node=TextNode(text=text)) for text in texts]
    assert AT2Synthesizer(reader).synthesize("Who?", nodes).response == "Empty Response"
    streaming = AT2Synthesizer(reader, streaming=True, empty_response="Nothing.")
    assert str(streaming.synthesize("Who?", nodes)) == "Nothing."
    assert asyncio.run(AT2Synthesizer(reader).asynthesize("Who?", nodes)).source_nodes == []

    async def stream():
        return await (await streaming.asynthesize("Who?", nodes)).get_response()

    assert asyncio.run(stream()).response == "Nothing."


def test_listeners_are_told(reader, asked, whole):
    example, nodes = asked
    log, manager = logged()
    synthesizer = AT2Synthesizer(reader, callback_manager=manager)
    with listening() as events:
        synthesizer.synthesize(example.question, nodes)
    told = [e for e in events if isinstance(e, SynthesizeStartEvent | SynthesizeEndEvent)]
    assert [type(e) for e in told] == [SynthesizeStartEvent, SynthesizeEndEvent]
    assert told[1].response.response == whole.response
    (_, begun), (_, ended) = log.of(CBEventType.SYNTHESIZE)
    assert begun[EventPayload.QUERY_STR] == example.question
    assert ended[EventPayload.RESPONSE] == whole


def test_failures_are_told_and_clear(reader, asked):
    _, nodes = asked
    log, manager = logged()
    long = NodeWithScore(node=TextNode(text="word " * 5000))
    with pytest.raises(ContextOverflowError):
        AT2Synthesizer(reader, callback_manager=manager).synthesize("Who?", [*nodes, long])
    assert [when for when, _ in log.of(CBEventType.SYNTHESIZE)] == ["start", "end"]
    dropping = AT2Synthesizer(reader, options={"on_overflow": "drop", "max_new_tokens": 8})
    response = dropping.synthesize("Who?", [*nodes, long])
    assert response.at2["dropped"] == [long.node_id]
    with pytest.raises(InputError, match="question"):
        AT2Synthesizer(reader).synthesize("", nodes)


def test_a_reader_may_be_shown_the_best_nodes_only(reader, asked):
    example, nodes = asked
    few = AT2Synthesizer(reader, options={"max_passages": 2})
    at2 = few.synthesize(example.question, nodes).at2
    assert (len(at2["kept"]), len(at2["dropped"])) == (2, len(nodes) - 2)
    best = [each for each in nodes if each.node.node_id in at2["kept"]]
    alone = AT2Synthesizer(reader).synthesize(example.question, best)
    assert alone.response == few.synthesize(example.question, nodes).response


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"prune_to": 0}, "prune_to is 0"),
        ({"options": {"max_citations": 0}}, "max_citations is 0"),
        ({"options": {"history": (), "max_new_token": 1}}, "did you mean max_new_tokens"),
        ({"options": {"prompt": "{passages}"}}, "expected any of .from-passages"),
        ({"metadata_mode": "some"}, "MetadataMode"),
    ],
)
def test_wrong_arguments(reader, wrong, message):
    with pytest.raises(ValueError, match=message):
        AT2Synthesizer(reader, **wrong)


def test_a_reader_is_needed():
    with pytest.raises(TypeError, match="expected an at2_rag"):
        AT2Synthesizer("gpt2")


def test_serialisation(reader):
    options = {"max_citations": 2, "system": "Be brief."}
    synthesizer = AT2Synthesizer(reader, prune_to=2, options=options, streaming=True)
    data = json.loads(json.dumps(synthesizer.to_dict()))
    assert (data["class_name"], data["model"]) == ("AT2Synthesizer", reader.name)
    again = AT2Synthesizer.from_dict(data, reader)
    assert again.to_dict() == data
    assert again.get_prompts() == synthesizer.get_prompts()


def test_the_stand_in_completes_nothing(reader):
    llm = AT2Synthesizer(reader).llm
    assert llm.metadata.model_name == reader.name
    assert llm.metadata.context_window == 2048
    for ask in (llm.complete, llm.stream_complete):
        with pytest.raises(NotImplementedError, match="completes nothing"):
            ask("Hello")


def test_a_reader_with_other_settings_is_read_as_it_is(reader):
    terse = Reader(reader.model, reader.tokenizer, reader.estimator, system="Be brief.")
    prompt = AT2Synthesizer(terse).get_prompts()["text_qa_template"]
    assert prompt.message_templates[0].content == "Be brief."
