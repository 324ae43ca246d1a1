"""What stands before all routes: who may come in, how many at a time, and with how much."""

from __future__ import annotations

import asyncio
import hmac
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from at2_rag.server.limits import Limits
from at2_rag.server.metrics import Metrics
from at2_rag.server.problems import Problem

#: Names under which a server is reached that only this machine can reach.
LOOPBACK = ("localhost", "127.0.0.1", "::1")

#: What anybody may ask, so that whoever watches over the server needs no token.
_OPEN = ("/health",)

#: How much of a refused body is read and thrown away, so that its sender reads the answer.
_THROWN_AWAY = 128 * 2**20
_THROWING_SECONDS = 5.0


class Gate:
    """Lets requests in, or says why not.

    Without a token, only requests that name this machine itself as the host are let in: a page from
    elsewhere that a browser shows cannot have another name stand for it.

    Args:
        app: What requests are let in to.
        limits: How many may be open at a time, and how much a body has.
        metrics: Counts requests and refusals.
        token: What requests have to bring as ``Authorization: Bearer …``; ``None`` for nothing.
        hosts: Names of hosts that requests may name where no token is needed.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        metrics: Metrics,
        token: str | None = None,
        hosts: tuple[str, ...] = LOOPBACK,
    ) -> None:
        self._app = app
        self._limits, self._metrics = limits, metrics
        self._token, self._hosts = token, hosts
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._open += 1
        try:
            await self._let_in(scope, receive, self._counting(send))
        finally:
            self._open -= 1

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = self._reason_against(scope)
        if problem is None:
            await self._app(scope, _Body(receive, self._limits).receive, send)
            return
        self._metrics.count("refused", status=problem.status_code)
        if "expect" not in Headers(scope=scope):  # who asks before sending has sent nothing
            await _throw_away(receive)
        await problem.response()(scope, receive, send)

    def _reason_against(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        if scope["path"] in _OPEN:
            return None
        # The page itself tells nothing, and a browser that asks for it can bring no token yet.
        is_page = scope["path"] == "/" or scope["path"].startswith("/assets/")
        reason = None if self._token and is_page else self._wrong_caller(headers)
        if reason is None and self._open > self._limits.requests:
            told = f"{self._limits.requests} requests are open, and no more may be."
            reason = Problem(
                503, f"{told} Try again later.", "too_many", None, {"Retry-After": "5"}
            )
        length = headers.get("content-length", "0")
        if reason is None and length.isdecimal() and int(length) > self._limits.body_bytes:
            reason = _too_large(self._limits)
        return reason

    def _wrong_caller(self, headers: Headers) -> Problem | None:
        if self._token is not None:
            kind, _, given = headers.get("authorization", "").partition(" ")
            told = given.strip().encode() if kind.lower() == "bearer" else b""
            if hmac.compare_digest(told, self._token.encode()):
                return None
            return Problem(
                401,
                "The token is missing or wrong; expected the server's in the header "
                "Authorization: Bearer TOKEN.",
                "invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if _name_of(headers.get("host", "")) in self._hosts:
            return None
        return Problem(
            403, "The request names another host than this machine; expected localhost.", "host"
        )

    def _counting(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.count("requests", status=message["status"])
            await send(message)

        return sending


class _Body:
    """A request's body, which ends where it has too much, or takes too long to arrive."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self._receive, self._limits = receive, limits
        self._bytes = 0
        self._arrived = False
        self._until = asyncio.get_running_loop().time() + limits.body_seconds

    async def receive(self) -> Message:
        """Return the next piece, or later that the client has left.

        Raises:
            Problem: If there is too much, or it takes too long.
        """
        if self._arrived:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            told = f"The body did not arrive within {self._limits.body_seconds:g} seconds."
            raise Problem(408, f"{told} Send it faster.", "timeout") from None
        self._bytes += len(message.get("body", b""))
        self._arrived = not message.get("more_body", False)
        if self._bytes > self._limits.body_bytes:
            if not self._arrived:
                await _throw_away(self._receive)
            raise _too_large(self._limits)
        return message


def _too_large(limits: Limits) -> Problem:
    return Problem(
        413,
        f"The body is larger than {limits.body_bytes:,} bytes; expected fewer or shorter passages.",
        "too_large",
    )


async def _throw_away(receive: Receive) -> None:
    """Read a body to its end without keeping it, but not for ever."""
    read = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_THROWING_SECONDS):
            while read < _THROWN_AWAY:
                message = await receive()
                read += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def _name_of(host: str) -> str:
    """Return a host's name without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
