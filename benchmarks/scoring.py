"""Scoring beside a forward pass, beside generating, and beside the two references.

Scoring time is what recording adds to a pass. It is measured twice: ``scoring``, the time spent in
the library's own code, or in a reference's own steps; and ``paired``, the recorded pass less the
plain one beside it. The former is exact where a pass takes seconds and varies by more than scoring
takes; the latter misses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks.bench import Bench
from benchmarks.clock import Rounds, Run, middle, now, paired, take_turns, timed
from benchmarks.methods import Passes, Size
from benchmarks.records import Measurement
from benchmarks.shapes import Shape
from benchmarks.timing import account_of

#: Answer tokens that are really generated; longer answers take proportionally longer.
_STEPS = 16


def measure_scoring(bench: Bench) -> Iterator[Measurement]:
    """Yield one measurement for each method, size and model."""
    for tier in bench.profile.scoring:
        for shape in bench.profile.models:
            generating: dict[tuple[int, int], tuple[float, float]] = {}
            for size in tier:
                yield from _at(bench, shape, size, generating)


def _at(
    bench: Bench,
    shape: Shape,
    size: Size,
    generating: dict[tuple[int, int], tuple[float, float]],
) -> Iterator[Measurement]:
    methods, refused = bench.affordable(shape, size)
    for method, reason in refused.items():
        yield _measurement(shape, size, method, skipped=reason)
    # What takes too long is left out first, then everything.
    seconds = sum(bench.method_seconds(shape, size, method) for method in methods)
    if bench.budget.refusal(seconds) and "eager" in methods:
        methods.remove("eager")
        yield _measurement(shape, size, "eager", skipped=bench.budget.refusal(seconds))
        seconds -= bench.method_seconds(shape, size, "eager")
    if "plain" not in methods or (reason := bench.budget.refusal(seconds)):
        yield _measurement(shape, size, "all", skipped=refused.get("plain") or reason)
        return
    passes = Passes.of(shape, bench.model(shape), size)
    runs = {method: _run(passes, method, bench.device) for method in methods}
    _warm_up(bench, shape, runs, size, seconds)
    rounds = take_turns(runs, bench.budget.rounds(seconds, bench.profile.rounds))
    key = size.context, size.batch
    if key not in generating:
        generating[key] = _generating(passes, bench.device)
    prefill, step = generating[key]
    for method in methods:
        values = _values(rounds, method, prefill + (size.answer - 1) * step)
        yield _measurement(shape, size, method, values)


def _run(passes: Passes, method: str, device: torch.device) -> Run:
    def library() -> dict[str, float]:
        return account_of(passes.model, passes.ready(method))

    def hidden_states() -> dict[str, float]:
        passes.ready(method)
        began = now(device)
        states = passes.hidden_states()
        between = now(device)
        passes.from_hidden_states(states)
        ended = now(device)
        return {"seconds": ended - began, "scoring": ended - between}

    def other() -> dict[str, float]:
        return timed(device, passes.ready(method))()

    if method == "hidden states":
        return hidden_states
    return library if method.startswith("library") else other


def _warm_up(bench: Bench, shape: Shape, runs: dict[str, Run], size: Size, seconds: float) -> None:
    """Go through everything once, on less text where this text takes long."""
    if seconds > 2.0:
        small = Passes.of(shape, bench.model(shape), Size(64, min(8, size.answer), size.batch))
        runs = {method: _run(small, method, bench.device) for method in runs}
    take_turns(runs, 1)


@torch.inference_mode()
def _generating(passes: Passes, device: torch.device) -> tuple[float, float]:
    """Return how long the prompt takes, and each token of the answer, in seconds."""
    passes.ready("plain")
    model, steps = passes.model, min(_STEPS, passes.size.answer)
    began = now(device)
    output = model(input_ids=passes.ids[:, : passes.size.context], use_cache=True, logits_to_keep=1)
    prompt_done = now(device)
    for _ in range(steps):
        newest = output.logits[:, -1:].argmax(-1)
        output = model(input_ids=newest, past_key_values=output.past_key_values, use_cache=True)
    return prompt_done - began, (now(device) - prompt_done) / steps


def _values(rounds: Rounds, method: str, generating: float) -> dict[str, float]:
    forward = middle(rounds, "plain")
    values = {"pass s": middle(rounds, method), "rounds": float(len(rounds[method]))}
    if method == "plain":
        return {**values, "generating s": generating}
    added = paired(rounds, method, "plain")
    # Eager attention has no step of its own: it changes the whole pass.
    own = middle(rounds, method, "scoring") if "scoring" in rounds[method][0] else added
    library = middle(rounds, "library", "scoring")
    few = middle(rounds, "library, few heads", "scoring")
    return {
        **values,
        "scoring s": own,
        "paired s": added,
        "scoring ÷ forward": own / forward,
        "paired ÷ forward": added / forward,
        "scoring ÷ generating": own / generating,
        "scoring ÷ library's": own / library,
        "scoring ÷ few heads'": own / few,
    }


def _measurement(
    shape: Shape,
    size: Size,
    method: str,
    values: dict[str, float] | None = None,
    skipped: str = "",
) -> Measurement:
    point = {**size.point, "method": method}
    return Measurement("scoring", shape.label, point, values or {}, skipped)
