"""What may be better than heads found by probing: ways to learn an estimator from records."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from at2_rag.errors import NumericalError
from at2_rag.estimators import LinearEstimator, ScoreEstimator
from at2_rag.training.fit import fit
from at2_rag.training.metrics import FitWarning
from at2_rag.training.prior import fit_from
from at2_rag.training.records import TrainingRecord


@dataclass(frozen=True)
class Learning:
    """What an estimator can be learned from.

    Attributes:
        records: Records to learn from, with the features of copying coefficients.
        probed: Heads found by probing the same model.
        manifest: What the records come from, for the metadata.
        seed: What is drawn while learning; the same seed draws the same.
    """

    records: Sequence[TrainingRecord]
    probed: ScoreEstimator
    manifest: Mapping[str, Any]
    seed: int


@dataclass(frozen=True)
class Candidate:
    """One way to learn an estimator.

    Attributes:
        name: What to call it in tables.
        learn: Returns the estimator; ``None`` where this way is not open for the model.
    """

    name: str
    learn: Callable[[Learning], ScoreEstimator | None]


def learned(candidates: Sequence[Candidate], learning: Learning) -> dict[str, ScoreEstimator]:
    """Return what can be learned, by name; what comes to nothing is left out.

    Args:
        candidates: The ways to learn, each of another name.
        learning: What is learned from.
    """
    found: dict[str, ScoreEstimator] = {}
    for candidate in candidates:
        try:
            with warnings.catch_warnings():
                # What a fit says of its own few held-out examples is measured on others here.
                warnings.simplefilter("ignore", FitWarning)
                estimator = candidate.learn(learning)
        except NumericalError:  # no ablation moved anything, or all coefficients became 0
            continue
        if estimator is not None:
            found[candidate.name] = estimator
    return found


def _ridge(learning: Learning, *, copying: bool) -> ScoreEstimator:
    records = learning.records if copying else [r.without_copying for r in learning.records]
    return fit(records, method="ridge", seed=learning.seed, provenance=learning.manifest).estimator


def _descent(learning: Learning) -> ScoreEstimator:
    records = [record.without_copying for record in learning.records]
    few = min(len(records), 64)  # batches of as many as there are, not the paper's 512 of 2,000
    return fit(records, batch_size=few, seed=learning.seed, provenance=learning.manifest).estimator


def _from_probed(learning: Learning, *, copying: bool) -> ScoreEstimator | None:
    probed = learning.probed
    if not isinstance(probed, LinearEstimator) or (not copying and probed.compares_tokens):
        return None
    return fit_from(
        probed,
        learning.records,
        copying=copying,
        seed=learning.seed,
        provenance=learning.manifest,
    )


#: All ways to learn; what is best on held-out questions is taken.
CANDIDATES = (
    Candidate("from probed", lambda learning: _from_probed(learning, copying=False)),
    Candidate("from probed, copying", lambda learning: _from_probed(learning, copying=True)),
    Candidate("ridge", lambda learning: _ridge(learning, copying=False)),
    Candidate("ridge, copying", lambda learning: _ridge(learning, copying=True)),
    Candidate("descent", _descent),
)
