"""Clocks, runs that take turns, and what is made of their times."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from statistics import median

import torch

#: One run: returns what it measured, by name, in seconds.
Run = Callable[[], dict[str, float]]

#: What each run measured in each round.
Rounds = dict[str, list[dict[str, float]]]


def now(device: torch.device) -> float:
    """Return the time in seconds, once the device has done everything it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def timed(device: torch.device, work: Callable[[], object]) -> Run:
    """Return a run that measures its ``seconds``."""

    def run() -> dict[str, float]:
        began = now(device)
        work()
        return {"seconds": now(device) - began}

    return run


def take_turns(runs: Mapping[str, Run], rounds: int) -> Rounds:
    """Run A, B, C, A, B, C, …, so that whatever else the machine does hits all alike."""
    measured: Rounds = {name: [] for name in runs}
    for _ in range(rounds):
        gc.collect()
        for name, run in runs.items():
            measured[name].append(run())
    return measured


def middle(rounds: Rounds, name: str, value: str = "seconds") -> float:
    """Return the median of a value over all rounds."""
    return float(median(measured[value] for measured in rounds[name]))


def paired(rounds: Rounds, name: str, base: str, value: str = "seconds") -> float:
    """Return the median over rounds of how much more ``name`` took than ``base`` did beside it."""
    pairs = zip(rounds[name], rounds[base], strict=True)
    return float(median(mine[value] - other[value] for mine, other in pairs))
