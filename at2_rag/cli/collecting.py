"""``at2-rag train collect``: answer, ablate and measure, here or on a cluster."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Annotated, Any

import typer

from at2_rag.cli import options
from at2_rag.cli.console import note, show
from at2_rag.cli.loading import DEMO, load_reader, missing_as_input_error
from at2_rag.cli.progress import resumable_progress
from at2_rag.cli.showing import counted
from at2_rag.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from at2_rag import Reader
    from at2_rag.training import CollectReport, Outcome, SkipReason, TrainingExample

_WORLDS = "worlds"
_WORLD_EXAMPLES = 500
_SHARD = re.compile(r"([1-9]\d*)/([1-9]\d*)")
_RAY = "With --engine ray"


class Engine(StrEnum):
    """What runs a collection."""

    local = "local"
    ray = "ray"


_Model = Annotated[
    str,
    typer.Option("--model", "-m", metavar="NAME", help="Hub id, folder or GGUF file of the model."),
]
_Data = Annotated[
    str,
    typer.Option(
        metavar="FILE|NAME|NAME=FILE|worlds",
        help="JSON lines with question, passages and, if wanted, answer; a data set of the paper "
        "by name, such as hotpot_qa, from the hub or from a file of its rows; or worlds, for "
        "generated ones, which suit the demo reader.",
    ),
]
_Out = Annotated[
    str,
    typer.Option(
        metavar="DIR|URL",
        help="Folder to collect into, or to go on collecting into; or a URL that fsspec knows, "
        "such as s3://bucket/run.",
    ),
]
_Examples = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help=f"Use the first so many; default all of a file, {_WORLD_EXAMPLES} worlds.",
        show_default=False,
    ),
]
_Ablations = Annotated[int, typer.Option(min=2, help="Random ablations of each example.")]
_Unit = Annotated[options.SourceUnit, typer.Option(help="What is ablated.")]
_Seed = Annotated[int, typer.Option(help="Of the ablations, and of the worlds.")]
_ShardOption = Annotated[
    str,
    typer.Option(
        metavar="I/N",
        help="Do every N-th example, from the I-th on: 1/4 to 4/4 on four machines.",
    ),
]
_Copying = Annotated[
    bool,
    typer.Option(
        "--copying",
        help="Collect for copying coefficients too: attention to the token being generated.",
    ),
]
_Detail = Annotated[
    bool,
    typer.Option(
        "--detail",
        help="Collect for networks and for calibration too: every source by itself, a pass each.",
    ),
]
_Engine = Annotated[
    Engine,
    typer.Option(help="This process, or the actors of a Ray cluster: one model for each GPU."),
]
_Actors = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Models at a time; default as many as there are GPUs, or else CPUs, for.",
        rich_help_panel=_RAY,
        show_default=False,
    ),
]
_Gpus = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-actor",
        min=0,
        metavar="X",
        help="GPUs of each model, which is spread over several; default 1 where there are any.",
        rich_help_panel=_RAY,
        show_default=False,
    ),
]
_Cpus = Annotated[
    float,
    typer.Option(
        "--cpus-per-actor",
        min=0.01,
        metavar="X",
        help="CPUs of each model, and threads.",
        rich_help_panel=_RAY,
    ),
]
_Thoughts = Annotated[
    bool,
    typer.Option(
        "--thoughts",
        help="For a reasoning model: take examples without a passage as well, since thoughts are "
        "sources. --max-new-tokens has to leave room for them.",
    ),
]
_Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT|auto",
        help="Of the cluster; default that of RAY_ADDRESS, or else this machine alone.",
        rich_help_panel=_RAY,
        show_default=False,
    ),
]


def collect(
    model: _Model,
    data: _Data,
    out: _Out,
    examples: _Examples = None,
    num_ablations: _Ablations = 32,
    source_unit: _Unit = options.SourceUnit.token,
    seed: _Seed = 0,
    max_new_tokens: options.MaxNewTokens = 256,
    thoughts: _Thoughts = False,
    shard: _ShardOption = "1/1",
    copying: _Copying = False,
    detail: _Detail = False,
    dtype: options.DtypeOption = options.Dtype.auto,
    device: options.Device = "auto",
    engine: _Engine = Engine.local,
    actors: _Actors = None,
    gpus: _Gpus = None,
    cpus: _Cpus = 1,
    address: _Address = None,
) -> None:
    """Answer, ablate and measure; interrupted, the same command goes on where it stopped."""
    part = _parse_shard(shard)
    # Before the model: a bad line should not wait for gigabytes to load.
    found = _gather(data, examples, seed, passages_needed=not thoughts)
    arguments: dict[str, Any] = {
        "num_ablations": num_ablations,
        "source_unit": source_unit.value,
        "seed": seed,
        "shard": part,
        "copying": copying,
        "detail": detail,
    }
    workers = {"actors": actors, "gpus": gpus, "cpus": cpus, "address": address}
    if engine is Engine.ray:
        load = partial(load_in_actor, model, dtype.value, device, max_new_tokens)
        run = partial(_with_ray, load, workers)
    else:
        _refuse_without_ray(workers)
        reader = load_reader(model, dtype=dtype.value, device=device, max_new_tokens=max_new_tokens)
        run = partial(_here, reader)
    total, done = len(range(part[0], len(found), part[1])), count(1)
    with resumable_progress("collecting", total) as on_done:

        def report_progress(outcome: Outcome) -> None:
            on_done(next(done), total, outcome.resumed)

        report = run(found, out, progress=report_progress, **arguments)
    _say_what_was_collected(report)


def _here(
    reader: Reader, examples: list[TrainingExample], out: str, **arguments: Any
) -> CollectReport:
    from at2_rag.training import collect as run

    return run(reader, examples, out, **arguments)


def _with_ray(
    load: partial[Reader],
    workers: Mapping[str, Any],
    examples: list[TrainingExample],
    out: str,
    **arguments: Any,
) -> CollectReport:
    from at2_rag.training import RayWorkers, collect_with_ray

    with missing_as_input_error():
        return collect_with_ray(load, examples, out, workers=RayWorkers(**workers), **arguments)


def load_in_actor(name: str, dtype: str, device: str, max_new_tokens: int) -> Reader:
    """Load the reader where only the actor's own GPUs are seen: onto one, or over several."""
    import torch

    if device != "auto" or name == DEMO or torch.cuda.device_count() < 2:
        return load_reader(name, dtype=dtype, device=device, max_new_tokens=max_new_tokens)
    from at2_rag import Reader, ScoreEstimator
    from at2_rag.model.loading import load_model

    loaded, tokenizer = load_model(name, {"dtype": dtype, "device_map": "auto"})
    estimator = ScoreEstimator.uniform(loaded)
    return Reader(loaded, tokenizer, estimator, max_new_tokens=max_new_tokens)


def _refuse_without_ray(workers: Mapping[str, Any]) -> None:
    given = [name for name in ("actors", "gpus", "address") if workers[name] is not None]
    if given or workers["cpus"] != 1:
        names = {"gpus": "gpus-per-actor", "cpus": "cpus-per-actor"}
        name = given[0] if given else "cpus"
        raise InputError(
            f"--{names.get(name, name)} is for the actors of a cluster; expected --engine ray "
            "with it."
        )


def _parse_shard(text: str) -> tuple[int, int]:
    match = _SHARD.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]):
        raise InputError(f"--shard is {text!r}; expected I/N with I from 1 to N, such as 1/4.")
    return int(match[1]) - 1, int(match[2])


def _gather(
    data: str, most: int | None, seed: int, *, passages_needed: bool
) -> list[TrainingExample]:
    from at2_rag.datasets import NAMES, load
    from at2_rag.training import read_examples, world_examples

    if data == _WORLDS:
        return world_examples(seed, most or _WORLD_EXAMPLES)
    name, _, file = data.partition("=")
    if name in NAMES:
        path = file or None
        return load(name, limit=most, seed=seed, path=path, passages_needed=passages_needed)
    return read_examples(data)[:most]


def _say_what_was_collected(report: CollectReport) -> None:
    note_skipped(report.skipped)
    before = f", {report.resumed} done before" if report.resumed else ""
    show(f"{counted(report.stored, 'example')} collected{before} in {report.folder}")


def note_skipped(skipped: Mapping[SkipReason, int]) -> None:
    """Tell on stderr how many examples there was nothing to learn from, and why."""
    if skipped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))
        note(f"skipped {counted(sum(skipped.values()), 'example')}: {reasons}")
