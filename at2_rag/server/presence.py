"""Whether a client is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from at2_rag.server.problems import Problem

T = TypeVar("T")


async def while_there(request: Request, doing: Coroutine[Any, Any, T]) -> T:
    """Do something for a client, and stop when the client has left.

    Args:
        request: The client's request, whose body has been read.
        doing: What is done; cancelled when the client has left.

    Raises:
        Problem: If the client has left, which nobody is told.
    """
    work = asyncio.create_task(doing)
    left = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise Problem(499, "The client has left.", "client_gone")
        return work.result()
    finally:
        work.cancel()
        left.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
