"""OpenAI's routes where another server answers, and this one cites."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import Response

from at2_rag.server.heard import Heard, Said, thoughts_in
from at2_rag.server.presence import while_there
from at2_rag.server.problems import Problem
from at2_rag.server.replies import Json
from at2_rag.server.scoring import Scored, Scorer
from at2_rag.server.service import Service
from at2_rag.server.streams import EventStream, comment, event
from at2_rag.server.upstream import Upstream, raw_events, whole_body
from at2_rag.server.wire import ProxiedChat
from at2_rag.server.work import Quiet


def proxy_routes(service: Service, upstream: Upstream) -> APIRouter:
    """Return the routes of a service whose answers come from elsewhere.

    Args:
        service: Cites what is answered.
        upstream: The server that answers.
    """
    router = APIRouter(prefix="/v1", tags=["OpenAI"])

    @router.get("/models{rest:path}", response_model=None)
    async def models(request: Request, rest: str) -> Response:
        """Name the models that the other server has."""
        response = await upstream.ask("GET", f"/models{rest}", _authorization(request))
        return await _passed_on(response)

    @router.post("/chat/completions", response_model=None)
    async def complete(chat: ProxiedChat, request: Request) -> Response:
        """Have the other server answer, and cite what it says."""
        scorer = Scorer(service, chat)
        body = scorer.forwarded(await request.json())
        asking = upstream.ask("POST", "/chat/completions", _authorization(request), body)
        response = await while_there(request, asking)
        if response.status_code != 200:
            return await _passed_on(response)
        if "text/event-stream" in response.headers.get("content-type", ""):
            events = _events(scorer, response)
            return EventStream(events, service.limits.send_seconds, lambda: None)
        return await while_there(request, _whole(scorer, response))

    return router


def _authorization(request: Request) -> str | None:
    return request.headers.get("authorization")


async def _passed_on(response: httpx.Response) -> Response:
    """Return what the other server said, as it said it."""
    kind = response.headers.get("content-type")
    return Response(await whole_body(response), response.status_code, media_type=kind)


async def _whole(scorer: Scorer, response: httpx.Response) -> Response:
    """Return a completion with citations; one that is none is passed on as it is."""
    body = await whole_body(response)
    try:
        completion = json.loads(body)
        messages = [choice["message"] for choice in completion["choices"]]
    except (ValueError, TypeError, KeyError):
        return Response(body, 200, media_type=response.headers.get("content-type"))
    told = [await _annotate(scorer, message) for message in messages]
    completion["at2"] = told[0] if len(told) == 1 else {"choices": told}
    return Json(completion)


async def _annotate(scorer: Scorer, message: dict[str, Any]) -> dict[str, Any]:
    text = message.get("content")
    said = Said(text if isinstance(text, str) else "", thoughts_in(message))
    scored = await scorer.whole(said)
    message["annotations"] = [*(message.get("annotations") or ()), *scored.annotations]
    return scored.about


async def _events(scorer: Scorer, response: httpx.Response) -> AsyncGenerator[bytes]:
    """Yield the other server's events as they come, and citations before those of the end."""
    heard, held = Heard(), []
    try:
        async for raw in raw_events(response):
            if heard.hear(raw):
                held.append(raw)
            else:
                yield raw
    except Problem as problem:
        yield event(problem.to_dict())
        return
    finally:
        await response.aclose()
    for index, said in [] if heard.failed else sorted(heard.choices.items()):
        async for coming in scorer.scored(said):
            yield _coming(heard, index, coming)
    for raw in held:
        yield raw


def _coming(heard: Heard, index: int, coming: Scored | Quiet) -> bytes:
    if isinstance(coming, Quiet):
        return comment(f"citing, {coming.ahead} ahead")
    delta = {"annotations": coming.annotations}
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
    return event({**heard.head, "choices": [choice], "at2": coming.about})
