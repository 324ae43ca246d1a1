"""Table and figure of citations that were asked for, beside ours."""

from __future__ import annotations

from typing import Any

from at2_rag.evaluation.report import draw_bars
from rich.table import Table

from at2_rag_experiments.prompted.results import PromptedResults
from at2_rag_experiments.tables import result_table


def tables(found: PromptedResults) -> tuple[Table, ...]:
    """Return citations by who cited."""
    table = result_table(
        "Passages that are cited",
        f"{found.questions} questions, {found.left_out} more without a statement or too long; "
        f"{found.statements} statements. The model wrote {found.marks} numbers, {found.impossible} "
        "of them of no passage. A citation is right if the statement becomes half as likely or "
        "less without the passage. In gold: the passage holds evidence that the data mark.",
        *("", "citations", "statements that cite", "precision", "recall", "in gold"),
    )
    for one in found.kinds:
        estimates = (one.cites, one.precision, one.recall, one.in_gold)
        table.add_row(one.name, str(one.citations), *map(str, estimates))
    return (table,)


def draw(found: PromptedResults, figure: Any) -> None:
    """Draw precision, recall and the share in gold, by who cited."""
    axes = figure.subplots()
    draw_bars(
        axes,
        [one.name for one in found.kinds],
        {
            "precision": [one.precision for one in found.kinds],
            "recall": [one.recall for one in found.kinds],
            "in gold": [one.in_gold for one in found.kinds],
        },
    )
    axes.set_xlabel("citations of passages, against leaving each out")
