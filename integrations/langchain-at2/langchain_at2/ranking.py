"""Which documents a draft of the answer used most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from at2_rag import Reader
from at2_rag.answer.pruning import with_unseen
from langchain_core.documents import Document

from langchain_at2.documents import documents_to_passages
from langchain_at2.inputs import Request, check_documents

#: Where rerankers put their score.
SCORE_KEY = "relevance_score"


def most_used(
    reader: Reader,
    documents: Any,
    query: str,
    *,
    top_n: int | None,
    score_threshold: float | None,
    options: Mapping[str, Any],
) -> list[tuple[int, float]]:
    """Return (index, score) of the documents to keep, most used first.

    Those that the model did not see, because they are empty or did not fit, come last and score 0,
    or what the last of the others does where that is less.
    No draft is made if there is nothing to read.

    Args:
        reader: The local model that drafts the answer.
        documents: What should be documents.
        query: The question that the draft answers.
        top_n: How many documents to keep at most; ``None`` for any number.
        score_threshold: Score below which documents are not kept; ``None`` for no such bound.
        options: Options of ``reader.rank``, by name.

    Raises:
        InputError: If the query is blank, or ``documents`` are no documents.
        ContextOverflowError: If they do not fit the model's context.
    """
    checked = check_documents(documents, "documents")
    request = Request(query, tuple(documents_to_passages(checked)), ())
    ranked: list[tuple[int, float]] = []
    if not all(passage.is_empty for passage in request.passages):
        ranked = reader.rank(query, request.readable_passages, **options)
    ranked = with_unseen(ranked, len(checked))
    if score_threshold is not None:
        ranked = [(index, score) for index, score in ranked if score >= score_threshold]
    return ranked[:top_n]


def scored_copies(
    documents: Sequence[Document], ranked: Sequence[tuple[int, float]]
) -> list[Document]:
    """Return copies of documents with their scores in ``metadata["relevance_score"]``.

    Args:
        documents: All documents, never changed. A score that one already has is replaced in its
            copy.
        ranked: Index and score of each document to return, in order.
    """
    return [_with_score(documents[index], score) for index, score in ranked]


def _with_score(document: Document, score: float) -> Document:
    metadata = {key: _copied(value) for key, value in document.metadata.items()}
    return document.model_copy(update={"metadata": {**metadata, SCORE_KEY: score}})


def _copied(value: Any) -> Any:
    try:
        return deepcopy(value)
    except Exception:  # locks, handles and the like can only be shared
        return value
