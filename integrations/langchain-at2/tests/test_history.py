"""Earlier messages: calls of tools and what these said go along, and can be cited."""

import pytest
from at2_rag import InputError
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    message_chunk_to_message,
)
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import MessagesState
from support.laws import check_message, check_same

from langchain_at2 import AT2CitedAnswer, AT2Citer, citations_of, cite_node, references_text
from langchain_at2.history import read_history

CALL = {"name": "look_up", "args": {"title": "x", "deep": {"n": 1}}, "id": "call-1"}
CALLED = {
    "id": "call-1",
    "type": "function",
    "function": {"name": "look_up", "arguments": {"title": "x", "deep": {"n": 1}}},
}
SOURCES = {"source_kinds": ("passage", "tool", "message", "system")}


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (HumanMessage("Hi."), {"role": "user", "content": "Hi."}),
        (SystemMessage("Be brief."), {"role": "system", "content": "Be brief."}),
        (ChatMessage("Hi.", role="critic"), {"role": "critic", "content": "Hi."}),
        (
            AIMessage([{"type": "reasoning", "reasoning": "Hm."}, {"type": "text", "text": "Hi."}]),
            {"role": "assistant", "content": "Hi."},
        ),
        (
            AIMessage("", tool_calls=[CALL]),
            {"role": "assistant", "content": None, "tool_calls": [CALLED]},
        ),
        (
            AIMessage("Let me see.", tool_calls=[CALL]),
            {"role": "assistant", "content": "Let me see.", "tool_calls": [CALLED]},
        ),
        (
            ToolMessage("7 degrees.", tool_call_id="call-1", name="look_up"),
            {
                "role": "tool",
                "content": "7 degrees.",
                "name": "look_up",
                "tool_call_id": "call-1",
            },
        ),
        (
            ToolMessage("", tool_call_id="call-1"),
            {"role": "tool", "content": "", "tool_call_id": "call-1"},
        ),
        ({"role": "assistant", "content": "Hi."}, {"role": "assistant", "content": "Hi."}),
    ],
    ids=str,
)
def test_messages_are_told_as_chat_templates_take_them(message, told):
    assert read_history([message]) == (told,)


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([HumanMessage("Hi."), AIMessage("")], r"history\[1\] is a AIMessage without text"),
        ([FunctionMessage("7", name="f")], r"history\[0\] is a FunctionMessage; expected human"),
        (
            [ToolMessage([{"type": "image", "url": "https://a/b.png"}], tool_call_id="1")],
            "ToolMessage without text",
        ),
        (7, "cannot be read"),
    ],
)
def test_what_cannot_be_read(messages, says):
    with pytest.raises(InputError, match=says):
        read_history(messages)


@pytest.fixture
def looked_up(documents, world):
    """A chat in which a tool has said what one of the documents says, which is then missing."""
    needed = world.supporting_passages[0]
    text = documents[needed].page_content
    documents[needed] = Document(" ")
    return [
        HumanMessage("Who leads Zanda?"),
        AIMessage("", tool_calls=[CALL]),
        ToolMessage(text, tool_call_id="call-1", name="look_up"),
    ]


@pytest.fixture
def cited(reader):
    return AT2CitedAnswer(reader=reader, reader_options=SOURCES)


@pytest.fixture
def value(looked_up, documents, question):
    return {"question": question, "context": documents, "history": looked_up}


def of_tools(message):
    return [c for c in citations_of(message) if c["extras"]["kind"] == "tool"]


async def test_what_a_tool_said_is_cited(cited, value, world):
    message = cited.invoke(value)
    check_message(message, value["context"], value["history"])
    assert world.final_answer in message.text
    assert of_tools(message)
    for citation in of_tools(message):
        assert citation["title"] == "look_up"
        assert citation["extras"]["document_id"] == "history[2]"
        assert "url" not in citation
    assert "] tool: look_up: " in references_text(message)
    chunks = list(cited.stream(value))
    check_same(message_chunk_to_message(chunks[0] + chunks[1:]), message)
    again = AT2Citer(reader=cited.reader, reader_options=SOURCES).invoke(
        {**value, "answer": message}
    )
    check_message(again, value["context"], value["history"])
    assert len(of_tools(again)) == len(of_tools(message))
    assert [m.text for m in cited.batch([value, value])] == [message.text] * 2


def test_messages_are_no_sources_unless_asked_for(reader, value):
    message = AT2CitedAnswer(reader=reader).invoke(value)
    check_message(message, value["context"])
    assert {c["extras"]["kind"] for c in citations_of(message)} <= {"passage"}


def test_a_tool_may_be_all_there_is_to_read(reader, value, world):
    citer = AT2Citer(reader=reader, reader_options=SOURCES)
    message = citer.invoke({**value, "context": [], "answer": world.answer})
    check_message(message, [], value["history"])
    assert of_tools(message)


def test_citing_in_an_agents_graph(reader, looked_up, documents, question, world):
    """Question, call, result and answer under one key; the answer is no part of the history."""

    class State(MessagesState):
        documents: list

    keys = dict.fromkeys(("question_key", "answer_key", "history_key"), "messages")
    graph = StateGraph(State)
    graph.add_node("cite", cite_node(reader, reader_options=SOURCES, **keys))
    graph.add_edge(START, "cite")
    graph.add_edge("cite", END)
    messages = [HumanMessage(question), *looked_up[1:], AIMessage(world.answer)]
    result = graph.compile().invoke({"messages": messages, "documents": documents})
    message = result["messages"][-1]
    check_message(message, documents, messages)
    assert {c["extras"]["document_id"] for c in of_tools(message)} == {"history[2]"}
    value = {"question": question, "context": documents, "history": messages[:-1]}
    citer = AT2Citer(reader=reader, reader_options=SOURCES)
    alone = citer.invoke({**value, "answer": world.answer})
    assert message.response_metadata["at2"] == alone.response_metadata["at2"]


def test_the_question_is_asked_once(reader, documents, question, world):
    keys = {"question_key": "messages", "history_key": "messages", "answer_key": "answer"}
    state = {"documents": documents, "answer": world.answer}
    earlier = [HumanMessage("Hello."), AIMessage("Hello.")]

    def cite(messages, **options):
        update = cite_node(reader, **options).invoke({**state, **messages})
        return update["answer"].response_metadata["at2"]

    asked = cite({"messages": [*earlier, HumanMessage(question)]}, **keys)
    apart = cite({"question": question, "chat": earlier}, history_key="chat")
    assert asked == apart
