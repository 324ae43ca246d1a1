"""Tables and figure of support."""

from __future__ import annotations

from typing import Any

from at2_rag.evaluation.report import draw_bars
from rich.table import Table

from at2_rag_experiments.support.results import SupportResults
from at2_rag_experiments.tables import mean, result_table


def tables(found: SupportResults) -> tuple[Table, ...]:
    """Return verdicts by kind of answer, and how well each method's scores tell them apart."""
    return _verdicts(found), _separations(found)


def draw(found: SupportResults, figure: Any) -> None:
    """Draw the share of answers that are called supported, and cited, by kind."""
    axes = figure.subplots()
    draw_bars(
        axes,
        [one.kind for one in found.kinds],
        {
            "called supported": [one.supported for one in found.kinds],
            "cited": [one.cited for one in found.kinds],
        },
    )
    axes.set_xlabel("share of answers")


def _verdicts(found: SupportResults) -> Table:
    table = result_table(
        f"Verdicts ({found.estimator})",
        f"{found.questions} questions, {found.left_out} more too long or without a statement; "
        f"{found.tokens:.0f} tokens in the mean. Right answers are given to the model, and wrong "
        "ones. Supported: all statements are. Ungrounded: a word is from no passage. Balanced "
        "accuracy: of the verdict, right answers against these; quotations against what was made "
        "of them.",
        *("answers", "number", "supported", "cited", "ungrounded", "balanced accuracy"),
    )
    for one in found.kinds:
        balanced = "–" if one.balanced is None else f"{one.balanced:.3f}"
        told = map(mean, (one.supported, one.cited, one.ungrounded))
        table.add_row(one.kind, str(one.answers), *told, balanced)
    return table


def _separations(found: SupportResults) -> Table:
    kinds = list(found.methods[0].from_kind)
    table = result_table(
        "Right answers against the others",
        "AUROC of the highest score among the sources, of an answer's worst statement; quotations "
        "against what was made of them.",
        *("method", *kinds),
    )
    for one in found.methods:
        table.add_row(one.method, *(str(one.from_kind[kind]) for kind in kinds))
    return table
