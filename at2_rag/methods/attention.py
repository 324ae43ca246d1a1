"""Attribution with attention: AT2 and average attention (paper, sections 3.2 and 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from at2_rag.ablation.task import AttributionTask
from at2_rag.estimators import Regions, ScoreEstimator
from at2_rag.model.recorded_model import RecordedModel


@dataclass(frozen=True, eq=False)
class AttentionMethod:
    """Coefficient-weighted attention from a target's tokens to a source's.

    Scores are unitless.

    Attributes:
        estimator: Coefficients for the task's model; ``None`` weighs all heads alike, which is
            average attention.
        label: What to call the method, to tell several estimators apart; ``None`` for its usual
            name.
    """

    estimator: ScoreEstimator | None = None
    label: str | None = None

    @property
    def name(self) -> str:
        """``"at2"`` with learned coefficients, ``"average-attention"`` without."""
        if self.label is not None:
            return self.label
        learned = self.estimator is not None and self.estimator.kind != "uniform"
        return "at2" if learned else "average-attention"

    def scores(self, task: AttributionTask) -> Tensor:
        """Return (targets, sources): mean over a target's tokens, sum over a source's.

        Raises:
            EstimatorMismatchError: If the estimator is for another model.
            NumericalError: If logits or attention are NaN.
            UnsupportedModelError: If the model's attention weights cannot be had exactly.
        """
        [scores] = scores_in_one_pass(task, [self.estimator or ScoreEstimator.uniform(task.model)])
        return scores

    def forward_passes(self, task: AttributionTask) -> float:
        """Return 1: the pass that reads the answer, which comes along while answering."""
        return 1.0


def scores_in_one_pass(task: AttributionTask, estimators: Sequence[ScoreEstimator]) -> list[Tensor]:
    """Read an answer once, and weigh its attention by each of several estimators.

    Args:
        task: The answer to explain.
        estimators: What weighs the attention, at least one; all for the task's model.

    Returns:
        (targets, sources) for each estimator: mean over a target's tokens, sum over a source's.

    Raises:
        EstimatorMismatchError: If an estimator is for another model.
        NumericalError: If logits or attention are NaN.
        UnsupportedModelError: If the model's attention weights cannot be had exactly.
    """
    recorded = RecordedModel(task.model)
    for estimator in estimators:
        estimator.check_fits(recorded.shape)
    prompt, answer = task.ids[: task.prompt_length], task.ids[task.prompt_length :]
    weightings = [estimator.weightings for estimator in estimators]
    by_token = any(estimator.compares_tokens for estimator in estimators)
    ranges = None if by_token else task.sources
    seen = recorded.read(prompt, answer, torch.cat(weightings), ranges=ranges)
    owners = tuple(source.passage_index for source in task.answer.attribution.sources)
    regions, found = Regions(task.sources, owners, (), ()), []
    for estimator, tables in zip(
        estimators, torch.split(seen.tables, [len(each) for each in weightings]), strict=True
    ):
        table = estimator.scores(replace(seen, tables=tables), regions).sources
        rows = [table[start:end].mean(dim=0) for start, end in task.targets]
        found.append(torch.stack(rows) if rows else table[:0])
    return found
