"""Training a network over sources on the same ablations that coefficients are fitted to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from at2_rag.attention.probe import AttentionShape
from at2_rag.errors import InputError, NumericalError
from at2_rag.estimators import ScoreEstimator, SourceNetwork
from at2_rag.evaluation.statistics import DEPENDENT_SPREAD, pearson, ranks
from at2_rag.training.records import TrainingRecord

_LARGEST_GRADIENT = 1.0

#: Predictions for two ablations that are closer than this are the same, in nats.
_LEAST_SPREAD = 1e-9


@dataclass(frozen=True)
class NetworkOptions:
    """How large a network is, and how it is trained.

    Attributes:
        mixtures: How many weightings of the attention heads there are.
        width: How many numbers a hidden layer has for each source.
        rounds: How often sources look at one another.
        steps: How many steps of AdamW are taken.
        learning_rate: Learning rate of the first step; a cosine brings it to 0.
        weight_decay: Weight decay of AdamW.
        batch_size: How many statements a step takes.
        effect_weight: What predicting the effect of leaving out single sources counts for, beside
            predicting the order of random ablations.
    """

    mixtures: int = 16
    width: int = 64
    rounds: int = 2
    steps: int = 2000
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    batch_size: int = 48
    effect_weight: float = 0.3

    def __post_init__(self) -> None:
        counts = self.mixtures, self.width, self.rounds + 1, self.steps, self.batch_size
        if min(counts) < 1 or not self.learning_rate > 0 or self.effect_weight < 0:
            raise InputError(f"{self}; expected positive numbers.")


@dataclass(frozen=True, eq=False)
class _Statement:
    """One statement to learn from.

    Attributes:
        attention: (2, heads, tokens, regions): attention to the sources, then to the statements of
            the answer.
        owners: (regions,): index of the passage of each source; -1 for statements.
        masks: (ablations, regions), 1.0 where a source was kept; 0.0 for statements.
        order: (ablations,): ranks of the statement's log-probabilities.
        effects: (regions,): by how much the statement's log-probability falls when each alone is
            left out, in nats.
        known: (regions,), 1.0 where ``effects`` means something.
        depends: Whether the ablations say anything about sources.
    """

    attention: Tensor
    owners: Tensor
    masks: Tensor
    order: Tensor
    effects: Tensor
    known: Tensor
    depends: bool


def train_network(
    records: Sequence[TrainingRecord],
    options: NetworkOptions,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> SourceNetwork:
    """Train a network.

    The loss is minus the Pearson correlation of predictions with the ranks of the outcomes of
    random ablations, which is what the linear datamodeling score measures, on statements that
    depend on their sources; and how far the scores are from the effects of leaving out single
    sources and earlier statements, on all. Effects are compared by their asinh: a nat more counts
    where effects are small.

    Args:
        records: The records to learn from, with detail.
        options: How large the network is, and how it is trained.
        seed: Which first weights the network has, and which statements each step takes; the same
            seed draws the same ones.
        progress: Called with the number of steps done, after each.

    Raises:
        InputError: If a record has no detail.
        NumericalError: If no statement depends on its sources, or training diverged.
    """
    statements = [statement for record in records for statement in _statements(record)]
    if not any(statement.depends for statement in statements):
        raise NumericalError(
            f"No ablation moved any of the {len(statements)} statements to learn from; expected "
            "answers that depend on the passages. Collect other examples."
        )
    network = _made(records[0].shape, options, seed)
    decay, steps = options.weight_decay, options.steps
    optimizer = torch.optim.AdamW(network.parameters(), options.learning_rate, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        drawn = torch.randint(len(statements), (options.batch_size,), generator=generator)
        loss = _loss(network, [statements[i] for i in drawn.tolist()], options.effect_weight)
        optimizer.zero_grad()
        torch.autograd.backward([loss])
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)
        if not bool(torch.isfinite(norm)):
            raise NumericalError(
                f"Training diverged at step {step}; expected finite gradients. Lower the learning "
                f"rate of {options.learning_rate}."
            )
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress(step + 1)
    return network.eval()


@torch.inference_mode()
def predictions_of(estimator: ScoreEstimator, records: Sequence[TrainingRecord]) -> Tensor:
    """Return (statements, ablations): sums of the scores of the sources that each ablation kept.

    Args:
        estimator: The estimator whose scores are compared.
        records: The records to compare on, with detail.
    """
    found = []
    for record in records:
        detail = record.required_detail()
        rated = detail.rated(estimator)[:, : len(detail.owners)]
        scores = torch.stack([rated[start:end].mean(dim=0) for start, end in detail.targets])
        found.append(scores @ record.masks.float().T)
    return torch.cat(found)


def _made(shape: AttentionShape, options: NetworkOptions, seed: int) -> SourceNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SourceNetwork(shape, options.mixtures, options.width, options.rounds)


def _statements(record: TrainingRecord) -> list[_Statement]:
    detail = record.required_detail()
    sources, targets = len(detail.owners), len(detail.targets)
    owners = torch.tensor([*detail.owners, *[-1] * targets])
    masks = torch.nn.functional.pad(record.masks.float(), (0, targets))
    falls = detail.whole[:, None] - torch.cat([detail.alone, detail.earlier], dim=1)
    spread = record.spread()
    found = []
    for i, (start, end) in enumerate(detail.targets):
        known = torch.zeros(sources + targets)
        known[: sources + i] = 1.0
        found.append(
            _Statement(
                detail.attention[:, :, start:end],
                owners,
                masks,
                ranks(record.log_probabilities[i]).float(),
                falls[i],
                known,
                bool(spread[i] >= DEPENDENT_SPREAD),
            )
        )
    return found


def _loss(network: SourceNetwork, batch: Sequence[_Statement], effect_weight: float) -> Tensor:
    attention, there = _stacked(batch)
    regions = attention.shape[-1]
    owners = _padded([s.owners for s in batch], regions, -1)
    weightings = network.weightings.flatten(1)
    plain, copied = torch.einsum("ch,bphrs->pbcrs", weightings, attention)
    rated = network(plain, copied, owners, (owners >= 0).float())
    scores = (rated * there).sum(dim=1)
    sums = [s.masks @ row[: s.masks.shape[1]] for s, row in zip(batch, scores, strict=True)]
    fits = pearson(_told_apart(torch.stack(sums)), torch.stack([s.order for s in batch]))
    depends = torch.tensor([s.depends for s in batch]).float()
    fit = (fits * depends).sum() / depends.sum().clamp_min(1)
    known = _padded([s.known for s in batch], regions, 0.0)
    effects = _padded([s.effects for s in batch], regions, 0.0)
    misses = smooth_l1_loss(scores.asinh(), effects.asinh(), reduction="none") * known
    return effect_weight * misses.sum() / known.sum() - fit


def _told_apart(sums: Tensor) -> Tensor:
    """Return (statements, ablations): predictions, or 0 where a network hardly tells any apart.

    A correlation does not know how large they are, but its gradient does: where all scores have
    come to nothing, it would be more than a number can hold.
    """
    told = sums.detach()
    flat = told.amax(dim=1, keepdim=True) - told.amin(dim=1, keepdim=True) < _LEAST_SPREAD
    return sums.masked_fill(flat, 0.0)


def _stacked(batch: Sequence[_Statement]) -> tuple[Tensor, Tensor]:
    """Return (batch, 2, heads, tokens, regions), padded, and (batch, tokens, 1): 1.0 at tokens."""
    tokens = max(s.attention.shape[2] for s in batch)
    regions = max(s.attention.shape[3] for s in batch)
    attention = torch.zeros(len(batch), *batch[0].attention.shape[:2], tokens, regions)
    there = torch.zeros(len(batch), tokens, 1)
    for index, statement in enumerate(batch):
        _, _, height, width = statement.attention.shape
        attention[index, :, :, :height, :width] = statement.attention
        there[index, :height] = 1.0
    return attention, there


def _padded(rows: Sequence[Tensor], width: int, value: float) -> Tensor:
    """Return (rows, width)."""
    pad = torch.nn.functional.pad
    return torch.stack([pad(row, (0, width - len(row)), value=value) for row in rows])
