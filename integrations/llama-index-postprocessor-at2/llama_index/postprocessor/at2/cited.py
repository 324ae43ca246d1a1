"""A response with markers, source nodes and citations, made as its answer arrives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from llama_index.core.schema import NodeWithScore
from llama_index.postprocessor.at2.records import (
    CitationRecord,
    ThoughtsRecord,
    citation_block,
    citation_record,
    other_record,
    statement_record,
)

from at2_rag import Answer, Citation, Event, Statement, Thinking


def events_of(answer: Answer) -> Iterator[Event]:
    """Yield of a finished answer what the reader yields of one in the making."""
    done = 0
    for statement in answer.statements:
        yield answer.text[done : statement.end]
        yield statement
        done = statement.end
    yield answer.text[done:]
    yield answer


class CitedResponse:
    """Numbers nodes in the order in which an answer cites them.

    Other sources, such as thoughts, are among the citations, without a number.

    A node has one number, however many of its sentences are cited, and ``source_nodes[i]`` has
    number ``i + 1``. ``source_nodes`` and ``metadata`` are filled in place, so that a streaming
    response that was given them has them as they come.

    Attributes:
        text: The answer so far, with markers.
        source_nodes: The cited nodes so far; scored when the answer is there.
        metadata: The cited nodes' metadata by node id, as everywhere in LlamaIndex, and
            ``citations``, ``citation_blocks``, ``statements``, ``thoughts`` and ``at2``.

    Args:
        nodes: The nodes that the reader reads; never changed.
        additional: Nodes to put behind the cited ones in the end.
    """

    def __init__(
        self, nodes: Sequence[NodeWithScore], additional: Sequence[NodeWithScore] = ()
    ) -> None:
        self.text = ""
        self.source_nodes: list[NodeWithScore] = []
        self.metadata: dict[str, Any] = {
            "citations": [],
            "citation_blocks": [],
            "statements": [],
            "thoughts": None,
            "at2": {},
        }
        self._nodes = nodes
        self._additional = additional
        self._numbers: dict[int, int] = {}
        self._marked = 0

    def add(self, event: Event) -> str:
        """Take in what the reader yielded, and return the text that it adds, maybe none."""
        match event:
            case Thinking():
                added = ""
                self._think(event.text)
            case str():
                added = event
            case Statement():
                added = self._mark(event)
            case Answer():
                added = ""
                self._finish(event)
        self.text += added
        return added

    def _think(self, text: str) -> None:
        thoughts = self.metadata["thoughts"]
        so_far = thoughts["text"] if thoughts else ""
        self.metadata["thoughts"] = ThoughtsRecord(text=so_far + text, finished=False)

    def _mark(self, statement: Statement) -> str:
        for citation in statement.citations:
            record = self._record(citation, statement)
            self.metadata["citations"].append(record)
            self.metadata["citation_blocks"].append(citation_block(record))
        cited = {c.passage_index for c in statement.citations if c.kind == "passage"}
        numbers = sorted(self._numbers[index] for index in cited)
        self.metadata["statements"].append(statement_record(statement, numbers, self._marked))
        marker = "".join(f"[{number}]" for number in numbers)
        self._marked += len(marker)
        return marker

    def _record(self, citation: Citation, statement: Statement) -> CitationRecord:
        if citation.kind != "passage":  # its index is behind those of the nodes
            return other_record(citation, statement, self._marked)
        number = self._number(citation.passage_index)
        node = self._nodes[citation.passage_index].node
        return citation_record(citation, number, statement, node, self._marked)

    def _number(self, index: int) -> int:
        if index not in self._numbers:
            self._numbers[index] = len(self._numbers) + 1
            item = self._nodes[index]
            self.source_nodes.append(item.model_copy(update={"score": None}))
            self.metadata[item.node.node_id] = item.node.metadata
        return self._numbers[index]

    def _finish(self, answer: Answer) -> None:
        if answer.thoughts is not None:
            self.metadata["thoughts"] = ThoughtsRecord(
                text=answer.thoughts.text, finished=answer.thoughts.finished
            )
        scores = dict(answer.ranked_passages)
        for index, number in self._numbers.items():
            self.source_nodes[number - 1].score = scores.get(index)
        for item in self._additional:
            self.source_nodes.append(item)
            self.metadata[item.node.node_id] = item.node.metadata
        self.metadata["at2"] |= {
            "model": answer.model,
            "estimator": answer.estimator,
            "prompt_tokens": answer.prompt_tokens,
            "answer_tokens": answer.answer_tokens,
            "truncated": answer.truncated,
            "kept": [self._nodes[index].node.node_id for index in answer.kept],
            "dropped": [self._nodes[index].node.node_id for index in answer.dropped],
        }
