"""What attributing takes beside a forward pass (figure 4c)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from time import perf_counter

import torch
from at2_rag.ablation.task import AttributionTask
from at2_rag.evaluation.results import Comparison, Timing
from at2_rag.methods.base import AttributionMethod, answer_logits, input_tokens

from at2_rag_experiments.base import Record
from at2_rag_experiments.comparison.training import KINDS, ORIGINS, label
from at2_rag_experiments.methods import PROBED, SHIPPED

FORWARD, BACKWARD = "forward pass", "backward pass"

#: Each step is timed so often, in turns, and the shortest time taken: what makes it longer is
#: other work on the machine, and what attention takes beyond a pass is a small difference.
_ROUNDS = 3

_GRADIENT = "gradient"
#: Of estimators of one kind, one is timed.
_TIMED_FOR = {label(kind, origin): label(kind, ORIGINS[-1]) for kind in KINDS for origin in ORIGINS}
#: Scored by attention, which is there when an answer is written: only what goes beyond counts.
_BY_ATTENTION = ("average-attention", *dict.fromkeys(_TIMED_FOR.values()), SHIPPED, PROBED)


def step_seconds(task: AttributionTask, methods: Sequence[AttributionMethod]) -> dict[str, float]:
    """Return the seconds of a forward pass, and of each method of few passes that is there.

    Args:
        task: The answer to explain.
        methods: Methods to time; those that take ablations are left out.
    """
    tokens = input_tokens(task)

    @torch.inference_mode()
    def forward() -> None:
        answer_logits(task, input_ids=tokens)[:, 0].cpu()

    steps: dict[str, Callable[[], object]] = {FORWARD: forward}
    for method in methods:
        if method.name in (_GRADIENT, *_BY_ATTENTION):
            steps[method.name] = partial(method.scores, task)
    seconds = {name: float("inf") for name in steps}
    for _ in range(_ROUNDS):
        for name, step in steps.items():
            start = perf_counter()
            step()
            seconds[name] = min(seconds[name], perf_counter() - start)
    return seconds


def costs(comparison: Comparison, seconds: Sequence[Record]) -> dict[str, float]:
    """Return what steps take, in forward passes: medians over examples.

    Of a method by attention, what it takes beyond the pass; of the gradient method, one backward
    pass, of which each statement takes one; of surrogates, all of it.

    Args:
        comparison: The comparison of all methods.
        seconds: What :func:`step_seconds` returned for each of its examples.
    """
    targets = Counter(target.example for target in comparison.targets)
    found = {FORWARD: 1.0}
    if _GRADIENT in seconds[0]:
        found[BACKWARD] = median(
            _beyond(each, _GRADIENT) / targets[index] for index, each in enumerate(seconds)
        )
    for name in _BY_ATTENTION:
        if name in seconds[0]:
            found[name] = median(_beyond(each, name) for each in seconds)
    return found | {
        name: _ratio(comparison, name) for name in comparison.methods if name.startswith("esm-")
    }


def time_beyond(comparison: Comparison, steps: Mapping[str, float]) -> dict[str, float]:
    """Return what each method takes beyond writing the answer, in forward passes.

    Args:
        comparison: The comparison of all methods.
        steps: What :func:`costs` returned for it.
    """
    found = {}
    for name in comparison.methods:
        step = _TIMED_FOR.get(name, name)
        found[name] = steps[step] if step in steps else _ratio(comparison, name)
    return found


def _beyond(seconds: Record, name: str) -> float:
    beyond: float = (seconds[name] - seconds[FORWARD]) / seconds[FORWARD]
    return beyond


def _ratio(comparison: Comparison, name: str) -> float:
    def passes(timing: Timing) -> float:
        return timing.seconds / timing.forward_seconds

    return median(passes(timing) for timing in comparison.timings if timing.method == name)
