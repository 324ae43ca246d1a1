"""``at2-rag experiment``: the paper's experiments, rerun."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from at2_rag.cli import options
from at2_rag.cli.console import note, show
from at2_rag.cli.loading import DEMO, load_reader, missing_as_input_error
from at2_rag.cli.progress import resumable_progress
from at2_rag.published import AUTO

if TYPE_CHECKING:
    from at2_rag import Reader
    from at2_rag.experiments import Experiment, Report

_FOLDER = Path("build/experiments")
#: Longest answers: what the demo reader writes is short.
_DEMO_TOKENS, _MODEL_TOKENS = 64, 256

_Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="hotpot-pruning: prune the context by what a first answer used, and answer again.",
        show_default=False,
    ),
]
_Data = Annotated[
    str,
    typer.Option(
        metavar="worlds|NAME|NAME=FILE",
        help="Made-up worlds, which the demo reader knows; or a data set of the paper, such as "
        "hotpot_qa, from the hub or from a file of its rows.",
    ),
]
_Examples = Annotated[int, typer.Option(min=1, help="How many; more of them go on from the fewer.")]
_Seed = Annotated[int, typer.Option(help="Of the data's order and of whatever is random.")]
_Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help=f"Folder of results, or one to go on in; default {_FOLDER}/NAME.",
        show_default=False,
    ),
]
_Tokens = Annotated[
    int | None,
    typer.Option(
        min=1,
        help=f"Longest answer, in tokens; default {_DEMO_TOKENS} for the demo reader, else "
        f"{_MODEL_TOKENS}.",
        show_default=False,
    ),
]


def experiment(
    name: _Name,
    model: options.Model = None,
    data: _Data = "worlds",
    examples: _Examples = 100,
    seed: _Seed = 0,
    out: _Out = None,
    estimator: options.Estimator = AUTO,
    max_new_tokens: _Tokens = None,
    dtype: options.DtypeOption = options.Dtype.auto,
    device: options.Device = "auto",
) -> None:
    """Run an experiment of the paper; interrupted, the same command goes on where it stopped.

    The tables go to stdout; results, tables and figure to the folder.
    """
    demo = model in (None, DEMO)
    told = {
        "data": data,
        "examples": examples,
        "seed": seed,
        "max_new_tokens": max_new_tokens or (_DEMO_TOKENS if demo else _MODEL_TOKENS),
        # The demo reader was trained to end in a final answer, and never saw an instruction to.
        "prompt": "plain" if demo else "final-answer",
    }
    folder = out or _FOLDER / name
    with missing_as_input_error():
        asked = _prepared(name, told)
        reader = load_reader(model or DEMO, dtype=dtype.value, device=device, estimator=estimator)
        report = _run(asked, reader, folder)
    show(*report.tables)
    note(f"results, tables and figure are in {folder}")


def _prepared(name: str, told: dict[str, Any]) -> Experiment[Any]:
    """Return the experiment, once it is clear that its figure could be drawn."""
    from at2_rag.evaluation.report import require_plotting
    from at2_rag.experiments import experiment_by_name

    found = experiment_by_name(name, **told)
    require_plotting("figure.png")
    return found


def _run(asked: Experiment[Any], reader: Reader, folder: Path) -> Report:
    from at2_rag.experiments import run_experiment

    with resumable_progress("measuring") as on_done:
        return run_experiment(asked, reader, folder, on_done)
