"""Another server that answers chat completions: asked, and read piece by piece."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from at2_rag.server.problems import Problem

#: How long a connection may take, in seconds.
_CONNECT_SECONDS = 10.0
#: What one event of a stream, or a whole answer, has at most, in bytes.
_MOST_BYTES = 32 * 2**20

_EVENT_END = re.compile(rb"\r?\n\r?\n")


class Upstream:
    """A server that speaks OpenAI's chat completions.

    Args:
        url: Where its routes begin, such as ``http://localhost:8000/v1``.
        key: What it is sent as ``Authorization: Bearer …``; ``None`` for nothing of one's own.
        seconds: How long it may be silent, in seconds.
        forwards: Whether it is sent what the client sent as ``Authorization``, where there is no
            key; not where that is this server's own token.
    """

    def __init__(
        self, url: str, key: str | None = None, seconds: float = 300.0, *, forwards: bool = True
    ) -> None:
        self.url = url.rstrip("/")
        self._key, self._forwards = key, forwards
        timeout = httpx.Timeout(seconds, connect=_CONNECT_SECONDS)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        self._client = httpx.AsyncClient(timeout=timeout, limits=limits)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        authorization: str | None,
        body: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        """Send a request, and return the response, whose body is to be read and closed.

        Args:
            method: The request's method.
            path: The route behind the address.
            authorization: What the client sent as ``Authorization``; ``None`` for nothing.
            body: What to send as JSON; ``None`` for nothing.

        Raises:
            Problem: If the server cannot be reached.
        """
        sent = authorization if self._forwards and self._key is None else None
        if self._key is not None:
            sent = f"Bearer {self._key}"
        headers = {} if sent is None else {"Authorization": sent}
        request = self._client.build_request(method, self.url + path, headers=headers, json=body)
        with told_as_problems():
            return await self._client.send(request, stream=True)


@contextmanager
def told_as_problems() -> Iterator[None]:
    """Turn what goes wrong between two servers into what the client is told."""
    try:
        yield
    except httpx.TimeoutException as error:
        told = "The upstream server did not answer in time. Try again later."
        raise Problem(504, told, "upstream_timeout") from error
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
        told = f"The upstream server cannot be reached, or broke off: {why}."
        raise Problem(502, told, "upstream_failed") from error


async def whole_body(response: httpx.Response) -> bytes:
    """Read all that a server has to say.

    Args:
        response: The response; closed afterwards.

    Raises:
        Problem: If the server breaks off, or there is too much.
    """
    body = bytearray()
    try:
        with told_as_problems():
            async for piece in response.aiter_bytes():
                body += piece
                _check_size(len(body))
    finally:
        await response.aclose()
    return bytes(body)


async def raw_events(response: httpx.Response) -> AsyncGenerator[bytes]:
    """Yield the events of a stream just as they come, each with the blank line behind it.

    Args:
        response: The response; closed afterwards.

    Raises:
        Problem: If the server breaks off, or an event is too long.
    """
    kept = b""
    try:
        with told_as_problems():
            async for piece in response.aiter_bytes():
                kept += piece
                while found := _EVENT_END.search(kept):
                    yield kept[: found.end()]
                    kept = kept[found.end() :]
                _check_size(len(kept))
        if kept.strip():
            yield kept + b"\n\n"
    finally:
        await response.aclose()


def _check_size(size: int) -> None:
    if size > _MOST_BYTES:
        told = f"The upstream server sent more than {_MOST_BYTES:,} bytes at once."
        raise Problem(502, told, "upstream_failed")
