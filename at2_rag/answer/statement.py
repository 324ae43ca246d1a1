"""A statement of an answer, and the sources that it cites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from at2_rag.documents.passages import SourceKind
from at2_rag.documents.sources import Source
from at2_rag.spans import Span


@dataclass(frozen=True)
class Citation:
    """A statement of the answer, tied to a source.

    Attributes:
        number: The source's number, as shown in the text; one number per distinct source, 1 first.
        start: First character of the statement in the answer's text.
        end: One past the statement's last character.
        passage_index: Index among the answer's passages: those that the caller passed, and behind
            them what else holds sources.
        passage_id: The cited passage's id; ``None`` if it has none.
        title: The cited passage's title; ``None`` if it has none.
        url: Where the cited passage came from; ``None`` if it does not say.
        source_start: First character of the source in the passage's text.
        source_end: One past the source's last character.
        text: Exactly ``passages[passage_index].text[source_start:source_end]``.
        score: How much the source mattered for the statement, its copies included; unitless,
            comparable within it. Of an inherited citation, how much the statement leaned on the one
            it came through.
        via: Index of the earlier statement of the same text that this one leans on and inherits
            the citation from; ``None`` for a source that the statement itself goes back to.
        via_thought: Index of the thought that a statement of the response inherits the citation
            from; ``None`` for any other citation.
        kind: What the source is a piece of: ``"passage"``, ``"thought"``, ``"message"``,
            ``"tool"`` or ``"system"``.
        effect: Log-probability of the statement less that without the source, in nats, where
            citations were proven (``prove``); ``None`` where nobody left the source out, which
            nobody does with thoughts. Texts that say the same word for word are left out with it,
            and with the source of an inherited citation what repeats it on the way.
        also_in: Copies of the source in the same passages or others: the same sentence of a passage
            that was retrieved twice or of a chunk that overlaps, or a piece of it where it was cut
            off. What the model looked at is shared out among them, so they count together.
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
    via_thought: int | None = None
    kind: SourceKind = "passage"
    effect: float | None = None
    also_in: tuple[Source, ...] = ()

    @property
    def inherited(self) -> bool:
        """Whether it came through an earlier statement or a thought."""
        return self.via is not None or self.via_thought is not None

    @property
    def place(self) -> tuple[int, int, int]:
        """Where the source is: index of the passage, first character, one past the last."""
        return self.passage_index, self.source_start, self.source_end

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "also_in": [asdict(source) for source in self.also_in]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Citation:
        """Return what :meth:`to_dict` was called on."""
        also_in = tuple(Source(**source) for source in data.get("also_in", ()))
        return cls(**{**data, "also_in": also_in})


@dataclass(frozen=True)
class Statement:
    """One sentence of the answer.

    Attributes:
        text: Exactly ``answer.text[start:end]``.
        start: First character of the statement in the answer's text.
        end: One past the statement's last character in the answer's text.
        citations: What the statement goes back to, strongest first, by effect where it was proven;
            inherited citations behind its own, and those of thoughts behind all others.
        supported: Whether the passages made the model say it, by a calibrated threshold or
            because it leans on a supported statement; ``None`` while no threshold has been
            calibrated, as with average attention, and of a refusal. Where citations were proven,
            whether one stands, or leaving out all sources that were tried has the effect together.
        refusal: Whether it says only that the answer is not known, or not in the passages; such a
            statement cites nothing.
        ungrounded: Characters of the answer's text that the model does not take from the passages,
            in a statement that it otherwise does: numbers and names that it would hardly write
            beside them, and other words that they make far less likely; ``None`` where nobody
            looked: without ``groundedness``, at refusals, and at what is not supported at all.
    """

    text: str
    start: int
    end: int
    citations: tuple[Citation, ...]
    supported: bool | None = None
    refusal: bool = False
    ungrounded: tuple[Span, ...] | None = None

    @property
    def ungrounded_words(self) -> tuple[str, ...]:
        """Texts of what is ungrounded, in order; none where nobody looked."""
        return tuple(
            self.text[start - self.start : end - self.start] for start, end in self.ungrounded or ()
        )

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the cited sources, ascending: what the statement is marked with."""
        return tuple(sorted(citation.number for citation in self.citations))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "citations": [c.to_dict() for c in self.citations]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Statement:
        """Return what :meth:`to_dict` was called on."""
        citations = tuple(map(Citation.from_dict, data["citations"]))
        spans = data.get("ungrounded")
        ungrounded = None if spans is None else tuple((start, end) for start, end in spans)
        return cls(**{**data, "citations": citations, "ungrounded": ungrounded})
