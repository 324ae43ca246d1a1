"""The server put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from at2_rag import __version__
from at2_rag.server.gate import LOOPBACK, Gate
from at2_rag.server.openai_routes import openai_routes
from at2_rag.server.page_routes import page_routes
from at2_rag.server.problems import Problem, invalid, problem_of
from at2_rag.server.proxy_routes import proxy_routes
from at2_rag.server.rerank_routes import rerank_routes
from at2_rag.server.service import Service
from at2_rag.server.status_routes import status_routes
from at2_rag.server.upstream import Upstream
from at2_rag.server.web_page import Example, web_page_routes


def create_app(
    service: Service,
    *,
    token: str | None = None,
    upstream: Upstream | None = None,
    hosts: tuple[str, ...] = LOOPBACK,
    example: Example | None = None,
) -> FastAPI:
    """Return the server as an ASGI application, for any server that runs one.

    It keeps its queue in memory, so that it is run by one process.

    Args:
        service: Answers, cites, prunes and proves.
        token: What requests have to bring as ``Authorization: Bearer …``; ``None`` for nothing.
        upstream: The server that answers chat completions, which this one cites; ``None`` where it
            answers itself.
        hosts: Names of hosts that requests may name where no token is needed.
        example: What the page begins with; ``None`` for a few short articles.
    """

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.desk.close()
        if upstream is not None:
            await upstream.close()

    # The usual pages of documentation load scripts from elsewhere; the schema is there.
    app = FastAPI(
        title="at2-rag", version=__version__, lifespan=running, docs_url=None, redoc_url=None
    )
    app.add_middleware(
        Gate, limits=service.limits, metrics=service.metrics, token=token, hosts=hosts
    )
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _misunderstood)
    app.add_exception_handler(Exception, _refused)
    chat = openai_routes(service) if upstream is None else proxy_routes(service, upstream)
    page = web_page_routes(service, example or Example.articles())
    own = page_routes(service), rerank_routes(service), status_routes(service)
    for router in (chat, *own, page):
        app.include_router(router)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    if problem is not error and problem.status_code in (404, 405):
        asked = f"{request.method} {request.url.path[:80]}"
        told = f"There is no {asked} here; expected such as POST /v1/chat/completions."
        problem = Problem(problem.status_code, told, "not_found", headers=problem.headers)
    return problem.response()


async def _misunderstood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return invalid(error.errors()).response()
