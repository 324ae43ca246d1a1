"""An estimator that compares sources with one another: a small network over all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from at2_rag.attention.probe import AttentionShape
from at2_rag.errors import InputError
from at2_rag.estimators.base import ScoreEstimator
from at2_rag.estimators.files import EstimatorRecord

#: Attention below this is nothing; the root of 0 has no slope.
_LEAST = 1e-8
_LEAST_SHARE = 1e-4


class _Round(nn.Module):
    """Each source looks at itself, at its own passage, and at all sources."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.own = nn.Linear(width, width)
        self.passage = nn.Linear(width, width)
        self.everyone = nn.Linear(2 * width, width)

    def forward(self, hidden: Tensor, passage: Tensor, pooled: Tensor) -> Tensor:
        context = self.everyone(pooled)[..., None, :]
        return torch.relu(hidden + self.own(hidden) + self.passage(passage) + context)


class SourceNetwork(nn.Module):
    """Scores the sources of one answer token, whatever their number and order.

    The first layer mixes attention heads, and is linear as the paper's estimator is: it is what
    attention is folded with as it passes by, so no attention is kept by head. The others see each
    source beside the mean and the largest of all, so that what counts can be a source's lead over
    the next one, and which heads count can differ from token to token. Permuting the sources
    permutes the scores.

    Args:
        shape: Layers and heads of the model.
        mixtures: How many weightings of the heads there are, none below 0.
        width: How many numbers a hidden layer has for each source.
        rounds: How often sources look at one another.
    """

    def __init__(
        self, shape: AttentionShape, mixtures: int = 16, width: int = 64, rounds: int = 2
    ) -> None:
        super().__init__()
        self.shape = shape
        # softplus(-2 ± 0.5): a few hundredths to a few tenths each, all of them at work at first.
        self.mixing = nn.Parameter(torch.randn(mixtures, shape.layers, shape.heads) * 0.5 - 2)
        self.inputs = nn.Linear(4 * mixtures, width)
        self.rounds = nn.ModuleList(_Round(width) for _ in range(rounds))
        self.score = nn.Linear(width, 1)
        self.weight = nn.Linear(2 * width, 1)

    @classmethod
    def of_weights(cls, weights: Mapping[str, Tensor]) -> SourceNetwork:
        """Return a network with these weights, of the size that they are of.

        Args:
            weights: What ``state_dict`` of such a network returned.

        Raises:
            KeyError: If one is missing.
            RuntimeError: If they do not belong together.
        """
        mixtures, layers, heads = weights["mixing"].shape
        rounds = sum(name.endswith("own.weight") for name in weights)
        width = weights["inputs.weight"].shape[0]
        network = cls(AttentionShape(layers, heads), mixtures, width, rounds)
        network.load_state_dict(weights)
        return network

    @property
    def weightings(self) -> Tensor:
        """Return (mixtures, layers, heads), none below 0."""
        return nn.functional.softplus(self.mixing)

    def forward(self, plain: Tensor, copied: Tensor, owners: Tensor, real: Tensor) -> Tensor:
        """Return (…, tokens, regions): scores, in nats if so trained.

        Args:
            plain: (…, mixtures, tokens, regions): mixed attention.
            copied: (…, mixtures, tokens, regions): mixed attention to tokens that equal the one
                being generated.
            owners: (…, regions): the passage of each region; -1 for regions that are no source.
            real: (…, regions), 1.0 for sources: what others are compared with; 0.0 for padding
                and for regions that are no source.
        """
        features = _features(plain, copied, real)
        hidden = torch.relu(self.inputs(features))
        mine = (owners[..., :, None] == owners[..., None, :]) * real[..., None, :]
        mine = mine / mine.sum(-1, keepdim=True).clamp_min(1)
        for layer in self.rounds:
            passage = torch.einsum("...st,...rth->...rsh", mine, hidden)
            hidden = layer(hidden, passage, _pooled(hidden, real))
        scores: Tensor = self.score(hidden)[..., 0]
        scale: Tensor = nn.functional.softplus(self.weight(_pooled(hidden, real)))
        return scores * scale


def _features(plain: Tensor, copied: Tensor, real: Tensor) -> Tensor:
    """Return (…, tokens, regions, 4 · mixtures).

    Attention spans orders of magnitude, so its root is what the network sees; and its share of
    the largest source's, and of the whole.
    """
    plain, copied = plain.clamp_min(0), copied.clamp_min(0)
    known = real[..., None, None, :]
    top = (plain * known).amax(-1, keepdim=True)
    share = plain / (top + _LEAST_SHARE) * (top + _LEAST).sqrt()
    total = (plain * known).sum(-1, keepdim=True).expand_as(plain)
    roots = (plain + _LEAST).sqrt(), (copied + _LEAST).sqrt()
    return torch.cat([*roots, share, total], dim=-3).movedim(-3, -1)


def _pooled(hidden: Tensor, real: Tensor) -> Tensor:
    """Return (…, tokens, 2 · width): mean and maximum over the sources."""
    # Hidden values are not negative, so what is put to 0 is never the maximum.
    known = hidden * real[..., None, :, None]
    count = real.sum(-1).clamp_min(1)[..., None, None]
    return torch.cat([known.sum(-2) / count, known.amax(-2)], dim=-1)


@dataclass(frozen=True, eq=False, repr=False)
class NetworkEstimator(ScoreEstimator, kinds=("network",)):
    """Scores by a :class:`SourceNetwork`; they can be negative, for sources that speak against.

    Goes beyond the paper. Scores are what leaving a source out is expected to cost each token,
    in nats. What it was trained on matters more than with coefficients: train it on your own kind
    of questions.

    Attributes:
        network: The network, in evaluation mode, on the CPU.
    """

    network: SourceNetwork

    def __post_init__(self) -> None:
        self.network.requires_grad_(False).eval().float().cpu()
        if not all(bool(torch.isfinite(value).all()) for value in self.tensors().values()):
            raise InputError("The network's weights hold NaN or infinity; expected finite numbers.")

    @classmethod
    def assembled(cls, record: EstimatorRecord) -> Self:
        """Return what a record holds."""
        network = SourceNetwork.of_weights(record.tensors)
        return cls(network, metadata=record.metadata, calibrations=record.calibrations)

    @property
    def kind(self) -> str:
        """``"network"``."""
        return "network"

    @property
    def weightings(self) -> Tensor:
        """Return (mixtures, layers, heads)."""
        return self.network.weightings

    @torch.inference_mode()
    def rate(self, plain: Tensor, copied: Tensor, owners: Tensor) -> Tensor:
        """Return (answer tokens, regions), in nats."""
        regions = plain.shape[2]
        everyone = torch.full((regions,), -1)
        everyone[: len(owners)] = owners
        real = (torch.arange(regions) < len(owners)).float()
        if not regions:
            return plain[0]
        scores: Tensor = self.network(plain, copied, everyone, real)
        return scores

    def passages(self, rated: Tensor, sources: Tensor, owners: Tensor) -> Tensor:
        """Return (answer tokens, passages): the share of a token's probability that each bears.

        That is 1 - exp(-nats), of the sum of its sources that speak for the token. In nats, the
        one token that a passage decides would outweigh all that others decide: with sums, both
        supporting passages were among the top 3 of 8 in 0.92 of 60 two-hop questions of the demo
        reader, and with shares in all.
        """
        nats = torch.zeros_like(rated).index_add_(1, owners, sources.clamp_min(0))
        return -torch.expm1(-nats)

    def tensors(self) -> dict[str, Tensor]:
        """Return the network's weights by name."""
        return dict(self.network.state_dict())
