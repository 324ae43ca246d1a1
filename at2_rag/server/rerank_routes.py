"""Reranking, as Cohere, Jina, vLLM and llama.cpp have it: documents by how much a query needs them.

What the model's question looks at ranks them, so that the model that answers is its own reranker.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import Response

from at2_rag.answer.pruning import with_unseen
from at2_rag.documents.passages import Passage
from at2_rag.server.asked import Asked
from at2_rag.server.documents import passages_of
from at2_rag.server.presence import waited_for
from at2_rag.server.problems import Problem
from at2_rag.server.replies import Json
from at2_rag.server.service import Service
from at2_rag.server.wire import RerankRequest

#: Where clients of the various servers look for it.
PATHS = ("/v1/rerank", "/v2/rerank", "/rerank")
#: Unless the request says otherwise: no answer is drafted, and what does not fit comes last.
_SETTINGS = {"rank_by": "question", "on_overflow": "drop"}


def rerank_routes(service: Service) -> APIRouter:
    """Return the routes.

    Args:
        service: Ranks documents.
    """
    router = APIRouter(tags=["reranking"])

    async def rerank(asking: RerankRequest, request: Request) -> Response:
        """Put documents in order, those that the query needs most first."""
        service.check_name(asking.model)
        if not asking.query.strip():
            told = f"query is {asking.query!r}; expected text to rank the documents by."
            raise Problem(400, told, "invalid_value", "query")
        passages = passages_of(asking.documents, service.limits, "documents")
        options = {**_SETTINGS, **asking.at2.settings(service.limits)}
        work = service.ranking(Asked(asking.query, passages, options=options))
        ranked = await waited_for(request, work)
        return Json(_told(service.name, asking, passages, ranked))

    for path in PATHS:
        router.post(path, response_model=None)(rerank)
    return router


def _told(
    model: str,
    asking: RerankRequest,
    passages: list[Passage],
    ranked: list[tuple[int, float]],
) -> dict[str, Any]:
    """Return the response; documents that the model did not read are last, with the least score."""
    results: list[dict[str, Any]] = [
        {"index": index, "relevance_score": score}
        for index, score in with_unseen(ranked, len(passages))[: asking.top_n]
    ]
    if asking.return_documents:
        for result in results:
            result["document"] = {"text": passages[result["index"]].text}
    return {"id": f"rerank-{uuid4().hex}", "model": model, "results": results}
