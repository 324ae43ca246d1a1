"""How many passages to keep, told from their scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from at2_rag.answer.pruning import PruneRule

#: Returns how many of the highest-scoring passages to keep, at least 1.
Rule = Callable[[Sequence[float]], int]

_SHARES = (0.02, 0.05, 0.1, 0.2)


def largest_gap(scores: Sequence[float]) -> int:
    """Return how many passages come before the largest fall from one score to the next."""
    ranked = sorted(scores, reverse=True)
    falls = [high - low for high, low in pairwise(ranked)]
    return falls.index(max(falls)) + 1 if falls else 1


def min_share(share: float) -> Rule:
    """Return the rule that keeps what has at least this share of all positive scores."""
    rule = PruneRule(min_share=share)
    return lambda scores: len(rule.choose(dict(enumerate(scores))))


#: By name, as in tables.
RULES: Mapping[str, Rule] = {
    **{f"share ≥ {share:g}": min_share(share) for share in _SHARES},
    "largest gap": largest_gap,
}
