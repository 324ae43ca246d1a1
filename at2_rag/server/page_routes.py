"""What a page asks for: answers as events, citing, pruning, proving, and files read as passages."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, UploadFile
from fastapi.responses import Response

from at2_rag.answer.answer import Answer
from at2_rag.answer.pruning import Pruned
from at2_rag.answer.statement import Statement
from at2_rag.answering.streaming import Event, Thinking
from at2_rag.server.asked import Asked
from at2_rag.server.documents import passages_of
from at2_rag.server.presence import while_there
from at2_rag.server.problems import Problem
from at2_rag.server.replies import Json
from at2_rag.server.service import Service, T
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

    @router.post("/answer", response_model=None)
    async def reply(asking: AnswerRequest, request: Request) -> Response:
        """Answer a question: as events, or as one answer."""
        work = service.answering(_asked(service, asking))
        if not asking.stream:
            answer = _whole(await _waited(request, work))
            told = service.to_dict(answer, attribution=asking.attribution)
            return Json({"answer": told})
        try:
            await while_there(request, work.begun(service.limits.quiet_seconds))
        except BaseException:
            work.leave()
            raise
        events = _events(service, work, asking.attribution)
        return EventStream(events, service.limits.send_seconds, work.leave)

    @router.post("/cite", response_model=None)
    async def cite(asking: CiteRequest, request: Request) -> Response:
        """Cite an answer from anywhere."""
        asked = _asked(service, asking, generating=False)
        work = service.citing(asked, asking.answer, asking.thoughts)
        answer = await _waited(request, work)
        told = service.to_dict(answer, attribution=asking.attribution)
        return Json({"answer": told})

    @router.post("/prove", response_model=None)
    async def prove(asking: ProveRequest, request: Request) -> Response:
        """Leave out what each statement cites, and tell how much less likely it gets."""
        work = service.proving(_asked(service, asking, generating=False), asking)
        return Json({"verification": (await _waited(request, work)).to_dict()})

    @router.post("/prune", response_model=None)
    async def prune(asking: PruneRequest, request: Request) -> Response:
        """Draft an answer, and keep the passages that it used."""
        pruned = await _waited(request, service.pruning(_asked(service, asking), asking))
        return Json({"pruned": _pruned(service, pruned, attribution=asking.attribution)})

    @router.post("/passages", response_model=None)
    async def read(files: list[UploadFile]) -> Response:
        """Read files as passages, which stay with the client."""
        found = await passages_of_files(files)
        return Json({"passages": [asdict(passage) for passage in found]})

    return router


async def _events(service: Service, work: Work[Event], attribution: bool) -> AsyncGenerator[bytes]:
    """Yield an answer's events by name; an error that comes behind the first is one as well."""
    try:
        async for coming in work.events():
            if isinstance(coming, Quiet):
                yield event({"ahead": coming.ahead}, "waiting")
            elif isinstance(coming, Thinking):
                yield event({"text": coming.text}, "thinking")
            elif isinstance(coming, str):
                yield event({"text": coming}, "text")
            elif isinstance(coming, Statement):
                yield event(coming.to_dict(), "statement")
            else:
                yield event(service.to_dict(coming, attribution=attribution), "answer")
    except Problem as problem:
        yield event(problem.to_dict(), "error")


async def _waited(request: Request, work: Work[T]) -> T:
    """Return what comes last, while the client waits for it."""
    try:
        return await while_there(request, work.last())
    finally:
        work.leave()


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
        "draft": service.to_dict(pruned.draft, attribution=attribution),
    }
