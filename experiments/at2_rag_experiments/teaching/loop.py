"""The training loop: a model from scratch, on worlds without end."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from at2_rag.errors import NumericalError
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from at2_rag_experiments.teaching.batches import Batch, BatchMaker
from at2_rag_experiments.teaching.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from at2_rag_experiments.teaching.plan import TeachingPlan

_BETAS = (0.9, 0.98)
_WEIGHT_DECAY = 0.1
_LARGEST_GRADIENT = 1.0
_MODEL = "model"


@dataclass(frozen=True)
class Lesson:
    """One step of a training, as it is told to whoever follows.

    Attributes:
        step: How many steps are done, this one included.
        steps: How many steps the training has.
        most_passages: Most passages of a world at this step.
        loss: Weighted mean loss, in nats a token.
        right: Share of answer tokens that were predicted right.
        resumed: Whether it was done before the training was interrupted; only the last such step
            is told, and its loss and share are NaN.
    """

    step: int
    steps: int
    most_passages: int
    loss: float
    right: float
    resumed: bool = False


def teach(
    config: PretrainedConfig,
    tokenizer: PreTrainedTokenizerFast,
    plan: TeachingPlan,
    folder: str | Path,
    *,
    checkpoint_every: int = 50,
    on_step: Callable[[Lesson], None] | None = None,
) -> Path:
    """Train a model from scratch and write it; interrupted, the same call goes on.

    What comes out is the same whether it was interrupted or not, on the same machine with the
    same number of threads. Once the model is written, nothing is trained again.

    Args:
        config: Config of the model.
        tokenizer: The demo reader's tokenizer, or one with its special tokens.
        plan: How it is taught.
        folder: Folder for checkpoint and model; made if it is not there.
        checkpoint_every: Steps between checkpoints.
        on_step: Called after each step, and with the step that an interrupted training goes on
            from.

    Returns:
        The folder of the model, in bfloat16, with its tokenizer.

    Raises:
        InputError: If the folder holds a training that was told something else.
        FileFormatError: If a checkpoint cannot be read or written.
        NumericalError: If training diverged.
    """
    # Saving a model writes into its config, which may be the one of the next training, too.
    config = deepcopy(config)
    folder, told = Path(folder), _told(config, plan)
    # Seeding is for this training alone: whoever called goes on with the randomness they had.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        model = AutoModelForCausalLM.from_config(config).float().train()
        state = TrainingState(model, _optimizer(model, plan), Random(plan.seed))
        load_checkpoint(state, folder, told)
        if state.step and on_step is not None:
            on_step(_resumed(state, plan))
        maker = BatchMaker(tokenizer, plan.questions, plan.tokens, plan.world_weight)
        while state.step < plan.steps:
            lesson = _step(state, maker, plan)
            if state.step % checkpoint_every == 0 or state.step == plan.steps:
                save_checkpoint(state, folder, told)
            if on_step is not None:
                on_step(lesson)
    return _save(model, tokenizer, folder / _MODEL)


def _resumed(state: TrainingState, plan: TeachingPlan) -> Lesson:
    most = plan.most_passages(state.step - 1)
    return Lesson(state.step, plan.steps, most, math.nan, math.nan, resumed=True)


def _told(config: PretrainedConfig, plan: TeachingPlan) -> dict[str, Any]:
    """Return what a training depends on, as plain JSON types."""
    shape = config.to_diff_dict()
    # Whichever release goes on with it.
    shape.pop("transformers_version", None)
    told: dict[str, Any] = json.loads(json.dumps({"shape": shape, "plan": asdict(plan)}))
    return told


def _optimizer(model: PreTrainedModel, plan: TeachingPlan) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        model.parameters(), lr=plan.peak, betas=_BETAS, weight_decay=_WEIGHT_DECAY
    )


def _step(state: TrainingState, maker: BatchMaker, plan: TeachingPlan) -> Lesson:
    most = plan.most_passages(state.step)
    for group in state.optimizer.param_groups:
        group["lr"] = plan.learning_rate(state.step)
    loss, right = _loss(state.model, maker.batch(state.rng, most))
    state.optimizer.zero_grad()
    torch.autograd.backward([loss])
    norm = torch.nn.utils.clip_grad_norm_(state.model.parameters(), _LARGEST_GRADIENT)
    if not bool(torch.isfinite(norm)):
        raise NumericalError(
            f"Training diverged at step {state.step}; expected finite gradients. Lower the "
            f"learning rate of {plan.peak}."
        )
    state.optimizer.step()
    state.step += 1
    return Lesson(state.step, plan.steps, most, float(loss.detach()), float(right))


def _loss(model: PreTrainedModel, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the weighted loss in nats, and the share of answer tokens predicted right."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(
            batch.input_ids,
            attention_mask=batch.mask,
            position_ids=batch.positions,
            use_cache=False,
        ).logits
    # A question's first token follows the world, not the question before it: not predicted.
    follows = batch.positions[:, 1:] == batch.positions[:, :-1] + 1
    weights = batch.weights[:, 1:] * follows
    targets = batch.input_ids[:, 1:]
    predicted = logits[:, :-1].float()
    losses = cross_entropy(predicted.flatten(0, 1), targets.flatten(), reduction="none")
    answers = weights == 1.0
    right = (predicted.argmax(-1) == targets)[answers].float().mean()
    return (losses.view_as(targets) * weights).sum() / weights.sum(), right


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> Path:
    """Write a model folder, weights in bfloat16."""
    small = deepcopy(model).to(torch.bfloat16)
    small.generation_config.update(
        do_sample=False,
        eos_token_id=model.config.eos_token_id,
        pad_token_id=model.config.pad_token_id,
    )
    small.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _name_for_all(folder / "tokenizer_config.json")
    return folder


def _name_for_all(path: Path) -> None:
    """Give the tokenizer's class the name by which transformers 4 knows it as well."""
    config = json.loads(path.read_text(encoding="utf-8"))
    named = {**config, "tokenizer_class": "PreTrainedTokenizerFast"}
    path.write_text(json.dumps(named, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
