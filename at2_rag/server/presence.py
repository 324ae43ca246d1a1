"""Whether a client is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from at2_rag.server.problems import Problem
from at2_rag.server.work import Work

T = TypeVar("T")


async def waited_for(request: Request, work: Work[T]) -> T:
    """Return what comes last of some work, and leave it, whatever comes of it.

    Args:
        request: The client's request, whose body has been read.
        work: What is done for the client.

    Raises:
        Problem: If the client has left, which nobody is told, or the work has failed.
    """
    try:
        return await while_there(request, work.last())
    finally:
        work.leave()


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
