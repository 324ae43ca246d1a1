"""Fitting estimators to collected records (section 3.2, appendix A.5)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from at2_rag.documents.sources import SourceUnit
from at2_rag.errors import InputError, NumericalError
from at2_rag.estimators import LinearEstimator, NetworkEstimator, ScoreEstimator
from at2_rag.training.calibrate import calibrate
from at2_rag.training.dataset import Statements, check_alike
from at2_rag.training.metrics import FitMetrics, FitWarning, measure
from at2_rag.training.network_fit import NetworkOptions, predictions_of, train_network
from at2_rag.training.records import TrainingRecord, prompts_of
from at2_rag.training.solvers import RIDGE_STRENGTHS, DescentOptions, Ridge, descend

FitMethod = Literal["pearson", "ridge"]


@dataclass(frozen=True, eq=False)
class FitResult:
    """A fitted estimator.

    Attributes:
        estimator: The estimator; options, metrics and provenance are in its ``metadata``.
        metrics: How well the estimator does.
    """

    estimator: ScoreEstimator
    metrics: FitMetrics


@dataclass(frozen=True)
class _Split:
    """Records to learn from and to measure on, and whether they are the same."""

    training: Sequence[TrainingRecord]
    measured: Sequence[TrainingRecord]
    same: bool

    def calibrated(self, estimator: ScoreEstimator, unit: SourceUnit | None) -> ScoreEstimator:
        """Return the estimator with thresholds for citations, where records tell of them."""
        if unit is None or any(record.detail is None for record in self.measured):
            return estimator
        try:
            return estimator.calibrated(calibrate(estimator, self.measured, unit))
        except InputError as error:  # the estimator scores all the same
            warnings.warn(f"Not calibrated: {error}", FitWarning, stacklevel=3)
            return estimator


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
    source_unit: SourceUnit | None = None,
) -> FitResult:
    """Learn how much each attention head counts.

    Args:
        records: What was collected, from :func:`~at2_rag.training.load_collected`.
        method: ``"pearson"`` for the paper's descent on minus the Pearson correlation, or
            ``"ridge"`` for a closed form of much the same, many times faster.
        steps: How many steps of Adam are taken.
        learning_rate: Learning rate of the first step; a cosine brings it to 0.
        batch_size: How many examples a step takes, with one random statement each; drawn with
            replacement where there are fewer.
        non_negative: Whether to keep coefficients from becoming negative.
        bias: Whether to learn also what any source counts for, whatever its attention. It raises
            all sources of an answer alike, so it is no part of the scores, only of the metadata.
        normalize: Whether to divide by the sum of absolute coefficients, so that scores are of one
            size.
        min_spread: Least range that the ablations move a statement's log-probability over, in nats,
            for the statement to be learned from; the paper learns from all.
        held_out: Which share of the examples to measure on and not to learn from. With 0, or a
            single example, all are measured on, which says little, and a warning says so.
        seed: Which examples are held out, and which statements each step takes; the same seed draws
            the same ones.
        ridge_strengths: Strengths of the ridge, of which the best on held-out examples is taken.
        provenance: What the records come from, for the metadata.
        source_unit: What the records' sources are. With it, and records with detail, the estimator
            is calibrated on the held-out examples; where these do not allow it, a warning says so.

    Raises:
        InputError: If an argument cannot be used, or the records do not go together.
        NumericalError: If all coefficients became 0, as where no ablation moved anything.
    """
    _check(method, steps, batch_size, learning_rate, held_out, ridge_strengths)
    split = _split(records, held_out, seed)
    training, measured = Statements.of(split.training), Statements.of(split.measured)
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
    predictions = measured.features @ coefficients
    metrics = measure(training, measured, predictions, same=split.same, ridge=strength)
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
    metadata = {
        "fit": chosen,
        "metrics": asdict(metrics),
        "collected": dict(provenance or {}),
        "prompts": list(prompts_of(split.training)),
    }
    shape = training.shape
    # With copying, there are as many again behind the others.
    plain, *copying = coefficients.view(-1, shape.layers, shape.heads)
    estimator = LinearEstimator(plain, copying[0] if copying else None, metadata=metadata)
    return FitResult(split.calibrated(estimator, source_unit), metrics)


def fit_network(
    records: Sequence[TrainingRecord],
    options: NetworkOptions | None = None,
    *,
    held_out: float = 0.2,
    seed: int = 0,
    provenance: Mapping[str, Any] | None = None,
    source_unit: SourceUnit | None = None,
    progress: Callable[[int], None] | None = None,
) -> FitResult:
    """Train a network over sources; see :class:`~at2_rag.estimators.SourceNetwork`.

    Args:
        records: What was collected with detail, from :func:`~at2_rag.training.load_collected`.
        options: How large the network is, and how it is trained.
        held_out: As for :func:`fit`.
        seed: Which examples are held out, which first weights the network has, and which statements
            each step takes; the same seed draws the same ones.
        provenance: What the records come from, for the metadata.
        source_unit: As for :func:`fit`.
        progress: Called with the number of steps done, after each.

    Raises:
        InputError: If an argument cannot be used, or a record has no detail.
        NumericalError: If no statement depends on its sources, or training diverged.
    """
    _check_share(held_out)
    options = options or NetworkOptions()
    split = _split(records, held_out, seed)
    training, measured = Statements.of(split.training), Statements.of(split.measured)
    network = train_network(split.training, options, seed, progress)
    predictions = predictions_of(NetworkEstimator(network), split.measured)
    metrics = measure(training, measured, predictions, same=split.same)
    chosen = {"method": "network", **asdict(options), "held_out": held_out, "seed": seed}
    metadata = {
        "fit": chosen,
        "metrics": asdict(metrics),
        "collected": dict(provenance or {}),
        "prompts": list(prompts_of(split.training)),
    }
    estimator = NetworkEstimator(network, metadata=metadata)
    return FitResult(split.calibrated(estimator, source_unit), metrics)


def _split(records: Sequence[TrainingRecord], share: float, seed: int) -> _Split:
    check_alike(records)
    count = len(records)
    if count == 1 or share == 0:
        warnings.warn(
            f"No example of the {count} is held out, so the metrics are those of examples that "
            "the estimator was fitted to, and too good. Collect more examples, or hold some "
            "out.",
            FitWarning,
            stacklevel=3,
        )
        return _Split(records, records, True)
    out = min(max(round(share * count), 1), count - 1)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    held = set(order[:out].tolist())
    return _Split(
        [record for i, record in enumerate(records) if i not in held],
        [record for i, record in enumerate(records) if i in held],
        False,
    )


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

    def pearson_of(coefficients: Tensor) -> float:
        return measured.quality(measured.features @ coefficients).pearson or 0.0

    return max(solved, key=lambda found: pearson_of(found[0]))


def _scale(coefficients: Tensor, non_negative: bool) -> float:
    total = float(coefficients.abs().sum())
    if total == 0:
        advice = "without non_negative=True, or " if non_negative else ""
        raise NumericalError(
            "All coefficients became 0: no head's attention goes with what ablations do. Fit "
            f"{advice}on more examples."
        )
    return total


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
    _check_share(held_out)
    if not strengths or min(strengths) <= 0:
        raise InputError(f"ridge_strengths is {strengths!r}; expected numbers above 0.")


def _check_share(held_out: float) -> None:
    if not 0 <= held_out < 1:
        raise InputError(f"held_out is {held_out}; expected a share from 0 to below 1.")
