"""Chat engines around the query engine, whole and streamed."""

import asyncio
import json

import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.chat_engine import CondenseQuestionChatEngine
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.postprocessor.at2 import AT2CitationQueryEngine
from support.nodes import nodes_of, scored


class Given(BaseRetriever):
    """Retrieves the same nodes, whatever is asked."""

    def __init__(self, nodes):
        super().__init__()
        self.nodes = nodes

    def _retrieve(self, query_bundle):
        return self.nodes


@pytest.fixture(scope="module")
def asked(worlds):
    return worlds[0], scored(nodes_of(worlds[0]))


@pytest.fixture(scope="module")
def engine(reader, asked):
    _, nodes = asked
    return AT2CitationQueryEngine.from_args(Given(nodes), reader)


@pytest.fixture(scope="module")
def whole(engine, asked):
    return engine.query(asked[0].question)


@pytest.fixture
def chat(engine):
    """A chat that has not begun, so that there is nothing to condense."""
    return CondenseQuestionChatEngine.from_defaults(
        query_engine=engine,
        llm=MockLLM(),
        # The default asks the network for a tokenizer.
        memory=ChatMemoryBuffer.from_defaults(token_limit=4000, tokenizer_fn=str.split),
    )


def check_nodes(source_nodes, whole, nodes):
    """What is cited comes first, as it is numbered and scored; the others come behind it."""
    cited = len(whole.source_nodes)
    assert cited >= 2
    assert [item.node for item in source_nodes[:cited]] == [i.node for i in whole.source_nodes]
    scores = [item.score for item in whole.source_nodes]
    assert [item.score for item in source_nodes[:cited]] == pytest.approx(scores)
    others = [item.node for item in nodes if item.node not in [i.node for i in whole.source_nodes]]
    assert [item.node for item in source_nodes[cited:]] == others
    assert all(item.score is None for item in source_nodes[cited:])


def test_a_chat_has_its_source_nodes(chat, whole, asked):
    response = chat.chat(asked[0].question)
    assert response.response == whole.response
    assert response.source_nodes == whole.source_nodes


def test_a_streamed_chat_has_its_source_nodes(chat, whole, asked):
    response = chat.stream_chat(asked[0].question)
    assert len(response.source_nodes) == len(asked[1])
    assert "".join(response.response_gen) == whole.response
    check_nodes(response.source_nodes, whole, asked[1])
    (output,) = response.sources
    assert [item.node for item in output.raw_output.source_nodes] == [
        item.node for item in whole.source_nodes
    ]
    assert output.raw_output.at2["statements"] == whole.at2["statements"]
    assert chat.chat_history[-1].content == whole.response


def test_a_chat_streamed_asynchronously_has_its_source_nodes(chat, whole, asked):
    async def stream():
        response = await chat.astream_chat(asked[0].question)
        assert len(response.source_nodes) == len(asked[1])
        return response, [text async for text in response.async_response_gen()]

    response, texts = asyncio.run(stream())
    assert "".join(texts) == whole.response
    check_nodes(response.source_nodes, whole, asked[1])


def test_metadata_are_read_as_those_of_any_engine(whole, asked):
    """By node id, each with what the node's metadata say, and nothing else."""
    titles = [about["title"] for about in whole.metadata.values()]
    assert titles == [item.node.metadata["title"] for item in whole.source_nodes]
    assert json.loads(json.dumps(whole.metadata)) == {
        item.node_id: item.node.metadata for item in whole.source_nodes
    }
