"""Whole logs, cited or answered anew into a folder, with what is told meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import typer

from at2_rag.cli.console import note, note_now, show
from at2_rag.cli.engines import Workers, loader_for_actors
from at2_rag.cli.loading import load_reader, missing_as_input_error, note_demo_reader
from at2_rag.cli.progress import resumable_progress
from at2_rag.cli.showing import counted
from at2_rag.errors import InputError

if TYPE_CHECKING:
    from at2_rag import PromptTemplate
    from at2_rag.audit import AuditOptions, AuditReport, Rejected

#: So many rows that cannot be used are told one by one.
_TOLD = 20


@dataclass(frozen=True)
class ModelChoices:
    """Which model reads or answers.

    Attributes:
        model: Hub id, folder or GGUF file; ``None`` for the demo reader.
        dtype: Number format of the weights.
        device: Where to put the model.
        estimator: What turns attention into scores.
        prompt: The reader's template, by the name of the setting; empty for the model's own.
    """

    model: str | None
    dtype: str
    device: str
    estimator: str
    prompt: Mapping[str, PromptTemplate] = field(default_factory=dict)


@dataclass(frozen=True)
class AuditChoices:
    """What is done with the rows, and how they are kept.

    Attributes:
        kind: What the records are written as.
        rows_per_part: How many rows are gone through at a time.
        settings: Settings and options of generation, by name.
        scores: Whether records have the tables of scores.
        anew: Whether the questions are answered by the model.
        prune_to: How many passages to answer from again; ``None`` to answer once.
    """

    kind: Literal["jsonl", "parquet"]
    rows_per_part: int
    settings: dict[str, Any]
    scores: bool = False
    anew: bool = False
    prune_to: int | None = None

    def as_options(self) -> AuditOptions:
        """Return them as the library takes them."""
        from at2_rag.audit import AuditOptions

        return AuditOptions(
            self.anew, self.prune_to, self.rows_per_part, self.kind, self.scores, self.settings
        )


class _Rejects:
    """Tells rows that were set apart, the first of them one by one."""

    def __init__(self) -> None:
        self._count = 0

    def tell(self, rejected: Rejected) -> None:
        self._count += 1
        if self._count <= _TOLD:
            note_now(f"set apart: {rejected.place}: {rejected.error}")
        elif self._count == _TOLD + 1:
            note_now("more were set apart; the rejects beside the records tell each")


def audit_log(
    files: Sequence[str] | None,
    out: str,
    choices: AuditChoices,
    model: ModelChoices,
    workers: Workers,
) -> None:
    """Audit log files into a folder, and say what was done.

    Args:
        files: The log files.
        out: Folder or URL that the records go to.
        choices: What is done with the rows.
        model: Which model does it.
        workers: The actors that do it, if any.

    Raises:
        InputError: If a file, the folder or an option cannot be used.
        Exit: With 1 if rows were set apart.
    """
    from at2_rag.audit.inputs import open_logs

    is_cluster = workers.is_cluster
    total = sum(log.count() for log in open_logs(files or []))  # before gigabytes are loaded
    note_demo_reader(model.model)
    run = partial(_on_cluster, workers) if is_cluster else _here
    audited = run(model, files or [], out, choices)
    rejects, verb = _Rejects(), "answering" if choices.anew else "citing"
    with resumable_progress(verb, total, "row") as on_done, missing_as_input_error():
        report = audited(progress=on_done, on_reject=rejects.tell)
    _say_what_was_done(report, choices)


def _here(
    model: ModelChoices, files: Sequence[str], out: str, choices: AuditChoices
) -> Callable[..., AuditReport]:
    """Load the reader, and return what audits with it."""
    reader = load_reader(
        model.model,
        dtype=model.dtype,
        device=model.device,
        estimator=model.estimator,
        **model.prompt,
    )
    from at2_rag.audit import audit_files

    return partial(audit_files, reader, files, out, choices.as_options())


def _on_cluster(
    workers: Workers, model: ModelChoices, files: Sequence[str], out: str, choices: AuditChoices
) -> Callable[..., AuditReport]:
    """Return what has actors load readers and audit with them."""
    load = loader_for_actors(
        model.model, model.dtype, model.device, estimator=model.estimator, **model.prompt
    )
    from at2_rag.audit import audit_with_ray

    def audited(**told: Any) -> AuditReport:
        with workers.on_cluster() as asked_for:
            options = choices.as_options()
            return audit_with_ray(load, files, out, options, workers=asked_for, **told)

    return audited


def _say_what_was_done(report: AuditReport, choices: AuditChoices) -> None:
    verb = "answered" if choices.anew else "cited"
    before = f", {report.resumed} done before" if report.resumed else ""
    show(f"{counted(report.audited, 'row')} {verb}{before} in {report.folder}")
    if report.audited or report.resumed:
        note(f"a report of it: at2-rag report {report.folder}")
    if report.rejected:
        note(f"{counted(report.rejected, 'row')} set apart: {report.folder}/_rejects-*.jsonl")
        raise typer.Exit(1)


def refuse_cluster(workers: Workers) -> None:
    """Refuse a cluster where one answer is meant.

    Raises:
        InputError: If one was asked for.
    """
    if workers.is_cluster:
        raise InputError("--engine ray is for logs; expected --out with a folder for its records.")


def refuse_with_out(**given: object) -> None:
    """Refuse options of one answer where whole logs are meant.

    Args:
        given: Values of the options, by name.

    Raises:
        InputError: If one was given.
    """
    for name, value in given.items():
        if value:
            raise InputError(
                f"--{name} is for one answer, and --out for logs whose rows have all of that; "
                "expected one of them."
            )
