"""Tools of the Model Context Protocol: answer with citations, cite, prune."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from at2_rag import __version__
from at2_rag.answer.answer import Answer
from at2_rag.reader import Reader
from at2_rag.server.asked import Asked
from at2_rag.server.documents import passages_of
from at2_rag.server.limits import Limits
from at2_rag.server.mcp_shapes import (
    CitedAnswer,
    GivenPassage,
    PrunedPassages,
    cited_answer,
    kept_passages,
)
from at2_rag.server.problems import Problem
from at2_rag.server.service import Service, T
from at2_rag.server.wire import PruneRequest
from at2_rag.server.work import Work

_Question = Annotated[str, Field(description="The question, in words.")]
_Passages = Annotated[
    list[GivenPassage], Field(description="The passages to read, best first.", min_length=1)
]
_PruneTo = Annotated[
    int | None, Field(ge=1, description="Answer again from so many of the passages.")
]
_Longest = Annotated[int | None, Field(ge=1, description="Longest answer, in tokens.")]
_Text = Annotated[str, Field(description="The answer to cite, from anywhere.")]
_TopK = Annotated[int | None, Field(ge=1, description="How many to keep at most; or min_share.")]
_MinShare = Annotated[
    float | None, Field(gt=0, le=1, description="Least share of all use; or top_k.")
]
_Unit = Annotated[Literal["passage", "sentence"], Field(description="What is kept or dropped.")]


def create_mcp_server(reader: Reader, limits: Limits | None = None) -> MCPServer[Any]:
    """Return a server with the tools, for stdin and stdout or any other way that it can run.

    Args:
        reader: Answers, cites and prunes.
        limits: How much is taken on; ``None`` for the defaults.
    """
    server: MCPServer[Any] = MCPServer(
        "at2-rag",
        version=__version__,
        instructions="A local language model that answers from passages, and tells from its own "
        "attention which sentences of them made it say each sentence.",
        log_level="WARNING",
    )
    tools = _Tools(Service.of(reader, limits or Limits()))
    for tool in (tools.answer_with_citations, tools.cite, tools.prune):
        server.tool()(tool)
    return server


class _Tools:
    """What the tools do; they are called as the methods are, and their first lines tell models.

    Args:
        service: Answers, cites and prunes.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def answer_with_citations(
        self,
        question: _Question,
        passages: _Passages,
        prune_to: _PruneTo = None,
        max_new_tokens: _Longest = None,
    ) -> CitedAnswer:
        """Answer a question from passages with the local model, and cite what made it say so."""
        longest = {} if max_new_tokens is None else {"max_new_tokens": max_new_tokens}
        asked = _asked(self._service, question, passages, longest, prune_to)
        last = await _waited(lambda: self._service.answering(asked))
        assert isinstance(last, Answer)  # a stream's last event is
        return cited_answer(last)

    async def cite(self, question: _Question, passages: _Passages, text: _Text) -> CitedAnswer:
        """Cite an answer that was written elsewhere, as if the local model had given it."""
        asked = _asked(self._service, question, passages, {})
        return cited_answer(await _waited(lambda: self._service.citing(asked, text)))

    async def prune(
        self,
        question: _Question,
        passages: _Passages,
        top_k: _TopK = None,
        min_share: _MinShare = None,
        unit: _Unit = "passage",
    ) -> PrunedPassages:
        """Keep the passages that a draft answer of the local model uses."""
        rule = PruneRequest(question=question, top_k=top_k, min_share=min_share, unit=unit)
        asked = _asked(self._service, question, passages, {})
        return kept_passages(await _waited(lambda: self._service.pruning(asked, rule)))


def _asked(
    service: Service,
    question: str,
    passages: list[GivenPassage],
    options: Mapping[str, Any],
    prune_to: int | None = None,
) -> Asked:
    documents = [passage.model_dump(exclude_none=True) for passage in passages]
    try:
        found = passages_of(documents, service.limits, "passages")
    except Problem as problem:
        raise ToolError(problem.detail) from problem
    return Asked(question, found, options=options, prune_to=prune_to)


async def _waited(begin: Callable[[], Work[T]]) -> T:
    """Return what comes last; who calls the tool may give up, and the model with it.

    Raises:
        ToolError: If it fails, with what there is to say to a model.
    """
    try:
        work = begin()
        try:
            return await work.last()
        finally:
            work.leave()
    except Problem as problem:
        raise ToolError(problem.detail) from problem
