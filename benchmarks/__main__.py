"""``python -m benchmarks``: measure, and keep the results."""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import torch
import transformers

from benchmarks import profiles
from benchmarks.answering import measure_batches, measure_pruning
from benchmarks.bench import Bench
from benchmarks.budget import Budget
from benchmarks.collection import measure_collection
from benchmarks.growth import measure_growth
from benchmarks.machine import describe, kind
from benchmarks.memory import measure_memory
from benchmarks.profiles import DEFAULT, Profile
from benchmarks.recording import measure_recording
from benchmarks.records import Measurement
from benchmarks.report import aims_table, save
from benchmarks.scoring import measure_scoring
from benchmarks.shapes import SHAPES, with_real_weights

RESULTS = Path(__file__).parent / "results"


class Section(NamedTuple):
    """Some measurements, and their share of the run's time."""

    measure: Callable[[Bench], Iterator[Measurement]]
    share: float


SECTIONS = {
    "scoring": Section(measure_scoring, 0.4),
    "memory": Section(measure_memory, 0.22),
    "recording": Section(measure_recording, 0.13),
    "collection": Section(measure_collection, 0.14),
    "growth": Section(measure_growth, 0.03),
    "pruning": Section(measure_pruning, 0.05),
    "batches": Section(measure_batches, 0.03),
}


def run(bench: Bench, sections: Sequence[str], stem: Path | None) -> list[Measurement]:
    """Measure some sections; what is done is printed and kept at once.

    Args:
        bench: What all sections share: the device, the models, and the limits.
        sections: Names of the sections to measure, in order.
        stem: Path of the results without a suffix; ``None`` to keep none.
    """
    conditions = {**describe(bench.device), "profile": bench.profile.name}
    measurements: list[Measurement] = []
    whole, used = sum(SECTIONS[name].share for name in sections), 0.0
    for name in sections:
        used += SECTIONS[name].share
        bench.budget.open_section(used / whole)
        for measurement in SECTIONS[name].measure(bench):
            print(f"{bench.budget.elapsed:6.0f} s | {measurement}", flush=True)
            measurements.append(measurement)
        conditions["minutes"] = f"{bench.budget.elapsed / 60:.1f}"
        if stem is not None:
            save(stem, conditions, measurements, headline(bench.device))
    return measurements


def headline(device: torch.device) -> str:
    """Return which of the two scoring times counts: see :mod:`benchmarks.scoring`."""
    return "paired" if device.type == "cuda" else "scoring"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    for name in ("quick", "full"):
        size.add_argument(
            f"--{name}", dest="profile", action="store_const", const=name, default=DEFAULT.name
        )
    parser.add_argument("--only", help=f"sections, of {','.join(SECTIONS)}")
    parser.add_argument("--models", help=f"shapes, of {','.join(SHAPES)}")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="of the weights")
    parser.add_argument("--weights", type=Path, help="folder of real models, by shapes' names")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="of torch; its own choice by default")
    parser.add_argument("--memory-limit", type=float, help="GiB of one measurement; 12 on a CPU")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    return parser


def _chosen(parser: argparse.ArgumentParser, given: str | None, known: Sequence[str]) -> list[str]:
    names = list(known) if given is None else given.split(",")
    if unknown := [name for name in names if name not in known]:
        parser.error(f"unknown: {', '.join(unknown)}; expected any of {', '.join(known)}")
    return names


def _profile(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Profile:
    models = None
    if options.models is not None:
        names = _chosen(parser, options.models, list(SHAPES))
        models = tuple(SHAPES[name] for name in names)
    profile = profiles.of(options.profile, models, torch.device(options.device).type)
    chosen = profile.models
    if options.dtype is not None:
        chosen = tuple(replace(shape, dtype=options.dtype) for shape in chosen)
    if options.weights is not None:
        chosen = tuple(with_real_weights(shape, options.weights) for shape in chosen)
    return replace(profile, models=chosen)


def _memory_limit(options: argparse.Namespace, device: torch.device) -> int:
    if options.memory_limit is not None:
        return int(options.memory_limit * 2**30)
    if device.type == "cuda":
        return int(0.8 * torch.cuda.get_device_properties(device).total_memory)
    return 12 * 2**30


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks that the command line asks for."""
    parser = _parser()
    options = parser.parse_args(arguments)
    device, profile = torch.device(options.device), _profile(parser, options)
    sections = _chosen(parser, options.only, list(SECTIONS))
    os.environ["HF_HUB_OFFLINE"] = "1"
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=UserWarning)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    budget = Budget(profile.total_seconds, profile.point_seconds)
    limit = _memory_limit(options, device)
    bench = Bench(profile, device, budget, limit, torch.get_num_threads())
    parts = [kind(device), datetime.now(UTC).date().isoformat()]
    parts += [] if options.dtype is None else [options.dtype]
    parts += [] if profile.name == DEFAULT.name else [profile.name]
    parts += [] if options.only is None else sections
    stem = options.out / "-".join(parts)
    measurements = run(bench, sections, stem)
    print("\n" + aims_table(measurements, headline(device)))
    print(f"{stem.name}.json and {stem.name}.md are in {options.out.name}/")


if __name__ == "__main__":
    main()
