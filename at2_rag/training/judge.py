"""How estimators do on collected examples, without another pass of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from at2_rag.errors import InputError
from at2_rag.estimators import ScoreEstimator
from at2_rag.evaluation.results import Estimate
from at2_rag.evaluation.statistics import DEPENDENT_SPREAD, spearman
from at2_rag.training.detail import SourceDetail
from at2_rag.training.records import TrainingRecord


@dataclass(frozen=True, eq=False)
class Judged:
    """How well one estimator does on each statement that depends on its sources.

    Attributes:
        lds: (statements,): linear datamodeling score (definition 2.3) over the random ablations.
        drop: (statements,): top-1 drop (definition 2.2): how far the log-probability falls once
            the source that is scored highest is left out, in nats.
        example: (statements,): number of the example that each is of.
    """

    lds: Tensor
    drop: Tensor
    example: Tensor

    @property
    def mean_lds(self) -> Estimate:
        """The mean linear datamodeling score, with a standard error over examples."""
        return _estimate(self.lds, self.example)

    @property
    def mean_drop(self) -> Estimate:
        """The mean top-1 drop, in nats, with a standard error over examples."""
        return _estimate(self.drop, self.example)

    def gain_over(self, other: Judged) -> Estimate:
        """Return by how much the linear datamodeling score is higher than another's.

        Args:
            other: How another estimator does on the same statements.
        """
        return _estimate(self.lds - other.lds, self.example)


def judge(
    estimators: Mapping[str, ScoreEstimator], records: Sequence[TrainingRecord]
) -> dict[str, Judged]:
    """Measure estimators on the same statements: those that depend on their sources.

    Args:
        estimators: The estimators, by name.
        records: Records with detail, of examples that none of them was fitted to.

    Raises:
        InputError: If a record has no detail, or no statement depends on its sources.
    """
    details = [record.required_detail() for record in records]
    depends = [record.spread() >= DEPENDENT_SPREAD for record in records]
    if not any(bool(each.any()) for each in depends):
        raise InputError(
            f"No statement of the {len(records)} records depends on its sources; expected some. "
            "Collect other examples."
        )
    example = torch.cat([torch.full((int(each.sum()),), i) for i, each in enumerate(depends)])
    found = {}
    for name, estimator in estimators.items():
        rows = [_measured(estimator, r, d) for r, d in zip(records, details, strict=True)]
        lds = torch.cat([row[0][each] for row, each in zip(rows, depends, strict=True)])
        drop = torch.cat([row[1][each] for row, each in zip(rows, depends, strict=True)])
        found[name] = Judged(lds, drop, example)
    return found


def _measured(
    estimator: ScoreEstimator, record: TrainingRecord, detail: SourceDetail
) -> tuple[Tensor, Tensor]:
    """Return (targets,) twice: linear datamodeling score, and top-1 drop in nats."""
    rated = detail.rated(estimator)[:, : len(detail.owners)]
    scores = torch.stack([rated[start:end].mean(dim=0) for start, end in detail.targets])
    lds = spearman(scores.double() @ record.masks.double().T, record.log_probabilities)
    first = scores.argsort(dim=1, descending=True, stable=True)[:, :1]
    return lds, detail.whole - detail.alone.gather(1, first)[:, 0]


def _estimate(values: Tensor, example: Tensor) -> Estimate:
    return Estimate.of(values.tolist(), example.tolist())
