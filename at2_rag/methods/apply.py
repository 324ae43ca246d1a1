"""Citations from any method: its scores in the place of the reader's own."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from at2_rag.ablation.task import AttributionTask
from at2_rag.answer.answer import Answer
from at2_rag.answer.attribution import Attribution
from at2_rag.answer.citing import cite
from at2_rag.answer.thoughts import Thoughts
from at2_rag.methods.base import AttributionMethod, checked_scores
from at2_rag.prompt.settings import Settings


def answer_by(method: AttributionMethod, task: AttributionTask, settings: Settings) -> Answer:
    """Return the task's answer, cited by a method's scores.

    Thoughts are a source like others, and cite nothing themselves. Copies of a source count by the
    sum of their scores; by the highest one, where the method has a ``shared_by_copies`` that is not
    true. Where the method has a ``calibration``, a function of the unit of sources, its thresholds
    say what is cited and supported.

    Args:
        method: The method whose scores are cited by.
        task: The answer to cite, with its sources and targets.
        settings: How to cite; ``min_score`` is in the method's own unit.

    Raises:
        InputError: If the method's scores do not have one row per target and column per source.
        NumericalError: If they hold NaN or infinity.
    """
    answer = task.answer
    calibrated = getattr(method, "calibration", None)
    cited = cite(
        answer.text,
        attribution_by(method, task),
        answer.passages,
        settings,
        None if calibrated is None else calibrated(settings.source_unit),
        shared=getattr(method, "shared_by_copies", True),
    )
    return replace(
        answer,
        attribution=cited.attribution,
        statements=cited.statements,
        estimator=method.name,
        thoughts=None if answer.thoughts is None else _uncited(answer.thoughts),
    )


def _uncited(thoughts: Thoughts) -> Thoughts:
    """Return thoughts without citations and scores of another estimator, in another unit."""
    statements = (replace(s, citations=(), supported=None) for s in thoughts.statements)
    found = thoughts.attribution
    unscored = replace(
        found,
        scores=torch.zeros_like(found.scores),
        passage_scores=torch.zeros_like(found.passage_scores),
        statement_scores=torch.zeros_like(found.statement_scores),
        thought_scores=torch.zeros_like(found.thought_scores),
    )
    return replace(thoughts, statements=tuple(statements), attribution=unscored)


def attribution_by(method: AttributionMethod, task: AttributionTask) -> Attribution:
    """Return the task's score table, filled with a method's scores.

    Methods score a statement as a whole, so all its tokens get the same scores; ``for_span`` of
    a statement gives the method's score, and ``by_source`` the mean of the statements' scores,
    each counted by its tokens. A passage's score is the sum of its sources'. How much statements
    lean on earlier ones is not scored.

    Raises:
        InputError: If the method's scores do not have one row per target and column per source.
        NumericalError: If they hold NaN or infinity.
    """
    attribution = task.answer.attribution
    if not task.targets or not task.sources:
        return replace(
            attribution,
            scores=torch.zeros_like(attribution.scores),
            passage_scores=torch.zeros_like(attribution.passage_scores),
            statement_scores=torch.zeros_like(attribution.statement_scores),
            thought_scores=torch.zeros_like(attribution.thought_scores),
        )
    scores = _spread_over_tokens(checked_scores(method, task), task)
    passages = torch.zeros_like(attribution.passage_scores)
    owners = torch.tensor([source.passage_index for source in attribution.sources])
    passages.index_add_(0, owners, scores)
    return replace(
        attribution,
        scores=scores,
        passage_scores=passages,
        statement_scores=torch.zeros_like(attribution.statement_scores),
        thought_scores=torch.zeros_like(attribution.thought_scores),
    )


def _spread_over_tokens(scores: Tensor, task: AttributionTask) -> Tensor:
    """Return (sources, answer tokens) whose mean over each target's tokens is its score.

    Two statements may share a token that has a piece of both. It keeps the first one's score, and
    the other tokens of the second make up for it.

    Args:
        scores: (targets, sources): how much each source mattered for each target, by the method.
        task: The answer that was scored, with its sources and targets.
    """
    table = torch.zeros(len(task.sources), len(task.ids) - task.prompt_length)
    done = 0
    for (start, end), score in zip(task.targets, scores.float().cpu(), strict=True):
        own = max(start, done)
        if own < end:
            given = table[:, start:own].sum(dim=1)
            table[:, own:end] = ((score * (end - start) - given) / (end - own))[:, None]
            done = end
    return table
