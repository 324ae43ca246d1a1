"""Citations: for each statement of an answer, the sources that made the model say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from at2_rag.attribution import Attribution
from at2_rag.estimators.calibration import Calibration
from at2_rag.passages import Passage
from at2_rag.settings import Settings
from at2_rag.sources import Source

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
        score: How much the source mattered for the statement; unitless, comparable within it. Of
            an inherited citation, how much the statement leaned on the one it came through.
        via: Index of the earlier statement that this one leans on and inherits the citation
            from; ``None`` for a source that the statement itself goes back to.
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
    via: int | None = None

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
        citations: Strongest first; inherited ones behind the statement's own.
        supported: Whether the passages made the model say it, by a calibrated threshold or
            because it leans on a supported statement; ``None`` while no threshold has been
            calibrated, as with average attention.
    """

    text: str
    start: int
    end: int
    citations: tuple[Citation, ...]
    supported: bool | None = None

    @property
    def marks(self) -> str:
        """What is put behind the statement: ``[1][2]``, in ascending order."""
        return "".join(f"[{n}]" for n in sorted(citation.number for citation in self.citations))

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
    settings: Settings,
    calibration: Calibration | None = None,
) -> tuple[Statement, ...]:
    """Cite every statement of an answer.

    With a calibration, a source is cited if its score reaches the threshold, and of a supported
    statement its strongest in any case. Without one, it is cited if its score is positive and at
    least ``RELATIVE_SCORE`` of the statement's highest.

    Args:
        text: The answer.
        attribution: Its scores.
        passages: The caller's passages.
        settings: How many citations, from which score on, and whether they are inherited.
        calibration: From which score on a citation is real, for these sources.
    """
    numbers = _Numbers()
    done: list[Statement] = []
    for start, end in attribution.statements:
        span = (start, end)
        scores = attribution.for_span(start, end)
        tokens = len(attribution.tokens_touching(start, end))
        own = [
            _citation(numbers, attribution.sources[i], float(scores[i]), span, passages)
            for i in _chosen(scores, tokens, settings, calibration)
        ]
        leaned = _leaned_on(attribution, span, settings, calibration)
        inherited = _inherited(own, [(done[i], i, score) for i, score in leaned], span)
        supported = None
        if calibration is not None:
            direct = bool((scores * tokens >= calibration.supported.threshold).any())
            supported = direct or any(done[i].supported for i, _ in leaned)
        cited = (*own, *inherited)[: settings.max_citations]
        done.append(Statement(text[start:end], start, end, cited, supported))
    return tuple(done)


def _chosen(
    scores: Tensor, tokens: int, settings: Settings, calibration: Calibration | None
) -> list[int]:
    order = torch.argsort(scores, descending=True, stable=True).tolist()[: settings.max_citations]
    if not order:
        return []
    if calibration is None:
        least = RELATIVE_SCORE * float(scores[order[0]])
    elif float(scores[order[0]]) * tokens < calibration.supported.threshold:
        return []
    else:
        least = min(calibration.citations.threshold / tokens, float(scores[order[0]]))
    if settings.min_score is not None:
        least = max(least, settings.min_score)
    return [i for i in order if scores[i] > 0 and scores[i] >= least]


def _leaned_on(
    attribution: Attribution,
    span: tuple[int, int],
    settings: Settings,
    calibration: Calibration | None,
) -> list[tuple[int, float]]:
    """Return the earlier statements that one leans on, and how much, the most first."""
    if not settings.transitive or calibration is None or calibration.earlier is None:
        return []
    scores = attribution.by_statement(*span)
    least = calibration.earlier.threshold / len(attribution.tokens_touching(*span))
    found = [(i, score) for i, score in enumerate(scores.tolist()) if score > 0 and score >= least]
    return sorted(found, key=lambda pair: -pair[1])


def _inherited(
    own: Sequence[Citation],
    leaned: Sequence[tuple[Statement, int, float]],
    span: tuple[int, int],
) -> list[Citation]:
    """Return the citations of earlier statements, each once and none that the statement has."""
    known = {citation.number for citation in own}
    found: dict[int, Citation] = {}
    for statement, index, score in leaned:
        for citation in statement.citations:
            if citation.number not in known and citation.number not in found:
                found[citation.number] = replace(
                    citation, start=span[0], end=span[1], score=score, via=index
                )
    return list(found.values())


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
