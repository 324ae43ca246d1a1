"""``at2-rag train auto``: from a folder of documents to an estimator beside the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from at2_rag.cli import options
from at2_rag.cli.console import note, show, spinner
from at2_rag.cli.gathering import read_files
from at2_rag.cli.loading import DEMO, load_reader
from at2_rag.cli.notes import note_now
from at2_rag.cli.progress import resumable_progress
from at2_rag.cli.train_report import show_calibrations
from at2_rag.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from at2_rag import Reader
    from at2_rag.training import DocumentReport, Step, Trained
    from at2_rag.training.own_documents import Side

_Model = Annotated[
    str,
    typer.Option("--model", "-m", metavar="NAME", help="Hub id, folder or GGUF file of the model."),
]
Documents = Annotated[
    list[Path],
    typer.Option(
        "--documents",
        "-d",
        metavar="FILE|DIR",
        help="What to ask about, as ask -p reads it; may be given several times.",
    ),
]
_Minutes = Annotated[
    float,
    typer.Option(min=0.1, help="How long to collect, earlier times included, before learning."),
]
_Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder for the estimator; by default beside the model, or in the cache for one that "
        "is no folder of yours, where it is found from then on.",
        show_default=False,
    ),
]
_Work = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder for questions and records; by default one in the cache.",
        show_default=False,
    ),
]
_Questions = Annotated[
    int | None,
    typer.Option(
        min=2, metavar="N", help="Keep no more than so many questions.", show_default=False
    ),
]
_Ablations = Annotated[int, typer.Option(min=2, help="Random ablations of each example.")]
_Seed = Annotated[int, typer.Option(help="Of what is asked, held out and ablated.")]
_Longest = Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")]


def auto(
    model: _Model,
    documents: Documents,
    minutes: _Minutes = 30,
    out: _Out = None,
    work: _Work = None,
    questions: _Questions = None,
    num_ablations: _Ablations = 16,
    max_new_tokens: _Longest = 48,
    seed: _Seed = 0,
    dtype: options.DtypeOption = options.Dtype.auto,
    device: options.Device = "auto",
) -> None:
    """Learn from your own documents, and keep what is better than probed heads.

    The model writes questions about the documents itself, answers them, and answers again and
    again with sentences left out. What is learned from that is compared on documents that were
    held out. Interrupted, the same command goes on where it stopped.
    """
    # Before the model: a bad file should not wait for gigabytes to load.
    passages = read_files(documents)
    if model == DEMO and out is None:
        raise InputError(f"--model {DEMO} has its own estimator; expected --out DIR with it.")
    reader = load_reader(model, dtype=dtype.value, device=device)
    from at2_rag.training import AskOptions, AutoOptions, train_auto, work_folder

    chosen = AutoOptions(
        minutes,
        questions,
        num_ablations,
        seed=seed,
        asking=AskOptions(max_new_tokens=max_new_tokens),
    )
    place = out or _place(reader)
    folder = work or work_folder(reader, passages, chosen)
    note(f"questions and records are in {folder}")
    told = Told(minutes, questions)
    with resumable_progress("asking", questions) as on_done:
        trained = train_auto(
            reader,
            passages,
            folder,
            chosen,
            on_begin=told.estimate,
            progress=lambda step: told.show(step, on_done),
        )
    _show(trained)
    keep(trained, place, named=out is not None)


class Told:
    """Tells how long it will take, once that is known.

    Args:
        minutes: How long it may take.
        questions: How many questions are wanted; ``None`` for as many as there is time for.
    """

    def __init__(self, minutes: float | None, questions: int | None) -> None:
        self._minutes, self._questions = minutes, questions
        self._kept = 0
        self._expected = questions

    def show(self, step: Step, on_done: Callable[[int, int, bool], None]) -> None:
        """Move a bar on by what became of a topic.

        Args:
            step: What became of it.
            on_done: What :func:`~at2_rag.cli.progress.resumable_progress` yields.
        """
        if step.outcomes:
            self._kept += 1
            on_done(self._kept, max(self._expected or 0, self._kept), step.resumed)

    def estimate(self, sides: Sequence[Side]) -> None:
        """Time two passes, and say in a line what that comes to."""
        from at2_rag.training import Pace

        with spinner("timing a pass"):
            pace = Pace.measured(sides[0])
        if pace is None:
            return
        # Two questions of the first side for one of the last, where there are two.
        shares = (2, 1) if len(sides) == 2 else (1,)
        times = [pace.seconds_per_question(side) for side in sides]
        seconds = sum(n * s for n, s in zip(shares, times, strict=True)) / sum(shares)
        self._say(pace.pass_seconds, seconds)

    def _say(self, one_pass: float, seconds: float) -> None:
        said = f"a pass takes {one_pass:.2g} s, so each question some {seconds:.2g} s"
        if self._minutes is not None and self._questions is None:
            self._expected = max(int(60 * self._minutes / seconds), 1)
            note_now(f"{said}: about {self._expected} in {self._minutes:g} minutes")
        elif self._questions is not None:
            total = self._questions * seconds / 60
            bound = "" if self._minutes is None else f", of {self._minutes:g} at most"
            note_now(f"{said}: about {total:.2g} minutes for {self._questions}{bound}")
        else:
            note_now(f"{said}, until every sentence was asked about twice")


def _place(reader: Reader) -> Path:
    """Return where the estimator goes, unless somebody else's is there.

    Raises:
        InputError: If there is one that this command did not make.
    """
    from at2_rag import ScoreEstimator
    from at2_rag.estimators.find import place_for_own

    place = place_for_own(reader.model, reader.tokenizer)
    if place.exists() and "auto" not in ScoreEstimator.load(place).metadata:
        raise InputError(
            f"{place} holds an estimator that was not made here; expected none. Name another "
            "folder with --out, or move it away."
        )
    return place


def say_what_was_asked(report: DocumentReport) -> None:
    """Tell how many questions were kept, and why the others were not."""
    kept, dropped = sum(report.kept.values()), sum(report.dropped.values())
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(report.dropped.items()))
    note(
        f"{kept} of {kept + dropped} questions are kept ({report.share_kept:.0%})"
        + (f"; dropped: {reasons}" if reasons else "")
    )
    if report.exhausted:
        note("every sentence was asked about; more documents give more questions")


def _show(trained: Trained) -> None:
    say_what_was_asked(trained.collected)
    if trained.judged:
        show(_table(trained))
    if trained.estimator is not None:
        show_calibrations(trained.estimator)


def _table(trained: Trained) -> Table:
    """Return how each estimator does on held-out questions."""
    count = next(iter(trained.judged.values())).mean_lds.count
    table = Table(title="On held-out documents", title_justify="left", caption_justify="left")
    table.add_column("estimator")
    for header in ("LDS", "over probed", "top-1 drop (nats)"):
        table.add_column(header, justify="right")
    probed = trained.judged["probed"]
    for name, found in trained.judged.items():
        marked = f"→ {name}" if name == trained.winner else f"  {name}"
        gain = "" if found is probed else str(found.gain_over(probed))
        table.add_row(marked, str(found.mean_lds), gain, str(found.mean_drop))
    table.caption = (
        f"Mean ± standard error over {count} statements that depend on their sources. What is "
        "taken was chosen on them, which flatters it a little."
    )
    return table


def keep(trained: Trained, place: Path, *, named: bool) -> None:
    """Write the best estimator, or say why probed heads are kept.

    Args:
        trained: What came of training.
        place: Folder for the estimator.
        named: Whether the folder was named by the user, and is none that is found by itself.
    """
    if trained.estimator is None:
        note(f"probed heads are kept, and nothing is written: {trained.kept_because}")
        return
    trained.estimator.save(place)
    use = f"use it with: --estimator {place}" if named else "it is found there from now on"
    note(f"wrote {trained.winner} to {place}; {use}")
