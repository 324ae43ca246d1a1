"""Tokens that were drawn though others were more likely, and which sources speak for which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from at2_rag.ablation.task import AttributionTask
from at2_rag.methods import AttentionMethod, AttributionMethod, GradientMethod, LeaveOneOutMethod
from at2_rag.methods.base import answer_logits, checked_scores, input_tokens
from torch import Tensor

from at2_rag_experiments.base import Record


@torch.inference_mode()
def gaps(task: AttributionTask) -> Tensor:
    """Return (answer tokens,): how much more likely the likeliest token was, in nats; 0 where said.

    The model's own distribution counts, at temperature 1.

    Args:
        task: The task whose answer was said.
    """
    logits, said = _logits(task)
    return logits.amax(dim=-1) - logits.gather(-1, said[:, None])[:, 0]


@torch.inference_mode()
def likeliest(task: AttributionTask, place: int) -> int:
    """Return the token that the model would have said at a place of the answer, by its logits."""
    return int(_logits(task)[0][place].argmax())


def alternative_to(
    task: AttributionTask, place: int, methods: Sequence[AttributionMethod]
) -> Record:
    """Return which source counts most for a token, and which for the likeliest one in its place.

    Both stand behind the same words. By the truth, leaving out each source alone, and by those of
    the methods that read the answer once: attention, and gradients.

    Args:
        task: The task whose answer was said.
        place: Place of the token, counted from the answer's first.
        methods: The methods to ask.

    Returns:
        ``drawn`` and ``likeliest``: the source that counts most in truth for either token, and its
        effect in nats; ``across``: effect on the token drawn of the source for the likeliest one;
        ``first``: for each method, the source that it scores highest for either token.
    """
    drawn = replace(
        task,
        ids=task.ids[: task.prompt_length + place + 1],
        targets=((place, place + 1),),
    )
    instead = replace(drawn, ids=(*drawn.ids[:-1], likeliest(task, place)))
    effects = [checked_scores(LeaveOneOutMethod(), one)[0] for one in (drawn, instead)]
    sources = [int(effect.argmax()) for effect in effects]
    reading = [m for m in methods if isinstance(m, AttentionMethod | GradientMethod)]
    return {
        "drawn": [sources[0], float(effects[0][sources[0]])],
        "likeliest": [sources[1], float(effects[1][sources[1]])],
        "across": float(effects[0][sources[1]]),
        "first": {
            m.name: [int(checked_scores(m, one)[0].argmax()) for one in (drawn, instead)]
            for m in reading
        },
    }


def _logits(task: AttributionTask) -> tuple[Tensor, Tensor]:
    """Return (answer tokens, vocabulary) logits, and (answer tokens,) what was said."""
    logits = answer_logits(task, input_ids=input_tokens(task)).float().cpu()
    return logits, torch.tensor(task.ids[task.prompt_length :])
