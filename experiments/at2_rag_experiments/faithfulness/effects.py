"""What leaving sources out really does to an answer: the truth that methods are held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import torch
from at2_rag.ablation.task import AttributionTask
from at2_rag.evaluation.metrics import EvaluationData
from torch import Tensor

from at2_rag_experiments.base import Record
from at2_rag_experiments.faithfulness.scored import Scored

#: How many of a method's first sources are left out together.
TOP = 3


@dataclass(frozen=True, eq=False)
class Effects:
    """What leaving sources out did to the statements of an answer.

    Attributes:
        alone: (targets, sources): fall of each target's log-probability without the source alone,
            in nats.
        nothing: (targets,): the fall without any source, in nats.
        seconds: How long leaving out each source alone took.
        random: Random ablations, for correlations.
        top: By method, (targets,): the fall without its first :data:`TOP` sources, in nats.
    """

    alone: Tensor
    nothing: Tensor
    seconds: float
    random: EvaluationData
    top: Mapping[str, Tensor]

    def to_dict(self) -> Record:
        """Return plain JSON types."""
        return {
            "alone": self.alone.tolist(),
            "nothing": self.nothing.tolist(),
            "seconds": self.seconds,
            "whole": self.random.whole.tolist(),
            "masks": ["".join("01"[int(kept)] for kept in row) for row in self.random.masks],
            "log_p": self.random.log_probabilities.tolist(),
            "top": {name: drops.tolist() for name, drops in self.top.items()},
        }


def effects_of(
    task: AttributionTask, scored: Mapping[str, Scored], ablations: int, seed: int
) -> Effects:
    """Leave sources of an answer out: each alone, at random, and each method's first ones.

    Args:
        task: The answer, with at least one statement and one source.
        scored: Scores of the methods whose first sources are left out, by name.
        ablations: How many random ablations to run.
        seed: What the random ablations are drawn with.

    Raises:
        NumericalError: If the model produced NaN.
    """
    count, start = len(task.sources), perf_counter()
    masks = torch.cat(
        [
            torch.ones(1, count, dtype=torch.bool),
            ~torch.eye(count, dtype=torch.bool),
            torch.zeros(1, count, dtype=torch.bool),
        ]
    )
    found = falls(task, masks)
    seconds = perf_counter() - start
    alone = found[:, 1:-1]
    return Effects(
        alone,
        found[:, -1],
        seconds,
        EvaluationData.collect(task, ablations, seed),
        _top_falls(task, {"leave-one-out": alone} | {n: s.scores for n, s in scored.items()}),
    )


def falls(task: AttributionTask, masks: Tensor) -> Tensor:
    """Leave sources out, and compare with the first ablation.

    Args:
        task: The answer whose sources are left out, with at least one statement.
        masks: (ablations, sources), true where a source is kept.

    Returns:
        (targets, ablations): how far each target's log-probability falls from that under the first
        of the ablations, in nats.

    Raises:
        NumericalError: If the model produced NaN.
    """
    log_p = task.ablator().ablate(masks).log_probabilities(task.targets)
    return log_p[:, :1] - log_p


def _top_falls(task: AttributionTask, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the falls without each method's first sources; equal sets are run once."""
    count = len(task.sources)
    whole = torch.ones(1, count, dtype=torch.bool)
    masks = [whole]
    for table in scores.values():
        first = table.argsort(dim=1, descending=True, stable=True)[:, :TOP]
        masks.append(torch.ones(len(table), count, dtype=torch.bool).scatter(1, first, False))
    distinct, row_of = torch.unique(torch.cat(masks), dim=0, return_inverse=True)
    ablated = falls(task, torch.cat([whole, distinct]))[:, 1:]
    found, done = {}, 1
    for name, table in scores.items():
        rows = row_of[done : done + len(table)]
        found[name] = ablated.gather(1, rows[:, None])[:, 0]
        done += len(table)
    return found
