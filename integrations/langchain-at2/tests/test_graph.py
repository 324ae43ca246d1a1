"""LangGraph: retrieve, prune, answer, cite, and a way for what is not supported."""

import operator
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from at2_rag import InputError
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import MessagesState
from support.laws import check_message

from langchain_at2 import AT2CitedAnswer, citations_of, cite_node, prune_node, references_text


class State(TypedDict, total=False):
    question: str
    documents: list[Document]
    answer: AnyMessage
    references: str
    supported: bool | None
    unsupported: list[str]
    tries: Annotated[int, operator.add]


def build(reader, retriever, checkpointer=None, **options):
    """Asks again with all documents, once, if something is not supported."""
    graph = StateGraph(State)
    retrieve = lambda state: {"documents": retriever.invoke(state["question"])}  # noqa: E731
    cited = AT2CitedAnswer(reader=reader)
    graph.add_node("retrieve", retrieve)
    graph.add_node("prune", prune_node(reader, top_n=3))
    graph.add_node("ask", lambda state: {"answer": cited.invoke(state), "tries": 1})
    graph.add_node("cite", cite_node(reader, **options))
    graph.add_edge(START, "retrieve")
    graph.add_edge("retrieve", "prune")
    graph.add_edge("prune", "ask")
    graph.add_edge("ask", "cite")
    graph.add_conditional_edges(
        "cite",
        lambda state: "ask" if state["supported"] is False and state["tries"] < 2 else END,
        ["ask", END],
    )
    return graph.compile(checkpointer=checkpointer)


@pytest.fixture(scope="module")
def retriever(store):
    return store.as_retriever(search_kwargs={"k": 8})


def test_the_graph(reader, retriever, world):
    result = build(reader, retriever).invoke({"question": world.question})
    check_message(result["answer"], result["documents"])
    assert world.final_answer in result["answer"].text
    assert len(result["documents"]) == 3
    assert result["references"] == references_text(result["answer"])
    assert (result["supported"] is False) == bool(result["unsupported"])
    assert result["tries"] == (2 if result["unsupported"] else 1)


def test_a_graph_goes_on_where_nothing_is_retrieved(reader, world):
    nothing = RunnableLambda(lambda question: [])
    result = build(reader, nothing).invoke({"question": world.question})
    assert result["answer"].text == AT2CitedAnswer(reader=reader).empty_response
    assert (result["documents"], result["references"], result["supported"]) == ([], "", False)
    assert result["unsupported"] == [result["answer"].text]
    with pytest.raises(InputError, match="No passages"):
        build(reader, nothing, reader_options={"on_empty": "error"}).invoke(
            {"question": world.question}
        )


def test_unsupported_statements_take_the_other_way(reader, retriever, world):
    graph = build(reader, retriever, reader_options={"min_score": 1e9})
    result = graph.invoke({"question": world.question})
    assert result["supported"] is False
    assert result["unsupported"]
    assert all(statement in result["answer"].text for statement in result["unsupported"])
    assert result["tries"] == 2


async def test_asynchronously_and_from_a_checkpoint(reader, retriever, world):
    graph = build(reader, retriever, InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    result = await graph.ainvoke({"question": world.question}, config)
    stored = (await graph.aget_state(config)).values
    assert citations_of(stored["answer"]) == citations_of(result["answer"])
    assert stored["answer"].response_metadata == result["answer"].response_metadata


def test_messages_and_other_keys(reader, documents, question, world):
    class Chat(MessagesState):
        sources: list[Document]
        few: list[Document]

    keys = {"question_key": "messages", "documents_key": "sources"}
    graph = StateGraph(Chat)
    graph.add_node("prune", prune_node(reader, top_n=2, output_key="few", **keys))
    graph.add_node("cite", cite_node(reader, answer_key="messages", inline_markers=True, **keys))
    graph.add_edge(START, "prune")
    graph.add_edge("prune", "cite")
    messages = [HumanMessage(question), AIMessage(world.answer, id="answered")]
    before = deepcopy(documents)
    result = graph.compile().invoke({"messages": messages, "sources": documents})
    asked, cited = result["messages"]
    assert asked.text == question
    assert cited.id == "answered"
    check_message(cited, documents)
    assert documents == before
    order = [document.id for document in documents]
    assert [order.index(d.id) for d in result["few"]] == sorted(
        order.index(d.id) for d in result["few"]
    )
    assert all(isinstance(d.metadata["relevance_score"], float) for d in result["few"])


@dataclass
class Record:
    question: Any
    documents: Any
    answer: Any = None


def test_states_of_other_types(reader, documents, question, world):
    kept = prune_node(reader, top_n=1).invoke(Record(HumanMessage(question), documents))
    assert len(kept["documents"]) == 1
    update = cite_node(reader).invoke(Record(question, documents, world.answer))
    check_message(update["answer"], documents)


class TestBadInput:
    def test_a_state_without_the_key(self, reader):
        with pytest.raises(InputError, match=r"no 'documents' but \['context'\]"):
            prune_node(reader).invoke({"context": []})

    def test_no_documents(self, reader, question):
        assert prune_node(reader).invoke({"question": question, "documents": []}) == {
            "documents": []
        }
        state = {"question": question, "documents": [], "answer": "Yes."}
        update = cite_node(reader).invoke(state)
        assert (update["references"], update["supported"]) == ("", False)
        assert update["unsupported"] == ["Yes."]
        with pytest.raises(InputError, match="No passages"):
            cite_node(reader, reader_options={"on_empty": "error"}).invoke(state)

    def test_no_question(self, reader, documents):
        state = {"messages": [AIMessage("Hi")], "documents": documents}
        with pytest.raises(InputError, match="expected text to answer"):
            prune_node(reader, question_key="messages").invoke(state)

    def test_no_answer(self, reader, documents, question):
        state = {"question": question, "documents": documents, "answer": []}
        with pytest.raises(InputError, match="expected text or an AIMessage"):
            cite_node(reader).invoke(state)

    def test_options(self, reader):
        with pytest.raises(ValueError, match="Unknown option"):
            cite_node(reader, prune_to=3)
        with pytest.raises(ValueError, match="top_n"):
            prune_node(reader, top_n=0)
