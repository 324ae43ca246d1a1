"""What became of the examples of a run, one by one and together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from at2_rag.training.records import SkipReason


@dataclass(frozen=True)
class Outcome:
    """What became of one example.

    Attributes:
        id: The id of the example that was gone through.
        resumed: Whether the example was done by an earlier call, and is left as it is.
        skipped: Why there is nothing to learn from the example; ``None`` if there is something, or
            if it is resumed.
    """

    id: str
    resumed: bool = False
    skipped: SkipReason | None = None


@dataclass(frozen=True)
class CollectReport:
    """What a collection did.

    Attributes:
        folder: Path or URL of the records.
        stored: How many examples were collected.
        resumed: How many examples had been done before.
        skipped: How many examples there is nothing to learn from, by reason.
        seconds: How long the collection took.
    """

    folder: str
    stored: int
    resumed: int
    skipped: dict[SkipReason, int]
    seconds: float

    @classmethod
    def of(cls, folder: str, outcomes: Sequence[Outcome], seconds: float) -> CollectReport:
        """Return the report of the examples that were gone through."""
        skipped = Counter(outcome.skipped for outcome in outcomes if outcome.skipped)
        resumed = sum(outcome.resumed for outcome in outcomes)
        stored = len(outcomes) - resumed - skipped.total()
        return cls(folder, stored, resumed, dict(skipped), seconds)

    @property
    def examples(self) -> int:
        """How many examples were gone through."""
        return self.stored + self.resumed + sum(self.skipped.values())
