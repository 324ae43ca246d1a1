"""The shapes of what the tools of the Model Context Protocol take and return."""

from __future__ import annotations

from pydantic import BaseModel

from at2_rag.answer.answer import Answer
from at2_rag.answer.pruning import Pruned
from at2_rag.answer.statement import Citation, Statement


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
        ungrounded: Characters [start, end) of words that are from no passage; null where nobody
            looked.
        citations: What it goes back to, strongest first.
    """

    text: str
    start: int
    end: int
    supported: bool | None
    refusal: bool
    ungrounded: list[tuple[int, int]] | None
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
        score: How much the draft answer used it, or the question looks at it.
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
        draft: The answer that was drafted from all passages; null where the question ranks them.
    """

    passages: list[KeptPassage]
    tokens_before: int
    tokens_after: int
    draft: str | None


def cited_answer(answer: Answer) -> CitedAnswer:
    """Return an answer as the tools do."""
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
        ungrounded=None if statement.ungrounded is None else list(statement.ungrounded),
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


def kept_passages(pruned: Pruned) -> PrunedPassages:
    """Return what was pruned as the tool does."""
    kept = zip(pruned.kept, pruned.passages, pruned.scores, strict=True)
    before, after = pruned.saved.tokens
    return PrunedPassages(
        passages=[
            KeptPassage(passage_index=index, text=p.text, title=p.title, score=score)
            for index, p, score in kept
        ],
        tokens_before=before,
        tokens_after=after,
        draft=None if pruned.draft is None else pruned.draft.text,
    )
