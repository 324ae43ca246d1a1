"""``at2-rag evaluate``: attribution methods measured side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from at2_rag.cli import options
from at2_rag.cli.console import note, show
from at2_rag.cli.loading import load_reader, missing_as_input_error
from at2_rag.cli.outputs import check_file
from at2_rag.cli.progress import resumable_progress
from at2_rag.cli.showing import counted
from at2_rag.errors import InputError
from at2_rag.known_estimators import AUTO

if TYPE_CHECKING:
    from at2_rag import Reader
    from at2_rag.datasets.example import TrainingExample
    from at2_rag.evaluation import Comparison
    from at2_rag.methods import AttributionMethod

_WORLDS = "worlds"
#: Here, so that the help needs no torch.
_METHODS = (
    "at2",
    "average-attention",
    "bm25",
    "bm25-with-question",
    "esm-N",
    "gradient",
    "knockout",
    "knockout-gradient",
    "knockout-N",
    "leave-one-out",
    "random",
)
_DEFAULT_METHODS = "at2,average-attention,gradient,esm-32,leave-one-out,random"

_MEASURING = "Measuring"
_RESULTS = "Results"

Data = Annotated[
    str,
    typer.Option(
        metavar="FILE|worlds",
        help="Questions with passages, and answers if wanted, as JSON lines; or made-up worlds, "
        "which the demo reader knows.",
        rich_help_panel=_MEASURING,
    ),
]
Methods = Annotated[
    str,
    typer.Option(
        metavar="A,B,…",
        help=f"Of {', '.join(_METHODS)}, where esm-N has N ablations and knockout-N tries N "
        "sources of each statement; or blends of them, such as at2+bm25. By default "
        f"{_DEFAULT_METHODS}, without at2 where no estimator was learned.",
        rich_help_panel=_MEASURING,
        show_default=False,
    ),
]
Examples = Annotated[
    int, typer.Option(min=1, help="How many examples.", rich_help_panel=_MEASURING)
]
Ablations = Annotated[
    int,
    typer.Option(min=3, help="Random ablations of each example.", rich_help_panel=_MEASURING),
]
EvaluationSeed = Annotated[
    int, typer.Option(help="Of worlds and of whatever is random.", rich_help_panel=_MEASURING)
]
JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="PATH",
        help="Write every measurement there.",
        rich_help_panel=_RESULTS,
        show_default=False,
    ),
]
PlotFile = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        metavar="PATH",
        help="Draw the table there, as .png, .svg or .pdf.",
        rich_help_panel=_RESULTS,
        show_default=False,
    ),
]


def evaluate(
    model: options.Model = None,
    data: Data = _WORLDS,
    methods: Methods = "",
    examples: Examples = 50,
    source_unit: options.Unit = options.SourceUnit.sentence,
    estimator: options.Estimator = AUTO,
    ablations: Ablations = 64,
    max_new_tokens: options.MaxNewTokens = 256,
    seed: EvaluationSeed = 0,
    json: JsonFile = None,
    plot: PlotFile = None,
    dtype: options.DtypeOption = options.Dtype.auto,
    device: options.Device = "auto",
) -> None:
    """Measure how well attribution methods predict what leaving sources out really does.

    The table goes to stdout, and everything about it to stderr.
    """
    _check_outputs(json, plot)
    named = _names(methods)
    asked = _examples(data, examples, seed)
    reader = load_reader(model, dtype=dtype.value, device=device, estimator=estimator)
    chosen = _methods(named, reader, seed)
    found = _compare(reader, asked, chosen, ablations, seed, source_unit.value, max_new_tokens)
    _report(found, json, plot)


def _check_outputs(json: Path | None, plot: Path | None) -> None:
    """Refuse files that could not be written, before hours are spent on what goes into them."""
    check_file(json)
    check_file(plot)
    if plot is not None:
        from at2_rag.evaluation.report import require_plotting

        with missing_as_input_error():
            require_plotting(plot)


def _examples(data: str, count: int, seed: int) -> list[TrainingExample]:
    from at2_rag.datasets.example_files import read_examples
    from at2_rag.datasets.world_examples import world_examples
    from at2_rag.worlds import HELD_OUT_SEED

    if data == _WORLDS:
        return world_examples(HELD_OUT_SEED + seed, count)
    if not Path(data).is_file():
        raise InputError(f"--data is {data!r}; expected {_WORLDS}, or a file with JSON lines.")
    found = read_examples(data)
    if len(found) < count:
        have = counted(len(found), "example")
        note(f"{data} has {have}, fewer than the {count} asked for with --examples")
    return found[:count]


def _names(methods: str) -> list[str]:
    """Return the names of methods, once it is clear that there are such methods."""
    from at2_rag.methods import check_method_name

    names = [name.strip() for name in methods.split(",")] if methods else []
    for name in names:
        check_method_name(name)
    return names


def _methods(names: list[str], reader: Reader, seed: int) -> list[AttributionMethod]:
    from at2_rag.methods import method_by_name

    if not names:
        names = _DEFAULT_METHODS.split(",")
        if reader.estimator.kind == "uniform":
            names.remove("at2")
            note("at2 is left out: no score estimator was learned for this model; --estimator")
    return [method_by_name(name, reader.estimator, seed) for name in names]


def _compare(
    reader: Reader,
    examples: list[TrainingExample],
    methods: list[AttributionMethod],
    ablations: int,
    seed: int,
    source_unit: str,
    max_new_tokens: int,
) -> Comparison:
    from at2_rag.evaluation import compare, example_tasks

    total = len(examples)

    def tell(example: TrainingExample) -> None:
        note(f"{example.id} is longer than the model's context and is left out")

    with resumable_progress("measuring", total) as on_done, missing_as_input_error():
        tasks = example_tasks(
            reader, examples, tell, source_unit=source_unit, max_new_tokens=max_new_tokens
        )
        return compare(
            tasks,
            methods,
            num_ablations=ablations,
            seed=seed,
            on_task=lambda done: on_done(done, total, False),
        )


def _report(found: Comparison, json: Path | None, plot: Path | None) -> None:
    from at2_rag.evaluation import comparison_table, plot_comparison, write_json

    show(comparison_table(found))
    if json is not None:
        write_json(found, json)
    if plot is not None:
        plot_comparison(found, plot)
