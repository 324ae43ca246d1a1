"""Streams of server-sent events that a client may read slowly, or leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.types import Message, Send

#: Proxies in between are to pass on what comes, and nobody is to keep it.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event(data: Mapping[str, Any], name: str | None = None) -> bytes:
    """Return one event as it is sent.

    Args:
        data: What it says, written as JSON, which has no line ends outside of strings.
        name: What kind of event it is; ``None`` for a message.
    """
    head = "" if name is None else f"event: {name}\n"
    return f"{head}data: {json.dumps(data)}\n\n".encode()


def comment(text: str) -> bytes:
    """Return a line that clients skip, and that shows that the server is still there.

    Args:
        text: What it says, on one line.
    """
    return f": {text}\n\n".encode()


class EventStream(StreamingResponse):
    """Sends events as they come.

    Args:
        events: The events as they are sent; closed when the client has left.
        send_seconds: How long the client may take nothing, in seconds, before it counts as gone.
        ended: Called when the last event is sent, or the client has left.
    """

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncGenerator[bytes], send_seconds: float, ended: Callable[[], None]
    ) -> None:
        super().__init__(events, headers=_HEADERS)
        self._events, self._send_seconds, self._ended = events, send_seconds, ended

    async def stream_response(self, send: Send) -> None:
        """Send all events, and let go of them however that ends."""

        async def patiently(message: Message) -> None:
            async with asyncio.timeout(self._send_seconds):
                await send(message)

        try:
            await super().stream_response(patiently)
        except TimeoutError:
            return  # nobody is there to be told
        finally:
            self._ended()
            await self._events.aclose()
