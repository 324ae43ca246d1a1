"""``at2-rag train collect``: answer, ablate and measure, here or on a cluster."""

from __future__ import annotations

import re
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from at2_rag.cli import engines, options
from at2_rag.cli.console import note, show
from at2_rag.cli.engines import loader_for_actors
from at2_rag.cli.gathering import read_files
from at2_rag.cli.loading import load_reader
from at2_rag.cli.progress import resumable_progress
from at2_rag.cli.showing import counted
from at2_rag.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from at2_rag import Reader
    from at2_rag.training import CollectReport, Outcome, SkipReason, TrainingExample

_WORLDS = "worlds"
_WORLD_EXAMPLES = 500
_SHARD = re.compile(r"([1-9]\d*)/([1-9]\d*)")
#: Sources that citations can be calibrated for.
_CALIBRATED = ("sentence", "passage")

_Model = Annotated[
    str,
    typer.Option("--model", "-m", metavar="NAME", help="Hub id, folder or GGUF file of the model."),
]
_Data = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|NAME|NAME=FILE|worlds",
        help="JSON lines with question, passages and, if wanted, answer; a data set of the paper "
        "by name, such as hotpot_qa, from the hub or from a file of its rows; or worlds, for "
        "generated ones, which suit the demo reader.",
        show_default=False,
    ),
]
_Documents = Annotated[
    list[Path] | None,
    typer.Option(
        "--documents",
        "-d",
        metavar="FILE|DIR",
        help="Instead of --data: documents that the model itself writes questions about, as ask -p "
        "reads them; may be given several times.",
        show_default=False,
    ),
]
_Minutes = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        help="With --documents: stop after so long, earlier times included.",
        show_default=False,
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
_Unit = Annotated[
    options.SourceUnit | None,
    typer.Option(
        help="What is ablated; default tokens, as in the paper, and sentences with --documents.",
        show_default=False,
    ),
]
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
    bool | None,
    typer.Option(
        "--detail/--no-detail",
        help="Collect for networks and for calibration too: every source by itself, a pass each. "
        "Done by default where citations can be calibrated: for sentences and passages.",
        show_default=False,
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


def collect(
    model: _Model,
    out: _Out,
    data: _Data = None,
    documents: _Documents = None,
    minutes: _Minutes = None,
    examples: _Examples = None,
    num_ablations: _Ablations = 32,
    source_unit: _Unit = None,
    seed: _Seed = 0,
    max_new_tokens: options.MaxNewTokens = 256,
    thoughts: _Thoughts = False,
    shard: _ShardOption = "1/1",
    copying: _Copying = False,
    detail: _Detail = None,
    dtype: options.DtypeOption = options.Dtype.auto,
    device: options.Device = "auto",
    engine: engines.EngineOption = engines.Engine.local,
    actors: engines.Actors = None,
    gpus: engines.Gpus = None,
    cpus: engines.Cpus = 1,
    address: engines.Address = None,
) -> None:
    """Answer, ablate and measure; interrupted, the same command goes on where it stopped."""
    part = _parse_shard(shard)
    if source_unit is None:
        source_unit = options.SourceUnit.sentence if documents else options.SourceUnit.token
    arguments: dict[str, Any] = {
        "num_ablations": num_ablations,
        "source_unit": source_unit.value,
        "seed": seed,
        "copying": copying,
        "detail": source_unit.value in _CALIBRATED if detail is None else detail,
    }
    if documents:
        _refuse_with_documents(data, part, engine, thoughts)
        load = partial(load_reader, model, dtype=dtype.value, device=device)
        _ask_and_collect(load, documents, out, minutes, examples, max_new_tokens, arguments)
        return
    if data is None or minutes is not None:
        raise InputError(
            "There is neither --data nor --documents; expected one of them, and --minutes with "
            "--documents alone."
        )
    # Before the model: a bad line should not wait for gigabytes to load.
    found = _gather(data, examples, seed, passages_needed=not thoughts)
    arguments["shard"] = part
    workers = engines.Workers(engine, actors, gpus, cpus, address)
    if workers.is_cluster:
        load = loader_for_actors(model, dtype.value, device, max_new_tokens=max_new_tokens)
        run = partial(_with_ray, load, workers)
    else:
        reader = load_reader(model, dtype=dtype.value, device=device, max_new_tokens=max_new_tokens)
        run = partial(_here, reader)
    total, done = len(range(part[0], len(found), part[1])), count(1)
    with resumable_progress("collecting", total) as on_done:

        def report_progress(outcome: Outcome) -> None:
            on_done(next(done), total, outcome.resumed)

        report = run(found, out, progress=report_progress, **arguments)
    _say_what_was_collected(report)


def _refuse_with_documents(
    data: str | None, part: tuple[int, int], engine: engines.Engine, thoughts: bool
) -> None:
    """Refuse what questions do not go with that are written one after the other."""
    if data is not None:
        raise InputError("--data and --documents are both given; expected one of them.")
    if part != (0, 1) or engine is not engines.Engine.local or thoughts:
        raise InputError(
            "--documents goes with no --shard, --engine ray or --thoughts; expected none of them. "
            "Write the questions first, and collect with --data DIR/questions.jsonl then."
        )


def _ask_and_collect(
    load: Callable[[], Reader],
    documents: list[Path],
    out: str,
    minutes: float | None,
    examples: int | None,
    max_new_tokens: int,
    arguments: dict[str, Any],
) -> None:
    """Have the model write questions about documents, and collect what comes of them."""
    from at2_rag.cli.auto import Told, say_what_was_asked

    if "://" in out:
        raise InputError(f"--out is {out!r}; expected a folder of this machine with --documents.")
    passages = read_files(documents)
    reader = load()
    from at2_rag.training import AskOptions, collect_documents
    from at2_rag.training.collector import CollectOptions

    told = Told(minutes, examples)
    asking = AskOptions(max_new_tokens=max_new_tokens, seed=arguments["seed"])
    with resumable_progress("asking", examples) as on_done:
        report = collect_documents(
            reader,
            passages,
            out,
            minutes=minutes,
            examples=examples,
            asking=asking,
            collecting=CollectOptions(**arguments),
            on_begin=told.estimate,
            progress=lambda step: told.show(step, on_done),
        )
    say_what_was_asked(report)
    show(f"{report.collected} examples are in {out}")


def _here(
    reader: Reader, examples: list[TrainingExample], out: str, **arguments: Any
) -> CollectReport:
    from at2_rag.training import collect as run

    return run(reader, examples, out, **arguments)


def _with_ray(
    load: partial[Reader],
    workers: engines.Workers,
    examples: list[TrainingExample],
    out: str,
    **arguments: Any,
) -> CollectReport:
    from at2_rag.training import collect_with_ray

    with workers.on_cluster() as asked_for:
        return collect_with_ray(load, examples, out, workers=asked_for, **arguments)


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
