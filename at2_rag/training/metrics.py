"""How well an estimator does on held-out examples, beside average attention."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from torch import Tensor

from at2_rag.evaluation.statistics import DEPENDENT_SPREAD
from at2_rag.training.dataset import Quality, Statements


class FitWarning(UserWarning):
    """The fitted estimator, or what is said of them, are not to be relied on."""


class NoBetterThanAverageWarning(FitWarning):
    """On held-out examples the estimator does no better than average attention."""


@dataclass(frozen=True)
class FitMetrics:
    """What is known of a fitted estimator.

    Attributes:
        training_examples: How many examples the estimator was fitted to.
        held_out_examples: How many examples the estimator was measured on.
        held_out_is_training: Whether the estimator was measured on the examples that it was fitted
            to, for want of others.
        statements: How many statements all examples have.
        unmoved_statements: How many statements no ablation moved; they are left out of the
            measurements.
        dependent_statements: How many statements ablations made twice as likely or more.
        fitted: How well the estimator does on held-out examples.
        average: How well average attention does on held-out examples.
        fitted_dependent: As ``fitted``, on dependent statements alone.
        average_dependent: As ``average``, on dependent statements alone.
        ridge: Strength of the ridge, chosen on the held-out examples; ``None`` without one.
    """

    training_examples: int
    held_out_examples: int
    held_out_is_training: bool
    statements: int
    unmoved_statements: int
    dependent_statements: int
    fitted: Quality
    average: Quality
    fitted_dependent: Quality
    average_dependent: Quality
    ridge: float | None


def measure(
    training: Statements,
    measured: Statements,
    predictions: Tensor,
    *,
    same: bool,
    ridge: float | None = None,
) -> FitMetrics:
    """Measure what was fitted, beside average attention, and warn if it is no better.

    Args:
        training: The statements that were learned from.
        measured: The statements that are measured on.
        predictions: (statements, ablations): what was predicted for the statements that are
            measured on.
        same: Whether the measured statements are those that were learned from, for want of others.
        ridge: Strength of the ridge; ``None`` without one.
    """
    every = (training,) if same else (training, measured)
    average = measured.features[..., : training.shape.layers * training.shape.heads].mean(-1)
    metrics = FitMetrics(
        training_examples=training.examples,
        held_out_examples=measured.examples,
        held_out_is_training=same,
        statements=sum(len(part.outputs) for part in every),
        unmoved_statements=sum(int((~part.moved).sum()) for part in every),
        dependent_statements=sum(int((p.spread >= DEPENDENT_SPREAD).sum()) for p in every),
        fitted=measured.quality(predictions),
        average=measured.quality(average),
        fitted_dependent=measured.quality(predictions, DEPENDENT_SPREAD),
        average_dependent=measured.quality(average, DEPENDENT_SPREAD),
        ridge=ridge,
    )
    _warn_if_no_better(metrics)
    return metrics


def _warn_if_no_better(metrics: FitMetrics) -> None:
    fitted, average = metrics.fitted.lds, metrics.average.lds
    if fitted is None or average is None:
        warnings.warn(
            f"No ablation moved any statement of the {metrics.held_out_examples} held-out "
            "examples, so nothing is known of the coefficients. Hold out more.",
            FitWarning,
            stacklevel=4,
        )
    elif fitted <= average:
        warnings.warn(
            f"The coefficients do no better than average attention on "
            f"{metrics.held_out_examples} held-out examples: LDS {fitted:.3f} against "
            f"{average:.3f}. Collect more examples, or use average attention.",
            NoBetterThanAverageWarning,
            stacklevel=4,
        )
