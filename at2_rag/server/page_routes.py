"""What a page asks for: answers as events, citing, pruning, proving, and files read as passages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import asdict, replace
from typing import Any

from fastapi import APIRouter, Request, UploadFile
from fastapi.responses import Response

from at2_rag.answer.answer import Answer
from at2_rag.answer.page import answer_view
from at2_rag.answer.pruning import Pruned
from at2_rag.answer.statement import Statement
from at2_rag.answering.streaming import Event, Thinking, Writing
from at2_rag.server.asked import Asked
from at2_rag.server.documents import passages_of
from at2_rag.server.presence import waited_for, while_there
from at2_rag.server.problems import Problem
from at2_rag.server.replies import Json
from at2_rag.server.service import Service
from at2_rag.server.streams import EventStream, event
from at2_rag.server.uploads import passages_of_files
from at2_rag.server.wire import AnswerRequest, CiteRequest, ProveRequest, PruneRequest
from at2_rag.server.work import Quiet, Work


def page_routes(service: Service) -> APIRouter:
    """Return the routes.

    Args:
        service: Answers, cites, prunes and proves.
    """
    router = APIRouter(prefix="/api", tags=["at2-rag"])
    doors = _Doors(service)
    for handler in (doors.answer, doors.cite, doors.prove, doors.prune, doors.passages):
        router.post(f"/{handler.__name__}", response_model=None)(handler)
    return router


class _Doors:
    """What each route does; the routes are called as the methods are.

    Args:
        service: Answers, cites, prunes and proves.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def answer(self, asking: AnswerRequest, request: Request) -> Response:
        """Answer a question: as events, or as one answer."""
        service = self._service
        work = service.answering(_asked(service, asking))
        if not asking.stream:
            answer = _whole(await waited_for(request, work))
            told = service.to_dict(answer, attribution=asking.attribution)
            return Json({"answer": told})
        try:
            if not work.ahead:  # who has to wait is told so at once
                await while_there(request, work.begun(service.limits.quiet_seconds))
        except BaseException:
            work.leave()
            raise
        events = _events(service, work, asking)
        return EventStream(events, service.limits.send_seconds, work.leave)

    async def cite(self, asking: CiteRequest, request: Request) -> Response:
        """Cite an answer from anywhere."""
        service = self._service
        asked = _asked(service, asking, generating=False)
        work = service.citing(asked, asking.answer, asking.thoughts)
        answer = await waited_for(request, work)
        told = service.to_dict(answer, attribution=asking.attribution)
        return Json({"answer": told})

    async def prove(self, asking: ProveRequest, request: Request) -> Response:
        """Leave out what each statement cites, and tell how much less likely it gets."""
        asked = _asked(self._service, asking, generating=False)
        work = self._service.proving(asked, asking)
        return Json({"verification": (await waited_for(request, work)).to_dict()})

    async def prune(self, asking: PruneRequest, request: Request) -> Response:
        """Draft an answer, and keep the passages that it used."""
        service = self._service
        pruned = await waited_for(request, service.pruning(_asked(service, asking), asking))
        return Json({"pruned": _pruned(service, pruned, attribution=asking.attribution)})

    async def passages(self, files: list[UploadFile]) -> Response:
        """Read files as passages, which stay with the client."""
        found, remarks = await passages_of_files(files)
        return Json({"passages": [asdict(passage) for passage in found], "remarks": remarks})


async def _events(
    service: Service, work: Work[Event], asking: AnswerRequest
) -> AsyncGenerator[bytes]:
    """Yield an answer's events by name; an error that comes behind the first is one as well."""
    try:
        if work.ahead:
            yield event({"ahead": work.ahead}, "waiting")
        async for coming in work.events():
            if isinstance(coming, Quiet):
                yield event({"ahead": coming.ahead}, "waiting")
            elif isinstance(coming, Thinking):
                yield event({"text": coming.text}, "thinking")
            elif isinstance(coming, Writing):
                yield event({"text": coming.text, "last": coming.last}, "writing")
            elif isinstance(coming, str):
                yield event({"text": coming}, "text")
            elif isinstance(coming, Statement):
                yield event(coming.to_dict(), "statement")
            else:
                told = service.to_dict(coming, attribution=asking.attribution)
                yield event(told, "answer")
                if asking.view:
                    named = replace(coming, model=service.name)
                    yield event(await asyncio.to_thread(_view, named), "view")
    except Problem as problem:
        yield event(problem.to_dict(), "error")


def _view(answer: Answer) -> dict[str, Any]:
    """Return an answer as HTML in parts, and what the page has to know beside it."""
    view = answer_view(answer, {})
    before, behind = view.around()
    return {
        "html": view.html,
        "data": view.data,
        "facts": list(view.facts),
        "before": before,
        "behind": behind,
        "ranked": [index for index, _ in answer.used_passages],
    }


def _asked(
    service: Service, asking: AnswerRequest | CiteRequest | PruneRequest, *, generating: bool = True
) -> Asked:
    options = asking.options
    return Asked(
        asking.question,
        passages_of(asking.passages, service.limits, "passages"),
        list(asking.history),
        {
            **options.settings(service.limits),
            **(options.sampling() if generating else {}),
        },
        options.prune_to,
        options.seed,
    )


def _whole(last: Event) -> Answer:
    assert isinstance(last, Answer)  # a stream's last event is
    return last


def _pruned(service: Service, pruned: Pruned, *, attribution: bool) -> dict[str, Any]:
    return {
        "passages": [asdict(passage) for passage in pruned.passages],
        "kept": list(pruned.kept),
        "scores": list(pruned.scores),
        "spans": [[list(span) for span in spans] for spans in pruned.spans],
        "saved": asdict(pruned.saved),
        "draft": pruned.draft and service.to_dict(pruned.draft, attribution=attribution),
    }
