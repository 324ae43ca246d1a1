"""Tables and figure of the pruning experiment (figure 5)."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from at2_rag_experiments.plots import COLOURS, finish, level, line
from at2_rag_experiments.pruning.results import Curve, Point, PruningResults
from at2_rag_experiments.tables import mean, result_table

#: Numbers of passages kept that the table shows; the results hold all.
_SHOWN = (1, 2, 3, 4, 6, 8, 10)


def tables(found: PruningResults) -> tuple[Table, ...]:
    """Return F1 by passages kept, each method at its best, and numbers chosen by scores."""
    return _by_kept(found), _at_best(found), _by_rule(found)


def draw(found: PruningResults, figure: Any) -> None:
    """Draw F1 against passages kept, a line for each method, and the rules beside AT2's line."""
    by_method, by_rule = figure.subplots(1, 2, sharey=True)
    for index, curve in enumerate(found.curves):
        _curve(by_method, curve, COLOURS[index % len(COLOURS)])
    level(by_method, found.unpruned.f1, "no pruning")
    level(by_method, found.supporting.f1, "supporting passages alone", ":")
    finish(by_method, "passages kept", "F1 of the final answer")
    learned = [curve for curve in found.curves if curve.method == "at2"]
    for curve in learned or found.curves[-1:]:
        _curve(by_rule, curve, COLOURS[found.curves.index(curve) % len(COLOURS)])
        rules = [chosen for chosen in found.chosen if chosen.method == curve.method]
        for index, chosen in enumerate(rules):
            by_rule.plot(
                chosen.point.kept.mean,
                chosen.point.f1.mean,
                marker="DsP^vX"[index % 6],
                color=COLOURS[index % len(COLOURS)],
                linestyle="none",
                label=chosen.rule,
            )
    level(by_rule, found.unpruned.f1, "no pruning")
    finish(by_rule, "passages kept (mean)", "", "number of passages chosen by the scores")


def _curve(axes: Any, curve: Curve, colour: str) -> None:
    kept = [point.kept.mean or 0.0 for point in curve.points]
    line(axes, kept, [point.f1 for point in curve.points], curve.method, colour)


def _by_kept(found: PruningResults) -> Table:
    shown = [k for k in _SHOWN if k <= len(found.curves[0].points)]
    errors = [p.f1.standard_error or 0.0 for curve in found.curves for p in curve.points]
    table = result_table(
        "F1 of the final answer by passages kept",
        f"Means over {found.questions} questions, {found.too_long} more too long for the model. "
        f"Standard errors are at most {max(errors):.3f}. {found.prompts:.0f} prompts a question, "
        f"{found.distinct:.1f} of them different, {found.reused:.0%} of their tokens read for "
        "another.",
        "kept",
        *map(str, shown),
    )
    for curve in found.curves:
        table.add_row(curve.method, *(mean(curve.points[k - 1].f1) for k in shown))
    return table


def _at_best(found: PruningResults) -> Table:
    table = result_table(
        "Each method at its best number of passages",
        "The number is chosen on the same questions, which flatters all alike. The gain is beyond "
        "no pruning, question by question. Covered: all supporting passages kept. Passes: those "
        "for scores, beside what writes draft and answer.",
        *("method", "kept", "F1", "exact", "gain in F1", "covered", "passes", "drafts"),
    )
    table.add_row("no pruning", *_cells(found.unpruned), "0", "0")
    table.add_row("supporting alone", *_cells(found.supporting), "0", "0")
    for curve in found.curves:
        cells = _cells(curve.points[curve.best])
        table.add_row(curve.method, *cells, f"{curve.passes:.0f}", str(curve.drafts))
    return table


def _cells(point: Point) -> tuple[str, ...]:
    means = mean(point.f1), mean(point.exact)
    return mean(point.kept, 1), *means, str(point.gain), mean(point.covered, 2)


def _by_rule(found: PruningResults) -> Table:
    table = result_table(
        "Number of passages chosen by the scores",
        "Beside the F1 of the same method with as many passages kept of every question.",
        *("method", "rule", "kept", "F1", "exact", "F1, fixed"),
    )
    for chosen in found.chosen:
        point = chosen.point
        means = mean(point.kept, 1), str(point.f1), mean(point.exact), f"{chosen.fixed_f1:.3f}"
        table.add_row(chosen.method, chosen.rule, *means)
    return table
