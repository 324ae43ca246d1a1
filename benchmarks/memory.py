"""Peak memory: each measurement in a fresh process, which nothing else has grown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.methods import METHODS, Size
from benchmarks.records import Measurement
from benchmarks.shapes import Heads, Shape

#: Seconds that a process takes to start, load torch and build a small model.
_START = 12.0

#: Have freed memory go back to the system at once: otherwise what one step freed hides what the
#: next one takes.
_HONEST_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_TRIM_THRESHOLD_": "262144"}


def measure_memory(bench: Bench) -> Iterator[Measurement]:
    """Yield the peak of scoring alone, and of whole passes with each method."""
    for heads in bench.profile.heads_alone:
        yield _alone(bench, heads)
    for size in bench.profile.memory:
        for shape in bench.profile.models:
            yield from _passes(bench, shape, size)


def _alone(bench: Bench, heads: Heads) -> Measurement:
    size, point = bench.profile.size_alone, {**heads._asdict()}
    point |= {"context": bench.profile.size_alone.context, "answer": size.answer}
    scores = heads.layers * heads.heads * size.answer * size.tokens
    # On a CPU, 80 million weights a second and thread at the least.
    seconds = _START + (scores / 8e7 / bench.threads if bench.device.type == "cpu" else 0)
    if reason := bench.budget.refusal(seconds):
        return Measurement("memory of scoring alone", "heads", point, skipped=reason)
    began = time.perf_counter()
    peak = fresh_peak(bench, {"heads": list(heads), "size": list(size[:2])})
    values = {
        "extra MB": peak / 1e6,
        "all weights at 2 bytes, MB": 2 * scores / 1e6,
        "process s": time.perf_counter() - began,
    }
    return Measurement("memory of scoring alone", "heads", point, values)


def _passes(bench: Bench, shape: Shape, size: Size) -> Iterator[Measurement]:
    fitting, refused = bench.affordable(shape, size)
    seconds = {method: bench.method_seconds(shape, size, method) for method in fitting}
    bench.release()
    plain: int | None = None
    for method in METHODS:
        point = {**size.point, "method": method}
        reason = refused.get(method) or bench.budget.refusal(seconds[method] + _START)
        if reason or (plain is None and method != "plain"):
            why = reason or "there is no plain pass to compare with"
            yield Measurement("memory", shape.label, point, skipped=why)
            continue
        peak = fresh_peak(bench, {"shape": asdict(shape), "size": list(size), "method": method})
        plain = peak if plain is None else plain
        values = {"peak MB above the weights": peak / 1e6, "extra MB": (peak - plain) / 1e6}
        yield Measurement("memory", shape.label, point, values)


def fresh_peak(bench: Bench, spec: dict[str, Any]) -> int:
    """Return what a fresh process measures, in bytes."""
    bench.release()
    spec |= {"device": str(bench.device), "threads": bench.threads}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory_child", json.dumps(spec)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, **_HONEST_MALLOC},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"The measurement of memory failed:\n{done.stderr}")
    return int(json.loads(done.stdout.splitlines()[-1])["peak"])
