"""``at2-rag experiment``: the paper's experiments, rerun."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from at2_rag.cli import options
from at2_rag.cli.console import note, show
from at2_rag.cli.loading import DEMO, load_reader, missing_as_input_error
from at2_rag.cli.outputs import check_folder
from at2_rag.cli.progress import resumable_progress
from at2_rag.errors import At2Error, InputError
from at2_rag.known_estimators import AUTO

if TYPE_CHECKING:
    from at2_rag_experiments import Experiment, Report

    from at2_rag import Reader

_PACKAGE = "at2_rag_experiments"
_NOT_INSTALLED = (
    "at2-rag experiment needs the package at2-rag-experiments, which is not installed here; "
    "install it from a checkout with: pip install ./experiments"
)
_FOLDER = Path("build/experiments")
#: Longest answers: what the demo reader writes is short.
_DEMO_TOKENS, _MODEL_TOKENS = 64, 256

#: What each is, in a line; here, so that the help needs neither torch nor the experiments.
ABOUT = {
    "method-comparison": "compare methods by what ablations do, by time, and side by side",
    "faithfulness": "scores, citations and verdicts on questions whose evidence is known",
    "support": "right answers, and wrong ones: which of them are called supported",
    "prompted-citations": "citations that the model is asked for in the prompt, beside ours",
    "thought-attribution": "what a response owes to the thoughts before it, and to passages",
    "hotpot-pruning": "prune the context by what a first answer used, and answer again",
    "conversation-sources": "earlier messages, tool results and the system prompt as sources",
    "coefficient-stability": "fit again and again, and see how far chance decides coefficients",
    "learning-curves": "how many examples and ablations are enough to learn from",
    "cross-architecture": "rank methods on two architectures that read the same worlds",
    "interactions": "answers that need several sources together, such as xor",
    "sampling": "greedy against drawn answers, at several temperatures",
}

_Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="; ".join(f"{name}: {about}" for name, about in ABOUT.items()) + ".",
        show_default=False,
    ),
]
_Data = Annotated[
    str,
    typer.Option(
        metavar="worlds|NAME|NAME=FILE|FILE.jsonl",
        help="Made-up worlds, which the demo reader knows; a data set of the paper, such as "
        "hotpot_qa, from the hub or from a file of its rows; or JSON lines with question and "
        "passages, and with gold_answer and gold where right answers are needed.",
    ),
]
_Examples = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="How many; more of them go on from the fewer; default the experiment's own.",
        show_default=False,
    ),
]
_Seed = Annotated[int, typer.Option(help="Of the data's order and of whatever is random.")]
_Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help=f"Folder of results, or one to go on in; default {_FOLDER}/NAME.",
        show_default=False,
    ),
]
_Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Anything else in the experiment's config; the value as JSON, or as text.",
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
    examples: _Examples = None,
    seed: _Seed = 0,
    out: _Out = None,
    estimator: options.Estimator = AUTO,
    max_new_tokens: _Tokens = None,
    other: _Set = None,
    dtype: options.DtypeOption = options.Dtype.auto,
    device: options.Device = "auto",
) -> None:
    """Run an experiment of the paper; interrupted, the same command goes on where it stopped.

    The tables go to stdout; results, tables and figure to the folder.
    """
    demo = model in (None, DEMO)
    told = {
        "data": data,
        "seed": seed,
        "max_new_tokens": max_new_tokens or (_DEMO_TOKENS if demo else _MODEL_TOKENS),
        # The demo reader was trained to end in a final answer, and never saw an instruction to.
        "prompt": "plain" if demo else "final-answer",
        **({} if examples is None else {"examples": examples}),
        **_fields(other or []),
    }
    folder = out or _FOLDER / name
    check_folder(folder)
    with missing_as_input_error(), _bad_values_as_input_error(other):
        asked = _prepared(name, told)
        reader = load_reader(
            model,
            dtype=dtype.value,
            device=device,
            estimator=estimator,
            prompt=asked.config.template,  # the paper's, also where the model is probed
        )
        report = _run(asked, reader, folder)
    show(*report.tables)
    note(f"results, tables and figure are in {folder}")


def _fields(told: list[str]) -> dict[str, Any]:
    """Return fields of a config by name, as they are told on the command line."""
    found = {}
    for text in told:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise InputError(f"--set is {text!r}; expected FIELD=VALUE.")
        try:
            read = json.loads(value)
        except ValueError:
            read = value
        found[name] = tuple(read) if isinstance(read, list) else read
    return found


@contextmanager
def _bad_values_as_input_error(told: list[str] | None) -> Iterator[None]:
    """Say of values told with --set, which nothing else checks, that they cannot be used."""
    try:
        yield
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, At2Error) or not told:
            raise
        raise InputError(f"--set {' '.join(told)} cannot be used: {error}") from error


def _prepared(name: str, told: dict[str, Any]) -> Experiment[Any, Any]:
    """Return the experiment, once it is clear that its figure could be drawn.

    Raises:
        InputError: If the experiments are not installed, or there is none that can be told so.
        ImportError: If matplotlib is not installed.
    """
    if find_spec(_PACKAGE) is None:
        raise InputError(_NOT_INSTALLED)
    from at2_rag_experiments import experiment_by_name

    from at2_rag.evaluation.report import require_plotting

    found = experiment_by_name(name, **told)
    require_plotting("figure.png")
    return found


def _run(asked: Experiment[Any, Any], reader: Reader, folder: Path) -> Report:
    from at2_rag_experiments import run_experiment

    with resumable_progress("measuring") as on_done:
        return run_experiment(asked, reader, folder, on_done)
