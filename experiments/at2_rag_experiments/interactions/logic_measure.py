"""One world of switches measured: all its ablations, and every method beside what logic says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from at2_rag.ablation.task import AttributionTask
from at2_rag.evaluation.statistics import spearman
from at2_rag.methods import AttributionMethod
from at2_rag.methods.base import checked_scores, task_seed
from at2_rag.reader import Reader
from torch import Tensor

from at2_rag_experiments.base import Record
from at2_rag_experiments.interactions.logic_effects import (
    Surrogate,
    all_masks,
    explained,
    row_of,
    shapley,
)
from at2_rag_experiments.interactions.logic_worlds import LogicWorld

#: Of the top-k drops.
KS = (1, 2)

#: What is known of all ablations, beside the methods: least squares on single sources, Shapley
#: values, and least squares with pairs of sources.
ORACLES = ("best-linear", "shapley", "best-pairs")


@dataclass(frozen=True, eq=False)
class _Ablated:
    """What every ablation of an answer did.

    Attributes:
        masks: (2^sources, sources): which sources each ablation keeps.
        log_p: (2^sources,): log-probability of the answer, in nats.
        logits: (2^sources,): log p / (1 - p).
        fitted: (2^sources,): true at the half that surrogates are fitted to.
    """

    masks: Tensor
    log_p: Tensor
    logits: Tensor
    fitted: Tensor

    @classmethod
    def of(cls, task: AttributionTask, seed: int) -> _Ablated:
        masks = all_masks(len(task.sources))
        effects = task.ablator().ablate(masks)
        generator = torch.Generator().manual_seed(task_seed("logic", seed, task))
        fitted = torch.zeros(len(masks), dtype=torch.bool)
        fitted[torch.randperm(len(masks), generator=generator)[: len(masks) // 2]] = True
        log_p, logits = (f(*task.targets[0]) for f in (effects.log_probability, effects.logit))
        return cls(masks, log_p, logits, fitted)

    def drops(self, order: Sequence[int]) -> list[float]:
        """Return the top-k drops, in nats, of sources in an order."""
        found = []
        for k in KS:
            mask = torch.ones(len(order), dtype=torch.bool)
            mask[list(order[:k])] = False
            found.append(float(self.log_p[-1] - self.log_p[row_of(mask)]))
        return found


def measure_world(
    reader: Reader, world: LogicWorld, methods: Sequence[AttributionMethod], seed: int
) -> Record:
    """Return how well a reader follows logic, and methods what it does.

    Surrogates that know of all ablations are fitted to half of them. All predictions are measured
    on the other half, by their ranks, as the linear datamodeling score does.

    Args:
        reader: The reader of worlds of switches.
        world: The world to ask about.
        methods: The methods to measure.
        seed: What ablations and methods are drawn with.
    """
    task = reader.task(world.question, world.passages())
    record: Record = {
        "rule": world.rule,
        "on": world.on,
        "asked": sorted(world.asked),
        "matters": list(world.matters),
        "right": task.answer.text == world.answer(),
        "methods": {},
    }
    # What it says is judged above; what is explained is the right answer, whichever it said.
    task = reader.task(world.question, world.passages(), world.answer())
    found = _Ablated.of(task, seed)
    same = torch.tensor([world.lit(mask) == world.lit() for mask in found.masks.tolist()])
    record["follows"] = float(((found.log_p > math.log(0.5)) == same).double().mean())
    record["spread"] = float(found.log_p.max() - found.log_p.min())
    test = ~found.fitted
    for method in methods:
        scores = checked_scores(method, task)[0].double()
        predicted = found.masks[test].double() @ scores
        record["methods"][method.name] = _judged(found, world, scores, predicted)
    return record | _oracles(record, found, world)


def _oracles(record: Record, found: _Ablated, world: LogicWorld) -> Record:
    """Return the record with what is known of all ablations."""
    test = ~found.fitted
    masks, logits = found.masks[found.fitted], found.logits[found.fitted]
    linear, pairs = (Surrogate.fit(masks, logits, order) for order in (1, 2))
    values = shapley(found.logits)
    predicted = (
        linear.predict(found.masks[test]),
        found.masks[test].double() @ values,
        pairs.predict(found.masks[test]),
    )
    scores = linear.single, values, pairs.importance
    oracles = {
        name: _judged(found, world, of, by)
        for name, of, by in zip(ORACLES, scores, predicted, strict=True)
    }
    explains = {
        name: explained(by, found.logits[test])[0]
        for name, by in (("best-linear", predicted[0]), ("best-pairs", predicted[2]))
    }
    return {"methods": {**record["methods"], **oracles}, "explained": explains}


def _judged(found: _Ablated, world: LogicWorld, scores: Tensor, predicted: Tensor) -> Record:
    """Return how good scores and predictions are.

    Args:
        found: What ablations did.
        world: The switches and the rule that are judged.
        scores: (sources,): scores that they are ranked by.
        predicted: (ablations that nothing was fitted to,): what the scores say of each.
    """
    order = scores.argsort(descending=True, stable=True).tolist()
    judged: Record = {
        "lds": float(spearman(predicted, found.log_p[~found.fitted])),
        "drops": found.drops(order),
        "asked": set(order[: len(world.asked)]) == set(world.asked),
    }
    if world.matters:
        judged["found"] = set(order[: len(world.matters)]) == set(world.matters)
    return judged
