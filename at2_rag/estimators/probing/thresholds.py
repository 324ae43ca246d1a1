"""From which score on a statement is supported and a source cited, as the probes alone tell."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from at2_rag.estimators.calibration import Calibration, Reliability, best_threshold
from at2_rag.estimators.probing.passes import Seen

#: A probe is right or wrong by how it was made; no ablation was run, so no fall was measured.
_NO_EFFECT_MEASURED = 0.0

#: What missing a case counts against a false alarm. An idle citation is noise to whoever reads it;
#: a statement that is called supported and is not, misleads.
_CITATION_BETA, _SUPPORT_BETA, _EARLIER_BETA = 0.5, 1.0, 1.0


def calibrate_by_probes(seen: Sequence[Seen], weights: Tensor) -> Calibration:
    """Return thresholds on scores, which are means over a statement's tokens.

    A statement is supported if a passage says it, and not where that passage was taken away or the
    statement is about another world; a source is to be cited if it is the sentence that says what
    the statement says; a statement leans on an earlier one if it repeats it.

    Args:
        seen: What the heads looked at in each statement.
        weights: (layers · heads,): how much each head counts.
    """
    asked = [one for one in seen if one.origin != "repeated"]
    best = torch.tensor([float((weights @ one.counted).max()) for one in asked])
    stated = [one for one in seen if one.origin == "stated"]
    return Calibration(
        "sentence",
        _NO_EFFECT_MEASURED,
        _reliability(
            torch.cat([weights @ one.counted for one in stated]),
            torch.cat([one.needle for one in stated]),
            _CITATION_BETA,
        ),
        _reliability(best, torch.tensor([one.origin == "stated" for one in asked]), _SUPPORT_BETA),
        _earlier(seen, weights),
        "token",
    )


def _earlier(seen: Sequence[Seen], weights: Tensor) -> Reliability | None:
    later = [one for one in seen if one.earlier.shape[1]]
    if not any(one.origin == "repeated" for one in later):
        return None
    scores = [weights @ one.earlier for one in later]
    last = [torch.arange(len(score)) == len(score) - 1 for score in scores]
    real = [where & (one.origin == "repeated") for one, where in zip(later, last, strict=True)]
    return _reliability(torch.cat(scores), torch.cat(real), _EARLIER_BETA)


def _reliability(scores: Tensor, real: Tensor, beta: float) -> Reliability:
    """Choose the threshold of the highest F-beta, and say how it does where it was chosen.

    Args:
        scores: (n,): the scores to divide.
        real: (n,): which of them are to be above the threshold.
        beta: What recall counts for against precision.
    """
    threshold = best_threshold(scores, real, beta)
    said = scores >= threshold
    hits = int((said & real).sum())
    return Reliability(
        threshold, hits / max(int(said.sum()), 1), hits / max(int(real.sum()), 1), len(scores)
    )
