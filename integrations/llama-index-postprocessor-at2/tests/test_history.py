"""Earlier messages: calls of tools and what these said go along, and can be cited."""

import json

import pytest
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock, ToolCallBlock
from llama_index.core.bridge.pydantic import BaseModel
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.postprocessor.at2 import AT2Synthesizer
from llama_index.postprocessor.at2.history import history_of
from support.laws import check_response
from support.nodes import nodes_of, scored

from at2_rag import InputError, Reader, ScoreEstimator

CALLED = {
    "id": "call-1",
    "type": "function",
    "function": {"name": "look_up", "arguments": {"title": "x"}},
}
BLOCK = ToolCallBlock(tool_call_id="call-1", tool_name="look_up", tool_kwargs={"title": "x"})


class Function(BaseModel):
    """As OpenAI's client has it."""

    name: str = "look_up"
    arguments: str = '{"title": "x"}'


class Call(BaseModel):
    id: str = "call-1"
    function: Function = Function()


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (ChatMessage("Hi."), {"role": "user", "content": "Hi."}),
        (ChatMessage("Hi.", role="model"), {"role": "assistant", "content": "Hi."}),
        (
            ChatMessage(role="assistant", blocks=[BLOCK]),
            {"role": "assistant", "content": None, "tool_calls": [CALLED]},
        ),
        (
            ChatMessage(role="assistant", blocks=[TextBlock(text="Let me see."), BLOCK]),
            {"role": "assistant", "content": "Let me see.", "tool_calls": [CALLED]},
        ),
        (
            ChatMessage("", role="assistant", additional_kwargs={"tool_calls": [Call()]}),
            {"role": "assistant", "content": None, "tool_calls": [CALLED]},
        ),
        (
            ChatMessage(
                "7 degrees.",
                role="tool",
                additional_kwargs={"name": "look_up", "tool_call_id": "call-1"},
            ),
            {"role": "tool", "content": "7 degrees.", "name": "look_up", "tool_call_id": "call-1"},
        ),
        ({"role": "user", "content": "Hi."}, {"role": "user", "content": "Hi."}),
    ],
    ids=str,
)
def test_messages_are_told_as_chat_templates_take_them(message, told):
    assert history_of([message]) == [told]


def test_arguments_that_are_no_json_stay():
    block = ToolCallBlock(tool_name="look_up", tool_kwargs="title=x")
    (told,) = history_of([ChatMessage(role="assistant", blocks=[block])])
    assert told["tool_calls"] == [
        {"type": "function", "function": {"name": "look_up", "arguments": "title=x"}}
    ]


@pytest.fixture
def looked_up(example):
    """A chat in which a tool has said what one of the nodes says, which is then missing."""
    nodes = scored(nodes_of(example))
    needed = example.supporting_passages[0]
    text = nodes[needed].node.text
    nodes[needed] = NodeWithScore(node=TextNode(text=" "))
    result = {"name": "look_up", "tool_call_id": "call-1"}
    history = [
        ChatMessage("Who leads Zanda?"),
        ChatMessage(role="assistant", blocks=[BLOCK]),
        ChatMessage(text, role="tool", additional_kwargs=result),
    ]
    return nodes, history, text


def test_what_a_tool_said_is_cited(reader, example, looked_up):
    nodes, history, text = looked_up
    # Average attention spreads over all that there is, so the tool's result is cited too.
    average = ScoreEstimator.uniform(reader.model)
    reader = Reader(reader.model, reader.tokenizer, average, source_unit="passage", max_citations=9)
    options = {"source_kinds": ("passage", "tool"), "history": history}
    synthesizer = AT2Synthesizer(reader, options=options)
    response = synthesizer.synthesize(example.question, nodes)
    check_response(response, nodes)
    of_tools = [c for c in response.at2["citations"] if c["kind"] == "tool"]
    assert of_tools
    for c in of_tools:
        assert (c["title"], c["source_id"]) == ("look_up", "history[2]")
        assert text[c["source_start"] : c["source_end"]] == c["text"]
    again = AT2Synthesizer.from_dict(json.loads(json.dumps(synthesizer.to_dict())), reader)
    assert again.synthesize(example.question, nodes).at2 == response.at2
    other = AT2Synthesizer(reader, options={"source_kinds": ("passage", "tool")})
    told = other.synthesize(example.question, nodes, history=history)
    assert told.at2 == response.at2


def test_messages_that_cannot_be_read(reader, example, looked_up):
    nodes, *_ = looked_up
    picture = ChatMessage(blocks=[ImageBlock(url="https://example.org/a.png")])
    call = ChatMessage(role="assistant", additional_kwargs={"tool_calls": [{"name": "look_up"}]})
    for history in (7, [7], [picture], [call]):
        with pytest.raises(InputError, match="history"):
            AT2Synthesizer(reader).synthesize(example.question, nodes, history=history)
