"""Records put together for fitting, and how well coefficients do on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from at2_rag.attention.probe import AttentionShape
from at2_rag.errors import InputError
from at2_rag.evaluation.statistics import is_constant, mean_and_error, pearson, spearman
from at2_rag.training.records import TrainingRecord


@dataclass(frozen=True)
class Quality:
    """How well predictions go with effects, averaged over examples.

    Statements are averaged within their example first: they are not independent, and the
    standard errors, over examples, would come out too small. ``None`` is for an average over
    nothing, or an error of a single example.

    Attributes:
        pearson: Correlation of predictions with logits.
        pearson_error: Standard error of ``pearson``.
        lds: Linear datamodeling score (definition 2.3).
        lds_error: Standard error of ``lds``.
    """

    pearson: float | None
    pearson_error: float | None
    lds: float | None
    lds_error: float | None


@dataclass(frozen=True, eq=False)
class Statements:
    """The statements of some examples.

    Attributes:
        features: (statements, ablations, layers · heads), float32: what predicts the outputs.
        outputs: (statements, ablations), float32: log p / (1 - p) of each statement, in logits.
        kept_balance: (statements, ablations): sources kept less sources dropped.
        spread: (statements,): range of the log-probability over the ablations, in nats.
        example: (statements,): number of the example that each is of, ascending.
        shape: Layers and heads of the model.
    """

    features: Tensor
    outputs: Tensor
    kept_balance: Tensor
    spread: Tensor
    example: Tensor
    shape: AttentionShape

    @classmethod
    def of(cls, records: Sequence[TrainingRecord]) -> Statements:
        """Put records together.

        Raises:
            InputError: If there is none, or they are of different models or numbers of ablations.
        """
        check_alike(records)
        return cls(
            torch.cat([record.features for record in records]),
            torch.cat([record.outputs for record in records]),
            torch.cat([_balance(record) for record in records]),
            torch.cat([_spread(record) for record in records]),
            torch.cat([torch.full((len(r.outputs),), i) for i, r in enumerate(records)]),
            records[0].shape,
        )

    @property
    def examples(self) -> int:
        """How many examples the statements are of."""
        return len(grouped(self.example)[1])

    @property
    def heads(self) -> int:
        """Heads of all layers together."""
        return self.features.shape[2]

    @property
    def moved(self) -> Tensor:
        """(statements,): whether any ablation changed the statement's probability."""
        return ~is_constant(self.outputs)

    def where(self, chosen: Tensor) -> Statements:
        """Return some statements, chosen by number or by true and false."""
        return Statements(
            self.features[chosen],
            self.outputs[chosen],
            self.kept_balance[chosen],
            self.spread[chosen],
            self.example[chosen],
            self.shape,
        )

    def quality(self, predictions: Tensor, min_spread: float = 0.0) -> Quality:
        """Measure predictions on the statements that ablations move.

        Args:
            predictions: (statements, ablations): what is predicted, such as ``features @
                coefficients``.
            min_spread: Least range of a statement's log-probability that it counts from, in nats.
        """
        chosen = self.moved & (self.spread >= min_spread)
        moved, predictions = self.where(chosen), predictions[chosen]
        if not len(moved.outputs):
            return Quality(None, None, None, None)
        by_pearson = moved._per_example(pearson(predictions, moved.outputs))
        by_rank = moved._per_example(spearman(predictions, moved.outputs))
        return Quality(*mean_and_error(by_pearson), *mean_and_error(by_rank))

    def _per_example(self, values: Tensor) -> Tensor:
        """Return (examples,): the means of values, (statements,), that each example has."""
        place, counts = grouped(self.example)
        sums = torch.zeros(len(counts), dtype=torch.double)
        return sums.index_add_(0, place, values.double()) / counts


def grouped(example: Tensor) -> tuple[Tensor, Tensor]:
    """Number the examples that there are, and count their statements.

    Args:
        example: (statements,): number of the example that each is of, ascending.

    Returns:
        (statements,): numbers from 0 without gaps; and (examples,): how often each occurs.
    """
    place = torch.zeros_like(example)
    place[1:] = (example.diff() != 0).cumsum(0)
    return place, torch.bincount(place)


def _balance(record: TrainingRecord) -> Tensor:
    signs = 2.0 * record.masks.float() - 1.0
    return signs.sum(dim=1).expand(len(record.outputs), -1)


def _spread(record: TrainingRecord) -> Tensor:
    log_p = record.log_probabilities
    return log_p.amax(dim=1) - log_p.amin(dim=1)


def check_alike(records: Sequence[TrainingRecord]) -> None:
    """Raise ``InputError`` unless there are records, all of one shape and number of ablations."""
    if not records:
        raise InputError(
            "There are no records to fit to; expected at least one. Collect examples first, and "
            "see why they were skipped if they were."
        )
    first = records[0]
    for record in records[1:]:
        given = record.shape, record.outputs.shape[1]
        wanted = first.shape, first.outputs.shape[1]
        if given != wanted:
            raise InputError(
                f"The record {record.id!r} is of {_said(*given)}, and {first.id!r} of "
                f"{_said(*wanted)}; expected records of one run."
            )


def _said(shape: AttentionShape, ablations: int) -> str:
    return f"{shape.layers} layers of {shape.heads} heads and {ablations} ablations"
