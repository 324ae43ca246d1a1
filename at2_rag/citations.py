"""Citations: for each statement of an answer, the sources that made the model say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from at2_rag.attribution import Attribution
from at2_rag.passages import Passage
from at2_rag.sources import Source, sentences_or_whole

#: A source is cited beside the strongest one if its score is at least this share of that one's.
RELATIVE_SCORE = 0.5


@dataclass(frozen=True)
class Citation:
    """A statement of the answer, tied to a source.

    Attributes:
        number: As shown in the text; one number per distinct source, 1 first.
        start: First character of the statement in the answer's text.
        end: One past the statement's last character.
        passage_index: Index among the passages that the caller passed.
        passage_id: That passage's id.
        title: That passage's title.
        url: That passage's address.
        source_start: First character of the source in the passage's text.
        source_end: One past the source's last character.
        text: Exactly ``passages[passage_index].text[source_start:source_end]``.
        score: How much the source mattered for the statement; unitless, comparable within it.
    """

    number: int
    start: int
    end: int
    passage_index: int
    passage_id: str | None
    title: str | None
    url: str | None
    source_start: int
    source_end: int
    text: str
    score: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Statement:
    """One sentence of the answer.

    Attributes:
        text: Exactly ``answer.text[start:end]``.
        start: First character in the answer's text.
        end: One past the last character.
        citations: Strongest first.
        supported: Whether the passages made the model say it; ``None`` while no threshold has
            been calibrated, as with average attention.
    """

    text: str
    start: int
    end: int
    citations: tuple[Citation, ...]
    supported: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "citations": [c.to_dict() for c in self.citations]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Statement:
        """Return what :meth:`to_dict` was called on."""
        citations = tuple(Citation(**citation) for citation in data["citations"])
        return cls(**{**data, "citations": citations})


class _Numbers:
    """Numbers sources in order of first use."""

    def __init__(self) -> None:
        self._numbers: dict[Source, int] = {}

    def of(self, source: Source) -> int:
        return self._numbers.setdefault(source, len(self._numbers) + 1)


def cite(
    text: str,
    attribution: Attribution,
    passages: Sequence[Passage],
    *,
    max_citations: int,
    min_score: float | None = None,
    language: str = "english",
) -> tuple[Statement, ...]:
    """Cite every statement of an answer.

    A source is cited if its score is positive, at least ``RELATIVE_SCORE`` of the statement's
    highest, and at least ``min_score``.

    Args:
        text: The answer.
        attribution: Its scores.
        passages: The caller's passages.
        max_citations: At most so many for a statement.
        min_score: Scores below are not cited; unitless.
        language: Of the answer's sentences.
    """
    numbers = _Numbers()
    statements = []
    for start, end in sentences_or_whole(text, language):
        scores = attribution.for_span(start, end)
        citations = [
            _citation(numbers, attribution.sources[i], float(scores[i]), (start, end), passages)
            for i in _chosen(scores, max_citations, min_score)
        ]
        statements.append(Statement(text[start:end], start, end, tuple(citations)))
    return tuple(statements)


def _chosen(scores: Tensor, max_citations: int, min_score: float | None) -> list[int]:
    order = torch.argsort(scores, descending=True, stable=True).tolist()[:max_citations]
    if not order:
        return []
    least = RELATIVE_SCORE * float(scores[order[0]])
    if min_score is not None:
        least = max(least, min_score)
    return [i for i in order if scores[i] > 0 and scores[i] >= least]


def _citation(
    numbers: _Numbers,
    source: Source,
    score: float,
    span: tuple[int, int],
    passages: Sequence[Passage],
) -> Citation:
    passage = passages[source.passage_index]
    return Citation(
        number=numbers.of(source),
        start=span[0],
        end=span[1],
        passage_index=source.passage_index,
        passage_id=passage.id,
        title=passage.title,
        url=passage.url,
        source_start=source.start,
        source_end=source.end,
        text=source.text,
        score=score,
    )
