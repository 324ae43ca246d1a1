"""LangGraph: retrieve, prune, answer and cite; an answer without support is not given.

Needs langchain-at2 and langgraph. Runs as it stands with the demo reader, which knows made-up
worlds only; --model takes a real one.
"""

from __future__ import annotations

import argparse
from typing import Any, TypedDict

from langchain_at2 import AT2CitedAnswer, cite_node, passages_to_documents, prune_node
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, StateGraph

from at2_rag import Passage, Reader
from at2_rag.worlds import generate_examples


class State(TypedDict, total=False):
    """What the graph knows."""

    question: str
    documents: list
    answer: Any
    references: str
    supported: bool | None


def build(reader: Reader, passages: list[Passage]) -> Any:
    """Return the graph; ``cite`` could as well follow a node that asks an API."""
    answer = AT2CitedAnswer(reader=reader)
    graph = StateGraph(State)
    retrieve = ("retrieve", lambda state: {"documents": passages_to_documents(passages)})
    ask = ("ask", lambda state: {"answer": answer.invoke(state)})
    prune, cite = ("prune", prune_node(reader)), ("cite", cite_node(reader, inline_markers=True))
    graph.add_sequence([retrieve, prune, ask, cite])
    graph.add_node("refuse", lambda s: {"answer": AIMessage("They do not say."), "references": ""})
    graph.add_edge(START, "retrieve")
    graph.add_conditional_edges("cite", lambda s: "refuse" if s["supported"] is False else END)
    return graph.compile()


def main() -> None:
    """Ask one question and print each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="hub id or folder of a real model")
    model = parser.parse_args().model
    reader = Reader.from_pretrained(model) if model else Reader.demo()
    example = next(generate_examples(seed=7, num_passages=8, hops=2))
    print(f"{example.question}\n")
    graph = build(reader, list(example.passages))
    for state in graph.stream({"question": example.question}, stream_mode="values"):
        print(f"documents: {len(state.get('documents', []))}, answered: {'answer' in state}")
    print(f"\n→ {state['answer'].text}\n\n{state['references']}")


if __name__ == "__main__":
    main()
