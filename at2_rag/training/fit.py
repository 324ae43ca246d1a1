"""Fitting coefficients to collected records (section 3.2, appendix A.5)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from at2_rag.correlation import DEPENDENT_SPREAD
from at2_rag.errors import InputError, NumericalError
from at2_rag.estimators import LinearEstimator, ScoreEstimator
from at2_rag.training.dataset import Quality, Statements
from at2_rag.training.records import TrainingRecord
from at2_rag.training.solvers import RIDGE_STRENGTHS, DescentOptions, Ridge, descend

FitMethod = Literal["pearson", "ridge"]


class FitWarning(UserWarning):
    """The fitted coefficients, or what is said of them, are not to be relied on."""


class NoBetterThanAverageWarning(FitWarning):
    """On held-out examples the coefficients do no better than average attention."""


@dataclass(frozen=True)
class FitMetrics:
    """What is known of fitted coefficients.

    Attributes:
        training_examples: Examples that the coefficients were fitted to.
        held_out_examples: Examples that they were measured on.
        held_out_is_training: Whether these are the same, for want of others.
        statements: Statements of all examples.
        unmoved_statements: Those of them that no ablation moved: left out of the measurements.
        dependent_statements: Those of them that ablations made twice as likely or more.
        fitted: How well the coefficients do on held-out examples.
        average: How well average attention does there.
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


@dataclass(frozen=True, eq=False)
class FitResult:
    """Fitted coefficients.

    Attributes:
        estimator: The coefficients; options, metrics and provenance are in its ``metadata``.
        metrics: How well they do.
    """

    estimator: ScoreEstimator
    metrics: FitMetrics


def fit(
    records: Sequence[TrainingRecord],
    *,
    method: FitMethod = "pearson",
    steps: int = 1000,
    learning_rate: float = 1e-3,
    batch_size: int = 512,
    non_negative: bool = False,
    bias: bool = False,
    normalize: bool = True,
    min_spread: float = 0.0,
    held_out: float = 0.2,
    seed: int = 0,
    ridge_strengths: Sequence[float] = RIDGE_STRENGTHS,
    provenance: Mapping[str, Any] | None = None,
) -> FitResult:
    """Learn how much each attention head counts.

    Args:
        records: From :func:`~at2_rag.training.load_collected`.
        method: ``"pearson"`` for the paper's descent on minus the Pearson correlation, or
            ``"ridge"`` for a closed form of much the same, many times faster.
        steps: Of Adam.
        learning_rate: At first; a cosine brings it to 0.
        batch_size: Examples of a step, with one random statement each; drawn with replacement
            where there are fewer.
        non_negative: Keep coefficients from becoming negative.
        bias: Learn also what any source counts for, whatever its attention. It raises all
            sources of an answer alike, so it is no part of the scores, only of the metadata.
        normalize: Divide by the sum of absolute coefficients, so that scores are of one size.
        min_spread: Learn only from statements whose log-probability the ablations move over at
            least this range, in nats; the paper learns from all.
        held_out: Share of the examples to measure on and not to learn from. With 0, or a single
            example, all are measured on, which says little, and a warning says so.
        seed: Of the split and the batches.
        ridge_strengths: Strengths of the ridge, of which the best on held-out examples is taken.
        provenance: What the records come from, for the metadata.

    Raises:
        InputError: If an argument cannot be used, or the records do not go together.
        NumericalError: If all coefficients became 0, as where no ablation moved anything.
    """
    _check(method, steps, batch_size, learning_rate, held_out, ridge_strengths)
    training, measured, same = _split(Statements.of(records), len(records), held_out, seed)
    learnable = _learnable(training, min_spread)
    strength: float | None = None
    if method == "pearson":
        options = DescentOptions(steps, learning_rate, batch_size, seed)
        coefficients, offset = descend(learnable, options, non_negative=non_negative, bias=bias)
    else:
        coefficients, offset, strength = _best_ridge(
            learnable, measured, ridge_strengths, non_negative, bias
        )
    scale = _scale(coefficients, non_negative) if normalize else 1.0
    coefficients, offset = coefficients / scale, offset / scale
    metrics = _measure(training, measured, same, coefficients, strength)
    chosen = {
        "method": method,
        "steps": steps if method == "pearson" else None,
        "learning_rate": learning_rate if method == "pearson" else None,
        "batch_size": batch_size if method == "pearson" else None,
        "non_negative": non_negative,
        "bias": offset if bias else None,
        "normalize": normalize,
        "min_spread": min_spread,
        "held_out": held_out,
        "seed": seed,
    }
    metadata = {"fit": chosen, "metrics": asdict(metrics), "collected": dict(provenance or {})}
    shape = training.shape
    # With copying, there are as many again behind the others.
    plain, *copying = coefficients.view(-1, shape.layers, shape.heads)
    estimator = LinearEstimator(plain, copying[0] if copying else None, metadata=metadata)
    return FitResult(estimator, metrics)


def _split(
    statements: Statements, examples: int, share: float, seed: int
) -> tuple[Statements, Statements, bool]:
    """Return statements to learn from and to measure on, and whether they are the same."""
    if examples == 1 or share == 0:
        warnings.warn(
            f"No example of the {examples} is held out, so the metrics are those of examples that "
            "the coefficients were fitted to, and too good. Collect more examples, or hold some "
            "out.",
            FitWarning,
            stacklevel=3,
        )
        return statements, statements, True
    count = min(max(round(share * examples), 1), examples - 1)
    order = torch.randperm(examples, generator=torch.Generator().manual_seed(seed))
    return *statements.split(order[:count]), False


def _learnable(training: Statements, min_spread: float) -> Statements:
    """Return the statements that there is something to learn from."""
    moved = training.where(training.moved & (training.spread >= min_spread))
    if not len(moved.outputs):
        raise NumericalError(
            f"No ablation moved any of the {len(training.outputs)} statements to learn from, or "
            f"not over min_spread={min_spread} nats; expected answers that depend on the "
            "passages. Collect other examples."
        )
    return moved


def _best_ridge(
    training: Statements,
    measured: Statements,
    strengths: Sequence[float],
    non_negative: bool,
    bias: bool,
) -> tuple[Tensor, float, float]:
    """Return coefficients, bias and the strength that does best on what is measured."""
    ridge = Ridge(training, bias=bias)
    solved = [(*ridge.solve(s, non_negative=non_negative), s) for s in strengths]
    return max(solved, key=lambda found: measured.quality(found[0]).pearson or 0.0)


def _scale(coefficients: Tensor, non_negative: bool) -> float:
    total = float(coefficients.abs().sum())
    if total == 0:
        advice = "without non_negative=True, or " if non_negative else ""
        raise NumericalError(
            "All coefficients became 0: no head's attention goes with what ablations do. Fit "
            f"{advice}on more examples."
        )
    return total


def _measure(
    training: Statements,
    measured: Statements,
    same: bool,
    coefficients: Tensor,
    strength: float | None,
) -> FitMetrics:
    every = (training,) if same else (training, measured)
    heads = training.shape.layers * training.shape.heads
    uniform = torch.zeros_like(coefficients)
    uniform[:heads] = 1.0 / heads
    metrics = FitMetrics(
        training_examples=training.examples,
        held_out_examples=measured.examples,
        held_out_is_training=same,
        statements=sum(len(part.outputs) for part in every),
        unmoved_statements=sum(int((~part.moved).sum()) for part in every),
        dependent_statements=sum(int((p.spread >= DEPENDENT_SPREAD).sum()) for p in every),
        fitted=measured.quality(coefficients),
        average=measured.quality(uniform),
        fitted_dependent=measured.quality(coefficients, DEPENDENT_SPREAD),
        average_dependent=measured.quality(uniform, DEPENDENT_SPREAD),
        ridge=strength,
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


def _check(
    method: str,
    steps: int,
    batch_size: int,
    learning_rate: float,
    held_out: float,
    strengths: Sequence[float],
) -> None:
    if method not in get_args(FitMethod):
        raise InputError(f"method is {method!r}; expected one of {', '.join(get_args(FitMethod))}.")
    if steps < 1 or batch_size < 1 or not learning_rate > 0:
        raise InputError(
            f"steps is {steps}, batch_size {batch_size} and learning_rate {learning_rate}; "
            "expected numbers above 0."
        )
    if not 0 <= held_out < 1:
        raise InputError(f"held_out is {held_out}; expected a share from 0 to below 1.")
    if not strengths or min(strengths) <= 0:
        raise InputError(f"ridge_strengths is {strengths!r}; expected numbers above 0.")
