"""Tools of the Model Context Protocol: answer with citations, cite, prune."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from at2_rag import __version__
from at2_rag.answer.answer import Answer
from at2_rag.answer.pruning import Pruned
from at2_rag.answer.statement import Citation, Statement
from at2_rag.reader import Reader
from at2_rag.server.asked import Asked
from at2_rag.server.documents import passages_of
from at2_rag.server.limits import Limits
from at2_rag.server.problems import Problem
from at2_rag.server.service import Service, T
from at2_rag.server.wire import PruneRequest
from at2_rag.server.work import Work


class GivenPassage(BaseModel):
    """A passage to answer from.

    Attributes:
        text: The passage itself; every offset of a citation refers to it.
        title: What the passage is called; the model reads it.
        id: The passage's own name, unique among the passages.
        url: Where the passage came from; the model never sees it.
    """

    text: str
    title: str | None = None
    id: str | None = None
    url: str | None = None


class CitedSource(BaseModel):
    """A piece of a passage that made the model say a statement.

    Attributes:
        number: The number of the source in the marked text.
        passage_index: Index of the passage, from 0.
        passage_id: The passage's own name.
        title: What the passage is called.
        url: Where the passage came from.
        start: First character of the piece in the passage's text.
        end: One past the piece's last character.
        text: The words of the piece.
        score: How much it mattered, compared with others of the same statement.
        kind: What it is a piece of, such as a passage or a thought.
    """

    number: int
    passage_index: int
    passage_id: str | None
    title: str | None
    url: str | None
    start: int
    end: int
    text: str
    score: float
    kind: str


class CitedStatement(BaseModel):
    """A sentence of an answer.

    Attributes:
        text: The words of the sentence.
        start: First character of the sentence in the answer.
        end: One past the sentence's last character.
        supported: Whether the passages made the model say it; null where nobody can tell.
        refusal: Whether it says only that the answer is not known.
        citations: What it goes back to, strongest first.
    """

    text: str
    start: int
    end: int
    supported: bool | None
    refusal: bool
    citations: list[CitedSource]


class CitedAnswer(BaseModel):
    """An answer with its citations.

    Attributes:
        text: The words of the answer.
        marked_text: The answer with numbers such as [1] behind its sentences.
        references: The numbered sources, a line each.
        statements: The sentences of the answer, with what each goes back to.
        passages_used: Indices of the passages, most used first.
        truncated: Whether the answer was cut off.
    """

    text: str
    marked_text: str
    references: str
    statements: list[CitedStatement]
    passages_used: list[int]
    truncated: bool


class KeptPassage(BaseModel):
    """A passage that an answer used.

    Attributes:
        passage_index: Index of the passage, from 0.
        text: What is kept of the passage.
        title: What the passage is called.
        score: How much the draft answer used it.
    """

    passage_index: int
    text: str
    title: str | None
    score: float


class PrunedPassages(BaseModel):
    """The passages that are worth reading for a question.

    Attributes:
        passages: Those that are kept, in their order.
        tokens_before: How many tokens the prompt had with all passages.
        tokens_after: How many tokens the prompt has with those that are kept.
        draft: The answer that was drafted from all passages.
    """

    passages: list[KeptPassage]
    tokens_before: int
    tokens_after: int
    draft: str


_Question = Annotated[str, Field(description="The question, in words.")]
_Passages = Annotated[
    list[GivenPassage], Field(description="The passages to read, best first.", min_length=1)
]


def create_mcp_server(reader: Reader, limits: Limits | None = None) -> MCPServer[Any]:
    """Return a server with the tools, for stdin and stdout or any other way that it can run.

    Args:
        reader: Answers, cites and prunes.
        limits: How much is taken on; ``None`` for the defaults.
    """
    service = Service.of(reader, limits or Limits())
    server: MCPServer[Any] = MCPServer(
        "at2-rag",
        version=__version__,
        instructions="A local language model that answers from passages, and tells from its own "
        "attention which sentences of them made it say each sentence.",
        log_level="WARNING",
    )

    @server.tool()
    async def answer_with_citations(
        question: _Question,
        passages: _Passages,
        prune_to: Annotated[
            int | None, Field(ge=1, description="Answer again from so many of the passages.")
        ] = None,
        max_new_tokens: Annotated[
            int | None, Field(ge=1, description="Longest answer, in tokens.")
        ] = None,
    ) -> CitedAnswer:
        """Answer a question from passages with the local model, and cite what made it say so."""
        longest = {} if max_new_tokens is None else {"max_new_tokens": max_new_tokens}
        asked = _asked(service, question, passages, longest, prune_to)
        last = await _waited(lambda: service.answering(asked))
        assert isinstance(last, Answer)  # a stream's last event is
        return _cited(last)

    @server.tool()
    async def cite(
        question: _Question,
        passages: _Passages,
        text: Annotated[str, Field(description="The answer to cite, from anywhere.")],
    ) -> CitedAnswer:
        """Cite an answer that was written elsewhere, as if the local model had given it."""
        asked = _asked(service, question, passages, {})
        return _cited(await _waited(lambda: service.citing(asked, text)))

    @server.tool()
    async def prune(
        question: _Question,
        passages: _Passages,
        top_k: Annotated[
            int | None, Field(ge=1, description="How many to keep at most; or min_share.")
        ] = None,
        min_share: Annotated[
            float | None, Field(gt=0, le=1, description="Least share of all use; or top_k.")
        ] = None,
        unit: Annotated[
            Literal["passage", "sentence"], Field(description="What is kept or dropped.")
        ] = "passage",
    ) -> PrunedPassages:
        """Keep the passages that a draft answer of the local model uses."""
        rule = PruneRequest(question=question, top_k=top_k, min_share=min_share, unit=unit)
        asked = _asked(service, question, passages, {})
        return _kept(await _waited(lambda: service.pruning(asked, rule)))

    return server


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


def _cited(answer: Answer) -> CitedAnswer:
    return CitedAnswer(
        text=answer.text,
        marked_text=answer.marked_text,
        references=answer.references,
        statements=[_statement(each) for each in answer.statements],
        passages_used=[index for index, _ in answer.ranked_passages],
        truncated=answer.truncated,
    )


def _statement(statement: Statement) -> CitedStatement:
    return CitedStatement(
        text=statement.text,
        start=statement.start,
        end=statement.end,
        supported=statement.supported,
        refusal=statement.refusal,
        citations=[_source(citation) for citation in statement.citations],
    )


def _source(citation: Citation) -> CitedSource:
    return CitedSource(
        number=citation.number,
        passage_index=citation.passage_index,
        passage_id=citation.passage_id,
        title=citation.title,
        url=citation.url,
        start=citation.source_start,
        end=citation.source_end,
        text=citation.text,
        score=citation.score,
        kind=citation.kind,
    )


def _kept(pruned: Pruned) -> PrunedPassages:
    kept = zip(pruned.kept, pruned.passages, pruned.scores, strict=True)
    before, after = pruned.saved.tokens
    return PrunedPassages(
        passages=[
            KeptPassage(passage_index=index, text=p.text, title=p.title, score=score)
            for index, p, score in kept
        ],
        tokens_before=before,
        tokens_after=after,
        draft=pruned.draft.text,
    )
