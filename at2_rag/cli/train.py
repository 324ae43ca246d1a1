"""``at2-rag train``: collect what ablations do to a model's answers, and fit coefficients to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from at2_rag.cli import options
from at2_rag.cli.console import note, show, spinner, stderr
from at2_rag.cli.loading import load_reader
from at2_rag.cli.train_report import metrics_table, show_calibrations
from at2_rag.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from at2_rag.training import CollectReport, Outcome, SkipReason, TrainingExample

_WORLDS = "worlds"
_WORLD_EXAMPLES = 500
_SHARD = re.compile(r"([1-9]\d*)/([1-9]\d*)")


class Method(StrEnum):
    """What is learned, and how."""

    pearson = "pearson"
    ridge = "ridge"
    network = "network"


train = typer.Typer(
    name="train",
    help="Learn which attention heads to trust, from what ablations do to a model's answers.",
    no_args_is_help=True,
)

_Model = Annotated[
    str, typer.Option("--model", "-m", metavar="NAME", help="Hub id or folder of the model.")
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
    Path, typer.Option(metavar="DIR", help="Folder to collect into, or to go on collecting into.")
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


@train.command()
def collect(
    model: _Model,
    data: _Data,
    out: _Out,
    examples: _Examples = None,
    num_ablations: _Ablations = 32,
    source_unit: _Unit = options.SourceUnit.token,
    seed: _Seed = 0,
    shard: _ShardOption = "1/1",
    copying: _Copying = False,
    detail: _Detail = False,
    dtype: options.DtypeOption = options.Dtype.auto,
    device: options.Device = "auto",
) -> None:
    """Answer, ablate and measure; interrupted, the same command goes on where it stopped."""
    part = _parse_shard(shard)
    # Before the model: a bad line should not wait for gigabytes to load.
    found = _gather(data, examples, seed)
    reader = load_reader(model, dtype=dtype.value, device=device)
    from at2_rag.training import collect as run

    with _progress(len(range(part[0], len(found), part[1]))) as report_progress:
        report = run(
            reader,
            found,
            out,
            num_ablations=num_ablations,
            source_unit=source_unit.value,
            seed=seed,
            shard=part,
            progress=report_progress,
            copying=copying,
            detail=detail,
        )
    _say_what_was_collected(report)


@train.command()
def fit(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR", help="Collected folders, one or one per shard.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the score estimator.")],
    method: Annotated[
        Method,
        typer.Option(
            help="Coefficients by the paper's descent on correlation, or by a closed form; or a "
            "network over sources, from what was collected with --detail."
        ),
    ] = Method.pearson,
    held_out: Annotated[
        float, typer.Option(min=0, max=0.99, help="Share of the examples to measure on.")
    ] = 0.2,
    non_negative: Annotated[
        bool, typer.Option("--non-negative", help="Keep coefficients from becoming negative.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the split and the batches.")] = 0,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the coefficients, layers by heads, into a .png."),
    ] = None,
    skip_corrupt: Annotated[
        bool, typer.Option("--skip-corrupt", help="Leave damaged files out.")
    ] = False,
) -> None:
    """Fit an estimator to what was collected, and measure it on held-out examples."""
    if method is Method.network and non_negative:
        raise InputError("--non-negative is for coefficients; expected --method pearson or ridge.")
    with spinner("fitting"):
        from at2_rag.training import fit as fit_coefficients
        from at2_rag.training import fit_network, load_collected

        collected = load_collected(*folders, on_corrupt="skip" if skip_corrupt else "error")
        shared: dict[str, Any] = {
            "held_out": held_out,
            "seed": seed,
            "provenance": collected.manifest,
            "source_unit": collected.manifest["source_unit"],
        }
        if method is Method.network:
            result = fit_network(collected.records, **shared)
        else:
            linear: Literal["pearson", "ridge"] = "ridge" if method is Method.ridge else "pearson"
            result = fit_coefficients(
                collected.records, method=linear, non_negative=non_negative, **shared
            )
        result.estimator.save(out)
    _note_skipped(collected.skipped)
    show(metrics_table(result.metrics))
    show_calibrations(result.estimator)
    note(
        f"use it with: --estimator {out}; or call the folder at2_estimator and put it beside the "
        "model, where it is found"
    )
    if plot is not None:
        _plot(out, plot)


@train.command()
def calibrate(
    estimator: Annotated[
        Path, typer.Argument(metavar="ESTIMATOR", help="Folder of a score estimator.")
    ],
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR", help="Folders collected with --detail, of other examples."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to save it.", show_default="the same folder"),
    ] = None,
) -> None:
    """Find out from which score on a citation is real, for one more kind of source."""
    with spinner("calibrating"):
        from at2_rag import ScoreEstimator
        from at2_rag.training import calibrate as run
        from at2_rag.training import load_collected

        collected = load_collected(*folders)
        found = ScoreEstimator.load(estimator)
        found = found.calibrated(run(found, collected.records, collected.manifest["source_unit"]))
        found.save(out or estimator)
    show_calibrations(found)


def _parse_shard(text: str) -> tuple[int, int]:
    match = _SHARD.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]):
        raise InputError(f"--shard is {text!r}; expected I/N with I from 1 to N, such as 1/4.")
    return int(match[1]) - 1, int(match[2])


def _gather(data: str, most: int | None, seed: int) -> list[TrainingExample]:
    from at2_rag.datasets import NAMES, load
    from at2_rag.training import read_examples, world_examples

    if data == _WORLDS:
        return world_examples(seed, most or _WORLD_EXAMPLES)
    name, _, file = data.partition("=")
    if name in NAMES:
        return load(name, limit=most, seed=seed, path=file or None)
    return read_examples(data)[:most]


class _Rate(ProgressColumn):
    """Examples in a second, or seconds for an example where that is the larger number."""

    def render(self, task: Task) -> Text:
        if not task.speed:
            return Text("")
        if task.speed >= 1:
            return Text(f"{task.speed:.1f} examples/s")
        return Text(f"{1 / task.speed:.1f} s/example")


@contextmanager
def _progress(total: int) -> Iterator[Callable[[Outcome], None]]:
    """Show a bar with rate and time left on stderr, on a terminal."""
    columns = (
        TextColumn("collecting"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    console = stderr()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        done = 0

        def advance(outcome: Outcome) -> None:
            nonlocal done
            done += 1
            if outcome.resumed:
                # What was there before took no time, and would promise a rate that is not real.
                bar.reset(task, completed=done, total=total)
            else:
                bar.advance(task)

        yield advance


def _say_what_was_collected(report: CollectReport) -> None:
    _note_skipped(report.skipped)
    before = f", {report.resumed} done before" if report.resumed else ""
    show(f"{report.stored} examples collected{before} in {report.folder}")


def _note_skipped(skipped: Mapping[SkipReason, int]) -> None:
    if skipped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))
        note(f"skipped {sum(skipped.values())} examples: {reasons}")


def _plot(estimator: Path, path: Path) -> None:
    from at2_rag import ScoreEstimator
    from at2_rag.training import plot_coefficients

    try:
        plot_coefficients(ScoreEstimator.load(estimator), path)
    except ImportError as error:
        raise InputError(str(error)) from error
    note(f"drew the coefficients into {path}")
