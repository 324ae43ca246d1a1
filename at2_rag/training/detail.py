"""What network estimators and calibration are learned from: attention and effects by source."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from at2_rag.ablation.masking import DEFAULT_BYTE_LIMIT
from at2_rag.ablation.task import AttributionTask
from at2_rag.attention.folds import HeadFold
from at2_rag.attention.probe import AttentionShape
from at2_rag.estimators import ScoreEstimator
from at2_rag.spans import Span


@dataclass(frozen=True, eq=False)
class SourceDetail:
    """One example, source by source.

    Attributes:
        attention: (2, layers · heads, answer tokens, sources + targets), float32: attention to
            each source, and behind them to each statement of the answer; and the same to those
            of their tokens that equal the one being generated. Unitless.
        owners: Index of the passage that each source is a piece of.
        targets: Range of answer tokens of each target.
        whole: (targets,): log-probability with nothing left out, in nats.
        none: (targets,): log-probability with all sources left out, in nats.
        alone: (targets, sources): log-probability with each source alone left out, in nats.
        earlier: (targets, targets): log-probability with each statement of the answer left out, in
            nats; only what is said of later statements means anything.
    """

    attention: Tensor
    owners: tuple[int, ...]
    targets: tuple[Span, ...]
    whole: Tensor
    none: Tensor
    alone: Tensor
    earlier: Tensor

    def target_means(self) -> Tensor:
        """Return (2, layers · heads, targets, sources): means over the targets' tokens."""
        sources = self.attention[..., : len(self.owners)]
        means = [sources[:, :, start:end].mean(dim=2) for start, end in self.targets]
        return torch.stack(means, dim=2)

    def weighted(self, weightings: Tensor) -> tuple[Tensor, Tensor]:
        """Return (weightings, answer tokens, regions) twice, as :meth:`ScoreEstimator.rate` takes.

        Args:
            weightings: (weightings, layers, heads): what each head counts for.
        """
        plain, copied = torch.einsum("ch,phrs->pcrs", weightings.flatten(1), self.attention)
        return plain, copied

    def rated(self, estimator: ScoreEstimator) -> Tensor:
        """Return (answer tokens, sources + targets): an estimator's scores."""
        return estimator.rate(*self.weighted(estimator.weightings), torch.tensor(self.owners))


def detail_folds(
    task: AttributionTask, shape: AttentionShape, copied: Tensor
) -> tuple[HeadFold, HeadFold]:
    """Return the two folds that keep attention by answer token, to all tokens and to equal ones.

    Args:
        task: The answer to explain, with its sources and targets.
        shape: Layers and heads of the task's model.
        copied: (answer tokens, keys), 1.0 where a key's token is the one being generated.
    """
    first, count = task.prompt_length, len(task.ids) - task.prompt_length
    # The answer's last token is predicted and never looked at.
    said = [(first + start, min(first + end, len(task.ids) - 1)) for start, end in task.targets]
    regions = (*task.sources, *said)
    tokens = [(i, i + 1) for i in range(count)]

    def fold(counted: Tensor | None) -> HeadFold:
        return HeadFold(shape.layers, shape.heads, regions, tokens, task.first_row, counted)

    return fold(None), fold(copied)


def source_detail(
    task: AttributionTask, folds: tuple[HeadFold, HeadFold], byte_limit: int = DEFAULT_BYTE_LIMIT
) -> SourceDetail:
    """Ablate each source and each statement alone, and put it together with the attention.

    Args:
        task: The answer to explain, with its sources and targets.
        folds: What :func:`detail_folds` returned, after the pass.
        byte_limit: Bound on the logits of one batch of ablations, in bytes.

    Raises:
        NumericalError: If the model produced NaN.
    """
    sources, targets = len(task.sources), len(task.targets)
    regions = sources + targets
    masks = torch.ones(2 + regions, regions, dtype=torch.bool)
    masks[1, :sources] = False
    masks[2:] = ~torch.eye(regions, dtype=torch.bool)
    effects = task.ablator_with(task.said, byte_limit).ablate(masks)
    log_p = effects.log_probabilities(task.targets).float()
    whole, none, alone, earlier = torch.split(log_p, [1, 1, sources, targets], dim=1)
    return SourceDetail(
        torch.stack([fold.features.flatten(0, 1) for fold in folds]),
        tuple(source.passage_index for source in task.answer.attribution.sources),
        task.targets,
        whole[:, 0],
        none[:, 0],
        alone,
        earlier,
    )
