"""Requests that are still open when the server is told to end: they are ended in words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from at2_rag.server.problems import Problem
from at2_rag.server.streams import event

_TOLD = "The server is going down, and could not wait for this any longer. Ask again later."


class Closing:
    """When requests end at the latest, which nobody knows until the server is told to end."""

    def __init__(self) -> None:
        self._open: set[asyncio.Timeout] = set()
        self._at: float | None = None

    def begin(self, seconds: float) -> None:
        """Have all requests end.

        Args:
            seconds: How long they may take yet.
        """
        self._at = asyncio.get_running_loop().time() + seconds
        for bound in self._open:
            bound.reschedule(self._at)

    @property
    def begun(self) -> bool:
        """Whether the server was told to end."""
        return self._at is not None

    @asynccontextmanager
    async def bound(self) -> AsyncIterator[None]:
        """Let something take as long as it may.

        Raises:
            TimeoutError: If it takes longer.
        """
        async with asyncio.timeout_at(self._at) as bound:
            self._open.add(bound)
            try:
                yield
            finally:
                self._open.discard(bound)


class EndsInWords:
    """Ends requests that the server cannot wait for, and says so to who asked.

    Args:
        app: What answers requests.
        closing: When they end.
    """

    def __init__(self, app: ASGIApp, closing: Closing) -> None:
        self._app, self._closing = app, closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun: list[Message] = []

        async def following(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun.append(message)
            await send(message)

        try:
            async with self._closing.bound():
                await self._app(scope, receive, following)
        except TimeoutError:
            if not self._closing.begun:
                raise
            problem = Problem(503, _TOLD, "going_down")
            if begun:
                last = _last_event(problem, scope, begun[0])
                await send({"type": "http.response.body", "body": last})
            else:
                await problem.response()(scope, receive, send)


def _last_event(problem: Problem, scope: Scope, begun: Message) -> bytes:
    """Return what ends a response: of a stream of events, one that tells a problem."""
    if "text/event-stream" not in Headers(raw=begun["headers"]).get("content-type", ""):
        return b""
    # The page's own streams name their events; those that speak as OpenAI's do not.
    return event(problem.to_dict(), "error" if scope["path"].startswith("/api/") else None)
