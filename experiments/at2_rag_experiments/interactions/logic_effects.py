"""What all ablations of a few sources say: surrogates with and without products, Shapley values."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import Literal

import torch
from at2_rag.errors import InputError
from at2_rag.evaluation.statistics import is_constant, spearman
from torch import Tensor

_MOST_SOURCES = 12


def all_masks(sources: int) -> Tensor:
    """Return (2^sources, sources): every way to keep sources, in the order of :func:`row_of`.

    Raises:
        InputError: If there are none, or too many to go through.
    """
    if not 1 <= sources <= _MOST_SOURCES:
        raise InputError(f"There are {sources} sources; expected 1 to {_MOST_SOURCES} of them.")
    rows = torch.arange(2**sources)
    return (rows[:, None] >> torch.arange(sources)) % 2 == 1


def row_of(mask: Tensor) -> Tensor:
    """Return (…,): the row of masks, (…, sources), in :func:`all_masks`."""
    return (mask.long() << torch.arange(mask.shape[-1])).sum(dim=-1)


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A model of what ablations do, of single sources, or of single sources and pairs of them.

    Sources count ½ if they are kept and -½ if not, so that the weights of single sources and of
    pairs are apart from each other over all ablations.

    Attributes:
        constant: What it predicts with nothing kept, in the unit of the effects.
        single: (sources,): what each source adds, in the same unit.
        pairs: (pairs,): what each pair adds beyond its sources, in the order of
            ``itertools.combinations``; empty without pairs.
    """

    constant: float
    single: Tensor
    pairs: Tensor

    @classmethod
    def fit(cls, masks: Tensor, effects: Tensor, order: Literal[1, 2]) -> Surrogate:
        """Fit by least squares.

        Args:
            masks: (ablations, sources): which sources each ablation keeps.
            effects: (ablations,): what each ablation does.
            order: 1 for single sources, 2 for pairs as well.
        """
        count = masks.shape[1]
        weights = torch.linalg.lstsq(
            _terms(masks, order), effects.double()[:, None], driver="gelsd"
        ).solution[:, 0]
        return cls(float(weights[0]), weights[1 : 1 + count], weights[1 + count :])

    def predict(self, masks: Tensor) -> Tensor:
        """Return (ablations,): the effects that it expects of masks, (ablations, sources)."""
        constant = torch.tensor([self.constant], dtype=torch.double)
        weights = torch.cat([constant, self.single, self.pairs])
        return _terms(masks, 2 if len(self.pairs) else 1) @ weights

    @property
    def importance(self) -> Tensor:
        """Return (sources,): the variance over all ablations that each source has a part in.

        Without pairs, the square of half its weight; with them, the total index of Sobol before it
        is divided by the whole variance.
        """
        count = len(self.single)
        found = self.single.square() / 4
        for (i, j), weight in zip(combinations(range(count), 2), self.pairs, strict=False):
            found = found.index_add(0, torch.tensor([i, j]), (weight.square() / 16).expand(2))
        return found


def _terms(masks: Tensor, order: int) -> Tensor:
    """Return (ablations, terms): 1, each source, and for order 2 each pair of sources."""
    signs = masks.double() - 0.5
    terms = [torch.ones_like(signs[:, :1]), signs]
    if order == 2:
        first, second = torch.triu_indices(signs.shape[1], signs.shape[1], offset=1)
        terms.append(signs[:, first] * signs[:, second])
    return torch.cat(terms, dim=1)


def shapley(effects: Tensor) -> Tensor:
    """Return (sources,): Shapley values, in the unit of the effects.

    Args:
        effects: (2^sources,): what all ablations do, in the order of :func:`all_masks`.
    """
    count = (len(effects) - 1).bit_length()
    masks = all_masks(count)
    # The chance that a set of this size comes before a source, in a random order of all.
    chances = torch.tensor(
        [factorial(k) * factorial(count - k - 1) / factorial(count) for k in range(count)],
        dtype=torch.double,
    )
    values = []
    for source in range(count):
        without = torch.nonzero(~masks[:, source])[:, 0]
        gains = effects[without + 2**source].double() - effects[without].double()
        values.append((gains * chances[masks[without].sum(dim=1)]).sum())
    return torch.stack(values)


def explained(predicted: Tensor, effects: Tensor) -> tuple[float | None, float | None]:
    """Return R² and the rank correlation of predictions; ``None`` where nothing moves.

    Args:
        predicted: (ablations,): what a surrogate says that each ablation does.
        effects: (ablations,): what each does.
    """
    if bool(is_constant(effects)):
        return None, None
    effects = effects.double()
    missed = (predicted - effects).square().sum() / (effects - effects.mean()).square().sum()
    return float(1 - missed), float(spearman(predicted, effects))
