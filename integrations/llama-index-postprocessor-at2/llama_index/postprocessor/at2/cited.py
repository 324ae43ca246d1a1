"""A response with markers, source nodes and citations, made as its answer arrives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from llama_index.core.schema import NodeWithScore
from llama_index.postprocessor.at2.nodes import text_of
from llama_index.postprocessor.at2.records import (
    CitationRecord,
    ThoughtsRecord,
    citation_record,
    other_record,
    statement_record,
)

from at2_rag import (
    Answer,
    Citation,
    Event,
    Marking,
    MarkPlace,
    Statement,
    Thinking,
    Writing,
)


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
    number ``i + 1``. All is filled in place, so that a streaming response that was given it has it
    as it comes. So are the entries of ``source_nodes``: a chat engine takes these out of a stream
    that has just begun, and for it, too, they are in order in the end.

    Attributes:
        text: The answer so far, with markers.
        source_nodes: The cited nodes so far, and behind them those that may yet be cited; in the
            end the cited ones alone, and scored.
        by_node: The metadata of these nodes by node id, as everywhere in LlamaIndex.
        metadata: What is known of the answer: ``citations``, ``statements`` and ``thoughts``, and
            in the end the model, tokens and so on.

    Args:
        nodes: The nodes that the reader reads; never changed.
        additional: Nodes to put behind the cited ones in the end.
    """

    def __init__(
        self, nodes: Sequence[NodeWithScore], additional: Sequence[NodeWithScore] = ()
    ) -> None:
        self.text = ""
        self._order = [index for index, item in enumerate(nodes) if text_of(item.node).strip()]
        self.source_nodes = [nodes[i].model_copy(update={"score": None}) for i in self._order]
        self.by_node = {item.node.node_id: item.node.metadata for item in self.source_nodes}
        self.metadata: dict[str, Any] = {"citations": [], "statements": [], "thoughts": None}
        self._nodes = nodes
        self._additional = additional
        self._numbers: dict[int, int] = {}
        self._marking = Marking()
        self._sent = 0  # characters of the answer that have gone out
        self._marked = 0  # characters of markers that have gone out

    def add(self, event: Event) -> str:
        """Take in what the reader yielded, and return the text that it adds, maybe none."""
        match event:
            case Thinking():
                added = ""
                self._think(event.text)
            case Writing():  # comes again, with what its markers say
                added = ""
            case str() | Statement():
                added = "".join(map(self._write, self._marking.add(event)))
            case Answer():
                added = self.end()
                self._finish(event)
                return added
        self.text += added
        return added

    def pieces(self, event: Event) -> Iterator[str]:
        """Take in what the reader yielded, and yield the text that it adds, if there is any.

        The last markers come before nodes are scored, as all others do.
        """
        if isinstance(event, Answer) and (rest := self.end()):
            yield rest
        if added := self.add(event):
            yield added

    def end(self) -> str:
        """Return what is left of the text and its markers, once all of it has been added."""
        rest = "".join(map(self._write, self._marking.finish()))
        self.text += rest
        return rest

    def _think(self, text: str) -> None:
        thoughts = self.metadata["thoughts"]
        so_far = thoughts["text"] if thoughts else ""
        self.metadata["thoughts"] = ThoughtsRecord(text=so_far + text, finished=False)

    def _write(self, piece: str | Statement | MarkPlace) -> str:
        """Return what a piece adds to the text."""
        if isinstance(piece, str):
            self._sent += len(piece)
            return piece
        if isinstance(piece, Statement):
            self._cite(piece)
            return ""
        told = self.metadata["statements"]
        markers = piece.marks(n for index in piece.statements for n in told[index]["numbers"])
        self._marked += len(markers)
        return markers

    def _cite(self, statement: Statement) -> None:
        end = min(statement.end, self._sent)  # markers may stand before what closes a row
        statement = replace(statement, end=end, text=statement.text[: end - statement.start])
        for citation in statement.citations:
            record = self._record(citation, statement)
            self.metadata["citations"].append(record)
        cited = {c.passage_index for c in statement.citations if c.kind == "passage"}
        numbers = sorted(self._numbers[index] for index in cited)
        self.metadata["statements"].append(statement_record(statement, numbers, self._marked))

    def _record(self, citation: Citation, statement: Statement) -> CitationRecord:
        if citation.kind != "passage":  # its index is behind those of the nodes
            return other_record(citation, statement, self._nodes, self._marked)
        number = self._number(citation.passage_index)
        return citation_record(citation, number, statement, self._nodes, self._marked)

    def _number(self, index: int) -> int:
        if index not in self._numbers:
            self._put(index, len(self._numbers))
            self._numbers[index] = len(self._numbers) + 1
        return self._numbers[index]

    def _put(self, index: int, place: int) -> None:
        """Put a node in its place among the source nodes; those behind it make room."""
        self._order.remove(index)
        self._order.insert(place, index)
        for item, of in zip(self.source_nodes, self._order, strict=True):
            item.node = self._nodes[of].node

    def _finish(self, answer: Answer) -> None:
        if answer.thoughts is not None:
            self.metadata["thoughts"] = ThoughtsRecord(
                text=answer.thoughts.text, finished=answer.thoughts.finished
            )
        scores = dict(answer.ranked_passages)
        for index, number in self._numbers.items():
            self.source_nodes[number - 1].score = scores.get(index)
        self._leave_out_others()
        for item in self._additional:
            self.source_nodes.append(item)
            self.by_node[item.node.node_id] = item.node.metadata
        self.metadata |= {
            "model": answer.model,
            "estimator": answer.estimator,
            "calibrated": answer.calibrated,
            "prompt_tokens": answer.prompt_tokens,
            "answer_tokens": answer.answer_tokens,
            "truncated": answer.truncated,
            "kept": [self._nodes[index].node.node_id for index in answer.kept],
            "dropped": [self._nodes[index].node.node_id for index in answer.dropped],
            "shortened": {self._nodes[index].node.node_id: cut for index, cut in answer.shortened},
        }

    def _leave_out_others(self) -> None:
        """Leave out the nodes that nothing was cited of."""
        others = self.source_nodes[len(self._numbers) :]
        del self.source_nodes[len(self._numbers) :]
        cited = {item.node.node_id for item in self.source_nodes}
        for item in others:
            if item.node.node_id not in cited:
                self.by_node.pop(item.node.node_id, None)
