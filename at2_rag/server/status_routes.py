"""How the server is: for whoever watches over it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from at2_rag import __version__
from at2_rag.server.service import Service


def status_routes(service: Service) -> APIRouter:
    """Return the routes.

    Args:
        service: The service that is watched over.
    """
    router = APIRouter(tags=["status"])

    @router.get("/health")
    async def health() -> dict[str, Any]:
        """Say that the server is there, and how many wait."""
        turns = service.desk.turns
        return {
            "status": "ok",
            "version": __version__,
            "model": service.name,
            "busy": turns.busy,
            "waiting": turns.waiting,
        }

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> str:
        """Tell what has happened, as Prometheus reads it."""
        turns = service.desk.turns
        return service.metrics.text(turns.waiting, turns.busy)

    return router
