"""Citations on the wire: OpenAI's annotations, with what is cited beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from at2_rag.answer.answer import Answer
from at2_rag.answer.statement import Citation, Statement
from at2_rag.spans import Span


def annotations_of(statements: Iterable[Statement], shift: int = 0) -> list[dict[str, Any]]:
    """Return an annotation for each citation of statements, in the order of the text.

    ``url_citation`` is what OpenAI's clients know, with the quote as ``content`` beside it;
    ``source`` is where the quote stands in the document. Both offsets count characters (code
    points), from the first one on, up to one past the last.

    Args:
        statements: The statements with their citations.
        shift: How many characters stand before the answer in the text that the client has.
    """
    return [_annotation(each, shift) for statement in statements for each in statement.citations]


def _annotation(citation: Citation, shift: int) -> dict[str, Any]:
    return {
        "type": "url_citation",
        "url_citation": {
            "start_index": citation.start + shift,
            "end_index": citation.end + shift,
            "title": citation.title or citation.passage_id or f"[{citation.number}]",
            # Clients that link what they cite expect an address.
            "url": citation.url or f"document:{citation.passage_index}",
            "content": citation.text,
        },
        "source": {
            "number": citation.number,
            "kind": citation.kind,
            "document_index": citation.passage_index,
            "document_id": citation.passage_id,
            "start_index": citation.source_start,
            "end_index": citation.source_end,
            "score": citation.score,
            "effect": citation.effect,
            "via": citation.via,
            "via_thought": citation.via_thought,
        },
    }


def about(answer: Answer, name: str, shift: int = 0) -> dict[str, Any]:
    """Return what there is to know of an answer beside its citations.

    Args:
        answer: The answer, cited.
        name: What the model that scored is called.
        shift: How many characters stand before the answer in the text that the client has.
    """
    return {
        "scored_by": {"model": name, "estimator": answer.estimator},
        "statements": [_statement(each, shift) for each in answer.statements],
        "marked_text": answer.marked_text,
        "references": answer.references,
        "kept": list(answer.kept),
        "dropped": list(answer.dropped),
        "shortened": [list(cut) for cut in answer.shortened],
        "ranked_documents": [list(ranked) for ranked in answer.ranked_passages],
    }


def _shifted(spans: Sequence[Span] | None, shift: int) -> list[list[int]] | None:
    return None if spans is None else [[start + shift, end + shift] for start, end in spans]


def _statement(statement: Statement, shift: int) -> dict[str, Any]:
    return {
        "start_index": statement.start + shift,
        "end_index": statement.end + shift,
        "supported": statement.supported,
        "refusal": statement.refusal,
        "ungrounded": _shifted(statement.ungrounded, shift),
        "numbers": list(statement.numbers),
    }
