"""Running an experiment: item by item, resumable, and then the report."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from at2_rag.reader import Reader
from rich.console import Console
from rich.table import Table

from at2_rag_experiments.base import Experiment, ItemT, OnDone, Record, Report, SubjectT
from at2_rag_experiments.plots import save_figure
from at2_rag_experiments.store import RecordStore, identity

#: Wider than any table of a report, so that no cell is cut: each is as wide as its cells.
_TABLE_WIDTH = 100_000


def run_experiment(
    experiment: Experiment[ItemT, SubjectT],
    reader: Reader,
    out: str | Path,
    on_done: OnDone | None = None,
) -> Report:
    """Measure all items and write the report; interrupted, the same call goes on.

    Once all are measured, nothing is prepared again. Into the folder go ``config.json``,
    ``records.jsonl`` (a line for each item, as it is done), ``results.json``, ``table.txt``,
    ``figure.png``, and what files the report has of its own.

    Args:
        experiment: What to measure.
        reader: A reader with the model and the estimator that it is measured on.
        out: The folder of the results; made if it is not there.
        on_done: Called after each step of the preparation, and after each item.

    Returns:
        The experiment's report; its results begin with the experiment's name and config.

    Raises:
        InputError: If the folder belongs to another run, or the data cannot be used.
        FileFormatError: If a file cannot be read or written.
        NumericalError: If the model produced NaN.
    """
    folder = Path(out)
    items = experiment.items()
    store = RecordStore(folder, identity(experiment.name, experiment.config, reader))
    follow = on_done or _ignore
    records = [store.get(item) for item in items]
    if None in records:
        subject = experiment.prepare(reader, folder, follow)
    found: list[Record] = []
    for item, known in zip(items, records, strict=True):
        found.append(store.add(item, experiment.measure(subject, item)) if known is None else known)
        follow(len(found), len(items), known is not None)
    about = {"experiment": experiment.name, "config": asdict(experiment.config)}
    report = experiment.report(found)
    report = replace(report, results=about | report.results)
    _write(report, folder)
    return report


def _ignore(done: int, total: int, before: bool) -> None:
    pass


def _write(report: Report, folder: Path) -> None:
    text = json.dumps(report.results, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")
    (folder / "table.txt").write_text(_as_text(report.tables), encoding="utf-8")
    save_figure(report.draw, report.size, folder / "figure.png")
    for name, content in report.files.items():
        (folder / name).write_text(content, encoding="utf-8")


def _as_text(tables: tuple[Table, ...]) -> str:
    console = Console(width=_TABLE_WIDTH, color_system=None, force_terminal=False)
    with console.capture() as captured:
        for table in tables:
            console.print(table)
    return captured.get()
