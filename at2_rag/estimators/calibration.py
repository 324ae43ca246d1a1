"""From which score on a citation is real, as ablations showed on held-out examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from at2_rag.documents.sources import SourceUnit


@dataclass(frozen=True)
class Reliability:
    """How far a threshold can be relied on.

    Measured across folds of the held-out examples: each fold with the threshold that the others
    gave, so none is judged by a threshold that it helped to choose.

    Attributes:
        threshold: The score from which on the answer is yes, of a statement or of a token, as the
            calibration says.
        precision: Which share of the cases called yes really are; ``None`` if nothing was called
            so.
        recall: Which share of the cases that really are was called yes; ``None`` if there were
            none.
        count: How many cases were judged.
    """

    threshold: float
    precision: float | None
    recall: float | None
    count: int


@dataclass(frozen=True)
class Calibration:
    """Thresholds for one kind of source.

    Attributes:
        unit: What a source is, such as a sentence.
        effect: Fall of a statement's log-probability from which on an ablation counts, in nats.
        citations: How well scores tell whether leaving out a source alone has that effect on a
            statement.
        supported: How well the highest score of any source tells whether leaving out all of them
            has it.
        earlier: How well scores tell whether leaving out an earlier statement of the answer has it;
            ``None`` if no answer had a second statement.
        per: What thresholds are scores of: ``"statement"`` for the total over a statement's tokens,
            which is the score times their number, or ``"token"`` for the score itself, their mean.
        prompts: Messages of the templates that the statements were made with; empty where nobody
            noted them.
    """

    unit: SourceUnit
    effect: float
    citations: Reliability
    supported: Reliability
    earlier: Reliability | None
    per: Literal["statement", "token"] = "statement"
    prompts: tuple[str, ...] = ()

    def least(self, reliability: Reliability, tokens: int) -> float:
        """Return the least score for which the answer is yes.

        Args:
            reliability: One of this calibration's own.
            tokens: How many tokens the statement has.
        """
        return reliability.threshold / (tokens if self.per == "statement" else 1)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """Return what :meth:`to_dict` was called on.

        Raises:
            KeyError: If something is missing.
            TypeError: If something is of another kind.
        """
        return cls(
            data["unit"],
            data["effect"],
            Reliability(**data["citations"]),
            Reliability(**data["supported"]),
            None if data["earlier"] is None else Reliability(**data["earlier"]),
            data["per"],
            tuple(data.get("prompts", ())),
        )


def best_threshold(scores: Tensor, real: Tensor, beta: float) -> float:
    """Return the threshold of the highest F-beta; between the last score it takes and the next.

    Args:
        scores: (n,): the scores to divide.
        real: (n,): which of them are to be above the threshold.
        beta: What recall counts for against precision.
    """
    order = scores.argsort(descending=True, stable=True)
    ranked, hit = scores[order].double(), real[order].double()
    hits = hit.cumsum(0)
    taken = torch.arange(1, len(hit) + 1)
    measure = (1 + beta**2) * hits / (taken + beta**2 * hit.sum()).clamp_min(1)
    # Equal scores are taken together or not at all.
    last = torch.cat([ranked[1:] < ranked[:-1], torch.ones(1, dtype=torch.bool)])
    best = int(torch.where(last, measure, -torch.ones_like(measure)).argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else ranked[best]
    return float((ranked[best] + below) / 2)
