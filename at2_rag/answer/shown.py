"""What a page shows of an answer: any record that has this can be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from at2_rag.answer.attribution import Attribution
from at2_rag.answer.marking import Mark
from at2_rag.answer.statement import Citation, Statement
from at2_rag.answer.thoughts import Thoughts
from at2_rag.documents.passages import Passage


class Shown(Protocol):
    """An answer, as :class:`at2_rag.Answer` describes it; that file draws itself by this one."""

    @property
    def question(self) -> str:
        """The question that was answered."""

    @property
    def text(self) -> str:
        """The answer's text."""

    @property
    def passages(self) -> tuple[Passage, ...]:
        """The caller's passages, and behind them what else holds sources."""

    @property
    def statements(self) -> tuple[Statement, ...]:
        """The answer's statements with their citations."""

    @property
    def citations(self) -> tuple[Citation, ...]:
        """One citation for each number."""

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Where the numbers stand in the text."""

    @property
    def attribution(self) -> Attribution:
        """The scores behind the citations."""

    @property
    def ranked_passages(self) -> list[tuple[int, float]]:
        """Index and score of each passage that the model saw."""

    @property
    def kept(self) -> tuple[int, ...]:
        """Indices of the passages that the model saw."""

    @property
    def dropped(self) -> tuple[int, ...]:
        """Indices of the passages that did not fit."""

    @property
    def shortened(self) -> tuple[tuple[int, int], ...]:
        """Index, and how many characters the model saw, of passages that were cut off."""

    @property
    def draft(self) -> Shown | None:
        """The first answer, where passages were pruned."""

    @property
    def thoughts(self) -> Thoughts | None:
        """What was thought before the answer."""

    @property
    def truncated(self) -> bool:
        """Whether the answer stopped at the longest length."""

    @property
    def prompt_tokens(self) -> int:
        """How many tokens the prompt had."""

    @property
    def model(self) -> str:
        """The model's name."""

    @property
    def estimator(self) -> str:
        """What scored the sources."""

    def place_of(self, citation: Citation) -> str | None:
        """Return the address of what is cited, or file and line."""

    def elsewhere(self, citation: Citation) -> list[str]:
        """Return in words where else a source stands."""


class Evidence(Protocol):
    """What leaving out the sources did, as :class:`at2_rag.Verification` has it."""

    @property
    def statements(self) -> Sequence[object]:
        """What it did to each statement, in words when written as a string."""


def share(attribution: Attribution, citation: Citation) -> float:
    """Return which share of a statement's positive scores a source has with its copies."""
    scores = attribution.for_span(citation.start, citation.end)
    total = float(scores.clamp(min=0).sum())
    return citation.score / total if total > 0 else 0.0
