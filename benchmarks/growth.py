"""How scoring grows with one size at a time, without a model around it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy
import torch

from at2_rag.estimators import LinearEstimator, Regions, TokenAttention
from benchmarks.bench import Bench
from benchmarks.clock import Run, middle, take_turns, timed
from benchmarks.records import Measurement
from benchmarks.shapes import Heads, Shape, random_estimator
from benchmarks.timing import ScoringAlone


def measure_growth(bench: Bench) -> Iterator[Measurement]:
    """Yield the time at each size, and behind them the fitted exponent, for each of the sizes."""
    shape = bench.profile.models[0]
    for axis, sizes in bench.profile.growth.items():
        runs = {}
        for size in sizes:
            chosen = {**bench.profile.growth_base, axis: size}
            runs[f"{axis} {size}"] = _run(bench, shape, chosen)
        take_turns(dict(list(runs.items())[:1]), 1)  # warm up
        rounds = take_turns(runs, bench.profile.rounds)
        times = [middle(rounds, name) for name in runs]
        for size, seconds in zip(sizes, times, strict=True):
            point = {"axis": axis, "size": size}
            yield Measurement("growth", shape.label, point, {"scoring s": seconds})
        point = {"axis": axis, "size": f"{sizes[0]} to {sizes[-1]}"}
        yield Measurement("growth", shape.label, point, {"exponent": exponent(sizes, times)})


def exponent(sizes: tuple[int, ...], times: list[float]) -> float:
    """Return the slope of the logarithm of time over the logarithm of size: 1 is linear."""
    slope, _ = numpy.polyfit(numpy.log(sizes), numpy.log(times), 1)
    return float(slope)


def _run(bench: Bench, shape: Shape, chosen: dict[str, Any]) -> Run:
    context, answer, batch = chosen["context"], chosen["answer"], chosen["batch"]
    estimator = random_estimator(chosen["layers"], shape.heads)
    heads = Heads(chosen["layers"], shape.heads, shape.kv_heads, shape.width, shape.dtype)
    alone = ScoringAlone(heads, bench.device)
    inputs = alone.inputs(context, answer, batch)

    def work() -> None:
        tables = alone.score(estimator, *inputs)
        for text in range(batch):
            score_sources(estimator, tables[:, text], context, chosen["sources"])

    return timed(bench.device, work)


def score_sources(
    estimator: LinearEstimator, tables: torch.Tensor, context: int, sources: int
) -> torch.Tensor:
    """Return (answer tokens, sources) scores of equal pieces of the context.

    Args:
        estimator: The estimator that the tables were made for.
        tables: (weightings, answer tokens, keys): weighted attention of each answer token to each
            key.
        context: How many tokens the prompt has.
        sources: How many pieces to cut the prompt into.
    """
    edges = [context * i // sources for i in range(sources + 1)]
    spans = tuple(pairwise(edges))
    keys, answer = tuple(range(tables.shape[2])), tuple(range(tables.shape[1]))
    attention = TokenAttention(tables, keys, answer)
    return estimator.scores(attention, Regions(spans, (0,) * sources, (), ())).sources
