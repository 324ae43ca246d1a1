"""``at2-rag train``: collect what ablations do to a model's answers, and fit coefficients to it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from at2_rag.cli import options
from at2_rag.cli.auto import auto
from at2_rag.cli.collecting import collect, note_skipped
from at2_rag.cli.console import note, show, spinner
from at2_rag.cli.loading import load_reader, missing_as_input_error
from at2_rag.cli.outputs import check_file, check_folder
from at2_rag.cli.train_report import heads_table, metrics_table, show_calibrations
from at2_rag.errors import InputError
from at2_rag.known_estimators import AVERAGE


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
train.command()(collect)
train.command()(auto)


@train.command()
def fit(
    folders: Annotated[
        list[str],
        typer.Argument(
            metavar="DIR|URL", help="Collected folders, one or one per shard; or their URLs."
        ),
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
    check_folder(out)
    check_file(plot)
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
    note_skipped(collected.skipped)
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
        list[str],
        typer.Argument(
            metavar="DIR|URL", help="Folders collected with --detail, of other examples."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to save it.", show_default="the same folder"),
    ] = None,
) -> None:
    """Find out from which score on a citation is real, for one more kind of source."""
    check_folder(out)
    with spinner("calibrating"):
        from at2_rag import ScoreEstimator
        from at2_rag.training import calibrate as run
        from at2_rag.training import load_collected

        collected = load_collected(*folders)
        found = ScoreEstimator.load(estimator)
        found = found.calibrated(run(found, collected.records, collected.manifest["source_unit"]))
        found.save(out or estimator)
    show_calibrations(found)


@train.command()
def probe(
    model: Annotated[
        str,
        typer.Option(
            "--model", "-m", metavar="ID|DIR", help="Hub id, folder or GGUF file of the model."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for the estimator, beside what is kept in the cache.",
            show_default=False,
        ),
    ] = None,
    dtype: options.DtypeOption = options.Dtype.auto,
    device: options.Device = "auto",
) -> None:
    """Find the heads of a model that read, by questions about made-up worlds; nothing is trained.

    This is what ``--estimator auto`` does for a model that nobody trained an estimator for; here
    it is done anew.
    """
    check_folder(out)
    from at2_rag import ScoreEstimator

    reader = load_reader(model, dtype=dtype.value, device=device, estimator=AVERAGE)
    found = ScoreEstimator.probe(reader.model, reader.tokenizer, anew=True)
    show(heads_table(found))
    show_calibrations(found)
    if (problem := found.metadata["probed"].get("problem")) is not None:
        note(f"not to be relied on: {problem}")
    if out is not None:
        found.save(out)
        note(f"use it with: --estimator {out}")


def _plot(estimator: Path, path: Path) -> None:
    from at2_rag import ScoreEstimator
    from at2_rag.training import plot_coefficients

    with missing_as_input_error():
        plot_coefficients(ScoreEstimator.load(estimator), path)
    note(f"drew the coefficients into {path}")
