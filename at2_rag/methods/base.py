"""What every attribution method offers (paper, definition 2.1), and what they share."""

from __future__ import annotations

from random import Random
from typing import Any, Protocol

import torch
from torch import Tensor

from at2_rag.ablation.task import AttributionTask
from at2_rag.errors import InputError, NumericalError
from at2_rag.model_facts import few_logits, input_device


class AttributionMethod(Protocol):
    """Scores how much each source made the model say each target."""

    @property
    def name(self) -> str:
        """As in tables and on the command line."""

    def scores(self, task: AttributionTask) -> Tensor:
        """Return (targets, sources), on the CPU; the higher, the more a source mattered.

        The unit is the method's own; scores are compared within one target only.
        """

    def forward_passes(self, task: AttributionTask) -> float:
        """Return what scoring costs, in forward passes over prompt and answer.

        A backward pass for the inputs' gradient alone counts as one: it multiplies about as many
        matrices.
        """


def checked_scores(method: AttributionMethod, task: AttributionTask) -> Tensor:
    """Return a method's scores of a task, (targets, sources), once they are found to be sound.

    Raises:
        InputError: If they are not of that shape.
        NumericalError: If they hold NaN or infinity.
    """
    scores = method.scores(task)
    expected = (len(task.targets), len(task.sources))
    if tuple(scores.shape) != expected:
        raise InputError(
            f"The method {method.name} returned scores of shape {tuple(scores.shape)}; expected "
            f"(targets, sources) = {expected}."
        )
    if not bool(torch.isfinite(scores).all()):
        raise NumericalError(
            f"The method {method.name} returned NaN or infinite scores; expected finite ones. "
            'Load the model in a wider type (dtype="float32" or "bfloat16").'
        )
    return scores


def task_seed(purpose: str, seed: int, task: AttributionTask) -> int:
    """Return a seed of its own for one purpose on one task, the same on every machine.

    What a method draws must be independent of what it is measured with, and what is drawn for one
    task of what is drawn for the next, also where the user's seed is the same for all.
    """
    return Random(f"{purpose}/{seed}/{task.ids}/{task.sources}").getrandbits(63)


def answer_logits(task: AttributionTask, **inputs: Any) -> Tensor:
    """Run one forward pass over prompt and answer, nothing ablated.

    Args:
        task: The answer to run the model over, behind its prompt.
        inputs: ``input_ids`` or ``inputs_embeds`` of all tokens but the last, which predicts
            nothing that is wanted; of a single text.

    Returns:
        (answer tokens, vocabulary), in the model's own type: logits of what each is.
    """
    rows = len(task.ids) - task.prompt_length
    logits: Tensor = task.model(use_cache=False, **inputs, **few_logits(task.model, rows)).logits
    return logits[0, -rows:]


def input_tokens(task: AttributionTask) -> Tensor:
    """Return (1, tokens - 1): what :func:`answer_logits` takes, on the model's device."""
    device = input_device(task.model)
    return torch.tensor([task.ids[:-1]], device=device)
