"""The page at ``/``: its files, which come with the package, and what it begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from at2_rag.documents.articles import QUESTIONS, read_articles
from at2_rag.documents.files import SUFFIXES
from at2_rag.documents.passages import Passage
from at2_rag.server.problems import Problem
from at2_rag.server.replies import Json
from at2_rag.server.service import Service
from at2_rag.view.scripts import modules_of

#: The page may load its own files and ask this server, and nothing else; what is drawn as HTML goes
#: through the one policy that is named.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types at2-view",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_KINDS = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
#: What the page loads, by the package that has it: the page's own, and an answer's.
_ASSETS = {
    "at2_rag.server": (
        "serve.css", "icon.svg", "main.js", "api.js", "given.js", "uploading.js", "asking.js",
        "live.js", "shown.js", "elements.js",
    ),
    "at2_rag.view": ("page.css", *modules_of("answer.js")),
}  # fmt: skip


@dataclass(frozen=True)
class Example:
    """What the page begins with.

    Attributes:
        questions: Questions that one click asks.
        passages: What they are about.
    """

    questions: Sequence[str]
    passages: Sequence[Passage]

    @classmethod
    def articles(cls) -> Example:
        """Return questions about the articles that come with the package."""
        return cls(QUESTIONS, read_articles())


def web_page_routes(service: Service, example: Example) -> APIRouter:
    """Return the routes of the page.

    Args:
        service: Answers what the page asks.
        example: What the page begins with.
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page() -> Response:
        return _file("at2_rag.server", "index.html")

    @router.get("/assets/{name}")
    async def asset(name: str) -> Response:
        for package, names in _ASSETS.items():
            if name in names:
                return _file(package, name)
        raise Problem(404, f"There is no {name[:80]!r} among the page's files.", "not_found")

    @router.get("/api/start")
    async def start() -> Response:
        return Json(_start(service, example))

    return router


def _start(service: Service, example: Example) -> dict[str, Any]:
    """Return what the page has to know before anybody asks anything."""
    limits = service.limits
    return {
        "model": service.name,
        "suffixes": list(SUFFIXES),
        "limits": {"passages": limits.documents, "bytes": limits.body_bytes},
        "example": {
            "questions": list(example.questions),
            "passages": [asdict(passage) for passage in example.passages],
        },
    }


def _file(package: str, name: str) -> Response:
    content = files(package).joinpath("assets", name).read_bytes()
    return Response(content, media_type=_KINDS[name.rpartition(".")[2]], headers=_HEADERS)
