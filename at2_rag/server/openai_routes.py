"""OpenAI's routes: ``/v1/chat/completions`` and ``/v1/models``."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from time import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from at2_rag.answer.answer import Answer
from at2_rag.answer.statement import Statement
from at2_rag.answering.streaming import Event, Writing
from at2_rag.server.chats import asked_of
from at2_rag.server.completions import Completion
from at2_rag.server.presence import while_there
from at2_rag.server.problems import Problem
from at2_rag.server.replies import Json
from at2_rag.server.service import Service
from at2_rag.server.streams import EventStream, comment, event
from at2_rag.server.wire import ChatRequest
from at2_rag.server.work import Quiet, Work


def openai_routes(service: Service) -> APIRouter:
    """Return the routes of a service that answers by itself.

    Args:
        service: The reader that answers, and its queue.
    """
    router = APIRouter(prefix="/v1", tags=["OpenAI"])
    begun = int(time())

    @router.get("/models")
    async def models() -> dict[str, Any]:
        """Name the one model that there is."""
        return {"object": "list", "data": [_model(service.name, begun)]}

    @router.get("/models/{name:path}")
    async def model(name: str) -> dict[str, Any]:
        """Say whether there is such a model."""
        service.check_name(name)
        return _model(name, begun)

    @router.post("/chat/completions", response_model=None)
    async def complete(chat: ChatRequest, request: Request) -> Response:
        """Answer the last message, from the documents and tools' results, with citations."""
        service.check_name(chat.model)
        completion = Completion(service.name)
        work = service.answering(asked_of(chat, service.limits))
        try:
            if not chat.stream:
                last = await while_there(request, work.last())
                return Json(completion.whole(_whole(last)))
            await while_there(request, work.begun(service.limits.quiet_seconds))
        except BaseException:
            work.leave()
            raise
        usage = chat.stream_options is not None and chat.stream_options.include_usage
        chunks = _chunks(work, completion, usage)
        return EventStream(chunks, service.limits.send_seconds, work.leave)

    return router


async def _chunks(work: Work[Event], completion: Completion, usage: bool) -> AsyncGenerator[bytes]:
    """Yield the chunks of an answer; an error that comes behind the first is a chunk as well."""
    yield event(completion.first())
    ahead = False  # whether the text has come ahead of its statements, and need not come again
    try:
        async for coming in work.events():
            if isinstance(coming, Quiet):
                yield comment(f"waiting, {coming.ahead} ahead")
                continue
            ahead = ahead or isinstance(coming, Writing)
            if _tells_more(coming, ahead):
                yield event(completion.piece(coming))
            if usage and isinstance(coming, Answer):
                yield event(completion.usage(coming))
    except Problem as problem:
        yield event(problem.to_dict())
    yield b"data: [DONE]\n\n"


def _tells_more(coming: Event, ahead: bool) -> bool:
    """Whether something has to be sent: what is cited, and text that was not sent before."""
    if isinstance(coming, Statement):
        return bool(coming.citations)
    if isinstance(coming, Writing):
        return bool(coming.text)
    return not (ahead and isinstance(coming, str))


def _whole(last: Event) -> Answer:
    assert isinstance(last, Answer)  # a stream's last event is
    return last


def _model(name: str, begun: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": begun, "owned_by": "at2-rag"}
