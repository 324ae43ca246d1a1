"""Reasoning models: thoughts are no text of the response, and no node."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.postprocessor.at2 import AT2Postprocessor, AT2Response, AT2Synthesizer
from llama_index.postprocessor.at2.cited import CitedResponse, events_of
from support.laws import check_response, check_same
from support.nodes import nodes_of, scored
from support.rounding import close

from at2_rag import Thinking


@pytest.fixture(scope="module")
def asked(worlds):
    return worlds[0], scored(nodes_of(worlds[0]))


@pytest.fixture(scope="module")
def answer(thinking, worlds):
    """What the reader itself answers."""
    return thinking.answer(worlds[0].question, worlds[0].passages)


@pytest.fixture(scope="module")
def whole(thinking, asked):
    example, nodes = asked
    return AT2Synthesizer(thinking).synthesize(example.question, nodes)


def kinds_of(response):
    return {c["kind"] for c in response.at2["citations"]}


def without_markers(response):
    text = response.response
    for number in range(1, len(response.source_nodes) + 1):
        text = text.replace(f"[{number}]", "")
    return text


def test_the_text_is_the_response_alone(asked, whole, answer):
    example, nodes = asked
    check_response(whole, nodes)
    assert without_markers(whole) == answer.text == example.final_answer
    assert whole.at2["thoughts"] == {"text": answer.thoughts.text, "finished": True}


def test_thoughts_are_cited_without_a_number(asked, whole, answer):
    _, nodes = asked
    assert kinds_of(whole) == {"passage", "thought"}
    expected = [c for s in answer.statements for c in s.citations]
    largest = max(citation.score for citation in expected)
    for record, citation in zip(whole.at2["citations"], expected, strict=True):
        assert record["kind"] == citation.kind
        assert (record["via"], record["via_thought"]) == (citation.via, citation.via_thought)
        assert record["source_id"] == citation.passage_id
        assert record["score"] == close(citation.score, largest)
    assert any(record["via_thought"] is not None for record in whole.at2["citations"])
    assert {id(item.node) for item in whole.source_nodes} <= {id(item.node) for item in nodes}
    scores = dict(answer.ranked_passages)
    for record in whole.at2["citations"]:
        if record["kind"] == "passage":
            source = whole.source_nodes[record["number"] - 1]
            assert source.score == close(scores[record["node_index"]], max(scores.values()))


@pytest.mark.parametrize("options", [{}, {"prune_to": 3}])
def test_streaming_is_the_whole_in_pieces(thinking, asked, options):
    example, nodes = asked
    expected = AT2Synthesizer(thinking, **options).synthesize(example.question, nodes)
    check_response(expected, nodes)
    streaming = AT2Synthesizer(thinking, streaming=True, **options)
    response = streaming.synthesize(example.question, nodes)
    seen = ""
    for piece in response.response_gen:
        assert piece
        seen += piece
        assert response.at2["thoughts"]["text"] == expected.at2["thoughts"]["text"]
    check_same(AT2Response(seen, response.source_nodes, response.metadata, response.at2), expected)

    async def stream():
        return await (await streaming.asynthesize(example.question, nodes)).get_response()

    check_same(asyncio.run(stream()), expected)


def test_a_model_that_is_cut_off_in_its_thoughts(thinking, asked, answer):
    example, nodes = asked
    cut_off = AT2Synthesizer(thinking, options={"max_new_tokens": 6})
    response = cut_off.synthesize(example.question, nodes)
    check_response(response, nodes)
    assert response.response == ""
    assert response.at2["thoughts"]["finished"] is False
    assert answer.thoughts.text.startswith(response.at2["thoughts"]["text"])
    assert response.at2["truncated"]
    streaming = AT2Synthesizer(thinking, streaming=True, options={"max_new_tokens": 6})
    streamed = streaming.synthesize(example.question, nodes)
    assert list(streamed.response_gen) == []
    assert streamed.at2 == response.at2
    assert streamed.metadata == response.metadata == {}


def test_a_model_that_does_not_think(reader, asked):
    example, nodes = asked
    response = AT2Synthesizer(reader).synthesize(example.question, nodes)
    assert response.at2["thoughts"] is None
    assert kinds_of(response) == {"passage"}


def test_nodes_are_not_mixed_up(thinking, asked):
    """Nor with empty ones among them, and one twice."""
    example, nodes = asked
    empty = NodeWithScore(node=TextNode(id_="thoughts", text=" "))
    mixed = [empty, *nodes, nodes[0], empty]
    response = AT2Synthesizer(thinking).synthesize(example.question, mixed)
    check_response(response, mixed)
    assert "thought" in kinds_of(response)


@given(cuts=st.lists(st.integers(0, 1000), max_size=10).map(sorted))
def test_thoughts_in_any_pieces_are_the_whole(asked, answer, cuts):
    _, nodes = asked
    thoughts = answer.thoughts.text
    pieces, at_once = CitedResponse(nodes), CitedResponse(nodes)
    edges = [0, *(min(cut, len(thoughts)) for cut in cuts), len(thoughts)]
    for start, end in pairwise(edges):
        assert pieces.add(Thinking(thoughts[start:end])) == ""
        assert pieces.metadata["thoughts"] == {"text": thoughts[:end], "finished": False}
    for event in events_of(answer):
        assert pieces.add(event) == at_once.add(event)
    assert pieces.text == at_once.text
    assert pieces.metadata == at_once.metadata
    assert pieces.source_nodes == at_once.source_nodes


def test_nodes_are_ranked_by_thoughts_too(thinking, asked, answer):
    example, nodes = asked
    postprocessor = AT2Postprocessor(thinking, top_n=2)
    kept = postprocessor.postprocess_nodes(nodes, QueryBundle(example.question))
    ranked = answer.ranked_passages[:2]
    assert [item.node for item in kept] == [nodes[index].node for index, _ in ranked]
    assert [item.score for item in kept] == pytest.approx([score for _, score in ranked])


def test_in_a_query_engine(thinking, asked, whole):
    example, nodes = asked

    class Given(BaseRetriever):
        def _retrieve(self, query_bundle):
            return nodes

    engine = RetrieverQueryEngine(Given(), response_synthesizer=AT2Synthesizer(thinking))
    check_same(engine.query(example.question), whole)
