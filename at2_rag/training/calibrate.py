"""From which score on a citation is real: thresholds chosen and judged by ablations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from at2_rag.documents.sources import SourceUnit
from at2_rag.errors import InputError
from at2_rag.estimators import Calibration, Reliability, ScoreEstimator
from at2_rag.estimators.calibration import best_threshold
from at2_rag.evaluation.statistics import DEPENDENT_SPREAD
from at2_rag.training.detail import SourceDetail
from at2_rag.training.records import TrainingRecord, prompts_of

_FOLDS = 5

#: What recall counts for against precision. An idle citation is noise to whoever reads it, and a
#: missing one beside others hardly missed; so precision counts more there.
_CITATION_BETA, _BETA = 0.5, 1.0


@dataclass(frozen=True)
class _Judged:
    """Scores that a threshold is to divide.

    Attributes:
        scores: (n,): total scores over the statement's tokens.
        real: (n,): whether the ablation had the effect.
        example: (n,): number of the example that each case is of.
    """

    scores: Tensor
    real: Tensor
    example: Tensor

    def where(self, chosen: Tensor) -> _Judged:
        return _Judged(self.scores[chosen], self.real[chosen], self.example[chosen])

    def best_threshold(self, beta: float) -> float:
        return best_threshold(self.scores, self.real, beta)


def calibrate(
    estimator: ScoreEstimator,
    records: Sequence[TrainingRecord],
    unit: SourceUnit,
    *,
    effect: float = DEPENDENT_SPREAD,
    seed: int = 0,
) -> Calibration:
    """Choose from which score on a source is cited, and measure how far that can be relied on.

    Decisions are to agree with whether leaving out the source alone makes the statement less likely
    by ``effect``; for ``supported``, all sources together; for ``earlier``, an earlier statement.
    Thresholds are those of the highest F1 (the harmonic mean of precision and recall), but for
    citations F0.5, where precision counts more.

    Args:
        estimator: The estimator whose scores are judged.
        records: Records with ``detail``, of examples that the estimator was not fitted to.
        unit: What the records' sources are.
        effect: Fall of a statement's log-probability that makes a citation real, in nats; by
            default half as likely.
        seed: Which examples fall into which fold; the same seed divides them in the same way.

    Raises:
        InputError: If there are no records with detail, or no ablation had the effect.
    """
    details = [record.detail for record in records if record.detail is not None]
    if not details:
        raise InputError(
            f"None of the {len(records)} records has detail; expected at least one. Collect with "
            "detail=True (at2-rag train collect --detail)."
        )
    found = [_judge(estimator, detail, i, effect) for i, detail in enumerate(details)]
    citations, supported, earlier = (_joined(parts) for parts in zip(*found, strict=True))
    if not bool(citations.real.any()):
        raise InputError(
            f"In none of the {len(details)} records did leaving out a source make a statement less "
            f"likely by {effect:.2g} nats; expected answers that depend on the passages. Collect "
            "other examples."
        )
    fold = _folds(len(details), seed)
    return Calibration(
        unit,
        effect,
        _reliability(citations, fold, _CITATION_BETA),
        _reliability(supported, fold, _BETA),
        _reliability(earlier, fold, _BETA) if bool(earlier.real.any()) else None,
        prompts=prompts_of(records),
    )


def _judge(
    estimator: ScoreEstimator, detail: SourceDetail, example: int, effect: float
) -> tuple[_Judged, _Judged, _Judged]:
    """Return what there is to judge of one example: sources, statements, earlier statements."""
    rated, sources = detail.rated(estimator), len(detail.owners)
    totals = torch.stack([rated[start:end].sum(0) for start, end in detail.targets])
    own = totals[:, :sources]
    fall = detail.whole[:, None] - detail.alone
    later = torch.ones(len(totals), len(totals)).tril(-1).bool()
    pairs = (
        (own.flatten(), fall.flatten()),
        (own.amax(dim=1), detail.whole - detail.none),
        (totals[:, sources:][later], (detail.whole[:, None] - detail.earlier)[later]),
    )
    citations, supported, earlier = (
        _Judged(scores, fell >= effect, torch.full((len(scores),), example))
        for scores, fell in pairs
    )
    return citations, supported, earlier


def _joined(parts: Sequence[_Judged]) -> _Judged:
    return _Judged(
        torch.cat([part.scores for part in parts]),
        torch.cat([part.real for part in parts]),
        torch.cat([part.example for part in parts]),
    )


def _folds(examples: int, seed: int) -> Tensor:
    """Return (examples,): the fold that each is in."""
    order = torch.randperm(examples, generator=torch.Generator().manual_seed(seed))
    return order % min(_FOLDS, examples)


def _thresholds_without(judged: _Judged, fold: Tensor, beta: float) -> Tensor | None:
    """Return (examples,): the threshold that the folds without each example give.

    ``None`` if there is a single fold, so that nothing is left to choose from.
    """
    folds = int(fold.max()) + 1
    if folds < 2:
        return None
    found = [judged.where(fold[judged.example] != k).best_threshold(beta) for k in range(folds)]
    return torch.tensor(found)[fold]


def _reliability(judged: _Judged, fold: Tensor, beta: float) -> Reliability:
    """Choose a threshold, and judge every score by what the other folds than its own chose."""
    threshold = judged.best_threshold(beta)
    without = _thresholds_without(judged, fold, beta)
    if without is None:
        return Reliability(threshold, None, None, 0)
    said = judged.scores >= without[judged.example]
    hits = int((said & judged.real).sum())
    yes, real = int(said.sum()), int(judged.real.sum())
    return Reliability(
        threshold, hits / yes if yes else None, hits / real if real else None, len(said)
    )
