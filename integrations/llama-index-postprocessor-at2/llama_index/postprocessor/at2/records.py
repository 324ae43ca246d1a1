"""What a response's metadata tells of its citations, as plain dicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from llama_index.core.base.llms.types import CitationBlock, TextBlock
from llama_index.core.schema import NodeWithScore
from llama_index.postprocessor.at2.nodes import document_span, title_of, url_of

from at2_rag import Citation, Source, SourceKind, Statement


class CopyRecord(TypedDict):
    """Where else a cited source stands; the values are plain JSON types.

    Attributes:
        node_id: Id of the node that holds the copy; ``None`` for what is no node.
        node_index: Index of that node among those that the synthesizer was given; ``None`` for what
            is no node.
        source_start: First character of the copy in the node's text, or in the other text.
        source_end: One past the copy's last character.
        text: Exactly ``node.get_content()[source_start:source_end]``.
    """

    node_id: str | None
    node_index: int | None
    source_start: int
    source_end: int
    text: str


class CitationRecord(TypedDict):
    """One statement of the response, tied to one source; the values are plain JSON types.

    Numbers count nodes. What is a piece of something else, of the model's thoughts or of the chat,
    has no number, no node and no marker in the text.

    Attributes:
        number: The node's number as shown in the response: ``response.source_nodes[number - 1]`` is
            the node. ``None`` for what is no node.
        start: First character of the statement in the response's text, markers included.
        end: One past the statement's last character; its markers follow, in prose at once, and
            behind the end of a block of code. What closes a row of a table is no part of it.
        statement: Exactly ``response.response[start:end]``.
        kind: What the source is a piece of: ``"passage"`` is a node, and there are ``"thought"``,
            ``"message"``, ``"tool"`` and ``"system"``.
        node_id: Id of the cited node; ``None`` for what is no node.
        node_index: Index of the cited node among those that the synthesizer was given; ``None`` for
            what is no node.
        source_id: Id of what is cited and is no node: ``"thoughts"``, ``"system"``, or
            ``"history[2]"`` for that message of the history.
        title: The node's title, or the name of its file; of a tool's result, the tool's name.
        url: Where the node came from.
        source_start: First character of the source in the node's text, or in the other text.
        source_end: One past the source's last character.
        text: Exactly ``node.get_content()[source_start:source_end]``; of thoughts,
            ``response.at2["thoughts"]["text"]`` between these.
        document_start: First character of the source in the document that the node was cut from;
            ``None`` if the node does not say.
        document_end: One past the source's last character in the document that the node was cut
            from.
        score: How much the source mattered for the statement; unitless, comparable within it.
        effect: How much less likely the statement was once the source was left out, in nats, with
            the reader's option ``prove``; ``None`` where nobody left it out.
        via: Index of the earlier statement that the citation is inherited through; ``None`` for a
            direct one.
        via_thought: Index of the thought that the citation is inherited through; ``None`` for any
            other.
        also_in: Copies of the source in the same nodes or others, such as a node that was retrieved
            twice, or one that overlaps.
    """

    number: int | None
    start: int
    end: int
    statement: str
    kind: SourceKind
    node_id: str | None
    node_index: int | None
    source_id: str | None
    title: str | None
    url: str | None
    source_start: int
    source_end: int
    text: str
    document_start: int | None
    document_end: int | None
    score: float
    effect: float | None
    via: int | None
    via_thought: int | None
    also_in: list[CopyRecord]


class ThoughtsRecord(TypedDict):
    """What a reasoning model thought before it responded.

    Attributes:
        text: What the model has thought so far.
        finished: Whether the model came to the end of the thoughts; if not, there is no response.
    """

    text: str
    finished: bool


class StatementRecord(TypedDict):
    """One sentence of the response, cited or not.

    Attributes:
        text: Exactly ``response.response[start:end]``.
        start: First character of the statement in the response's text, markers included.
        end: One past the statement's last character; its markers follow, in prose at once, and
            behind the end of a block of code. What closes a row of a table is no part of it.
        numbers: Numbers of the nodes that the statement cites, ascending.
        supported: Whether the passages made the model say it; ``None`` where the estimator has no
            calibrated threshold, and of a refusal.
        refusal: Whether it says only that the answer is not known, or not in the nodes.
        ungrounded: Characters [start, end) of the response's text that are from no node;
            ``None`` where nobody looked (``reader_options={"groundedness": True}``).
    """

    text: str
    start: int
    end: int
    numbers: list[int]
    supported: bool | None
    refusal: bool
    ungrounded: list[list[int]] | None


def citation_record(
    citation: Citation,
    number: int,
    statement: Statement,
    nodes: Sequence[NodeWithScore],
    shift: int,
) -> CitationRecord:
    """Return a citation of a node as a plain dict.

    Args:
        citation: The citation, as the reader has it.
        number: The node's number in the response.
        statement: The statement that cites the node.
        nodes: The nodes that the synthesizer was given.
        shift: How many characters of markers stand in front of the statement.
    """
    node = nodes[citation.passage_index].node
    within = document_span(node, citation.source_start, citation.source_end)
    return {
        **other_record(citation, statement, nodes, shift),
        "number": number,
        "node_id": node.node_id,
        "node_index": citation.passage_index,
        "source_id": None,
        "title": title_of(node),
        "url": url_of(node),
        "document_start": None if within is None else within[0],
        "document_end": None if within is None else within[1],
    }


def other_record(
    citation: Citation, statement: Statement, nodes: Sequence[NodeWithScore], shift: int
) -> CitationRecord:
    """Return a citation of what is no node as a plain dict.

    Args:
        citation: The citation, as the reader has it.
        statement: The statement that has the citation.
        nodes: The nodes that the synthesizer was given.
        shift: How many characters of markers stand in front of the statement.
    """
    return CitationRecord(
        number=None,
        start=statement.start + shift,
        end=statement.end + shift,
        statement=statement.text,
        kind=citation.kind,
        node_id=None,
        node_index=None,
        source_id=citation.passage_id,
        title=citation.title,
        url=None,
        source_start=citation.source_start,
        source_end=citation.source_end,
        text=citation.text,
        document_start=None,
        document_end=None,
        score=citation.score,
        effect=citation.effect,
        via=citation.via,
        via_thought=citation.via_thought,
        also_in=[_copy_record(copy, nodes) for copy in citation.also_in],
    )


def _copy_record(copy: Source, nodes: Sequence[NodeWithScore]) -> CopyRecord:
    is_node = copy.passage_index < len(nodes)  # behind them are messages and the like
    return CopyRecord(
        node_id=nodes[copy.passage_index].node.node_id if is_node else None,
        node_index=copy.passage_index if is_node else None,
        source_start=copy.start,
        source_end=copy.end,
        text=copy.text,
    )


def statement_record(statement: Statement, numbers: list[int], shift: int) -> StatementRecord:
    """Return a statement as a plain dict.

    Args:
        statement: The statement, as the reader has it.
        numbers: Numbers of the cited nodes, ascending.
        shift: How many characters of markers stand in front of the statement.
    """
    words = statement.ungrounded
    return StatementRecord(
        text=statement.text,
        start=statement.start + shift,
        end=statement.end + shift,
        numbers=numbers,
        supported=statement.supported,
        refusal=statement.refusal,
        ungrounded=None if words is None else [[a + shift, b + shift] for a, b in words],
    )


def citation_block(record: CitationRecord) -> CitationBlock:
    """Return a citation as LlamaIndex's content block, which holds whole numbers and no score."""
    places: dict[str, int | None] = {
        "number": record["number"],
        "start": record["start"],
        "end": record["end"],
        "node_index": record["node_index"],
        "source_start": record["source_start"],
        "source_end": record["source_end"],
        "document_start": record["document_start"],
        "document_end": record["document_end"],
        "via": record["via"],
        "via_thought": record["via_thought"],
    }
    return CitationBlock(
        cited_content=TextBlock(text=record["text"]),
        source=record["node_id"] or record["source_id"] or record["kind"],
        title=record["title"] or ("" if record["kind"] == "passage" else record["kind"]),
        additional_location_info={k: v for k, v in places.items() if v is not None},
    )
