"""What a message's metadata say about an answer, in JSON types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from at2_rag import Answer, Citation, Passage, Statement, Thoughts, Verification
from langchain_core.messages.ai import OutputTokenDetails, UsageMetadata

from langchain_at2.annotations import (
    describe_copies,
    document_index,
    plain_metadata,
    source_of,
)


def describe_statement(statement: Statement, start: int, end: int) -> dict[str, Any]:
    """Return what is said about a statement.

    Args:
        statement: The statement to describe.
        start: First character of the statement in the text that the statement is a part of.
        end: One past the statement's last character in the text that the statement is a part of.
    """
    shift, words = start - statement.start, statement.ungrounded
    return {
        "start": start,
        "end": end,
        "supported": statement.supported,
        "refusal": statement.refusal,
        "ungrounded": None if words is None else [[a + shift, b + shift] for a, b in words],
        "citations": [citation.number for citation in statement.citations],
    }


def describe_answer(
    answer: Answer,
    statements: list[dict[str, Any]],
    documents: Sequence[Passage],
    verification: Verification | None,
) -> dict[str, Any]:
    """Return ``response_metadata["at2"]``.

    Args:
        answer: The answer to describe.
        statements: What is said about each statement, as :func:`describe_statement` returns it.
        documents: The documents that were asked about, with their own ids.
        verification: Evidence for the answer's citations; ``None`` for none.
    """
    described: dict[str, Any] = {
        "model": answer.model,
        "estimator": answer.estimator,
        "calibrated": answer.calibrated,
        "prompt_tokens": answer.prompt_tokens,
        "answer_tokens": answer.answer_tokens,
        "kept": list(answer.kept),
        "dropped": list(answer.dropped),
        "shortened": [list(cut) for cut in answer.shortened],
        "statements": statements,
        "carets": answer.carets,
        "thoughts": answer.thoughts and describe_thoughts(answer.thoughts, documents),
    }
    if verification is not None:
        described["verification"] = verification.to_dict()
    return described


def describe_nothing(model: str, estimator: str) -> dict[str, Any]:
    """Return what :func:`describe_answer` would of an answer without a word.

    Args:
        model: Name of the model that was not asked.
        estimator: Kind of the estimator that scored nothing.
    """
    return {
        "model": model,
        "estimator": estimator,
        "calibrated": True,
        "prompt_tokens": 0,
        "answer_tokens": 0,
        "kept": [],
        "dropped": [],
        "shortened": [],
        "statements": [],
        "thoughts": None,
        "carets": 0,
    }


def describe_thoughts(thoughts: Thoughts, documents: Sequence[Passage]) -> dict[str, Any]:
    """Return what is known of thoughts.

    Reasoning blocks have no annotations, so what the numbers mean is told here, each once.

    Args:
        thoughts: The thoughts that came before an answer.
        documents: The documents that were asked about, with their own ids.
    """
    first: dict[int, Citation] = {}
    for citation in (c for statement in thoughts.statements for c in statement.citations):
        first.setdefault(citation.number, citation)
    return {
        "finished": thoughts.finished,
        "statements": [describe_statement(s, s.start, s.end) for s in thoughts.statements],
        "sources": [_describe_source(first[number], documents) for number in sorted(first)],
    }


def _describe_source(citation: Citation, documents: Sequence[Passage]) -> dict[str, Any]:
    source = source_of(citation, documents)
    return {
        "number": citation.number,
        "kind": citation.kind,
        "title": source.title,
        "document_id": source.id,
        "passage_index": document_index(citation),
        "source_start": citation.source_start,
        "source_end": citation.source_end,
        "cited_text": citation.text,
        "also_in": describe_copies(citation, documents),
        "metadata": plain_metadata(source),
    }


def usage(answer: Answer) -> UsageMetadata:
    """Return the tokens that an answer took, those of its draft included."""
    passes = [answer, *([answer.draft] if answer.draft else [])]
    read = sum(each.prompt_tokens for each in passes)
    written = sum(each.answer_tokens for each in passes)
    told = UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
    thoughts = [each.thoughts for each in passes if each.thoughts]
    if thoughts:
        tokens = sum(len(each.attribution.token_spans) for each in thoughts)
        told["output_token_details"] = OutputTokenDetails(reasoning=tokens)
    return told
