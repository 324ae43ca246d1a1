"""Tables and figure of the pruning experiment (figure 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from at2_rag.evaluation.results import Estimate
from rich.table import Table

from at2_rag_experiments.plots import COLOURS, finish, level, line
from at2_rag_experiments.pruning.results import Curve, Point, PruningResults
from at2_rag_experiments.tables import mean, result_table

#: Numbers of passages kept that the table shows where there are many; the results hold all.
_SHOWN = (1, 2, 3, 4, 6, 8, 10)


def tables(found: PruningResults) -> tuple[Table, ...]:
    """Return F1 by passages kept, each method at its best, and numbers chosen by scores."""
    by_rule = (_by_rule(found),) if found.chosen else ()
    f1 = _by_kept(found, "F1 of the final answer", lambda point: point.f1)
    contained = _by_kept(found, "The final answer contains the right one", lambda p: p.contained)
    return f1, contained, _at_best(found), *by_rule


def draw(found: PruningResults, figure: Any) -> None:
    """Draw F1 against passages kept, a line for each method, and the rules beside one line."""
    panels = figure.subplots(1, 2 if found.chosen else 1, sharey=True, squeeze=False)[0]
    for index, curve in enumerate(found.curves):
        _curve(panels[0], curve, COLOURS[index % len(COLOURS)])
    level(panels[0], found.unpruned.f1, "no pruning")
    level(panels[0], found.supporting.f1, "supporting passages alone", ":")
    finish(panels[0], "passages kept", "F1 of the final answer")
    if found.chosen:
        _draw_rules(found, panels[1])


def _draw_rules(found: PruningResults, axes: Any) -> None:
    """Draw numbers chosen by scores, beside the line of the reader's own or the last method."""
    curve = found.curve(found.own or found.curves[-1].method)
    _curve(axes, curve, COLOURS[found.curves.index(curve) % len(COLOURS)])
    rules = [chosen for chosen in found.chosen if chosen.method == curve.method]
    for index, chosen in enumerate(rules):
        axes.plot(
            chosen.point.kept.mean,
            chosen.point.f1.mean,
            marker="DsP^vX"[index % 6],
            color=COLOURS[index % len(COLOURS)],
            linestyle="none",
            label=chosen.rule,
        )
    level(axes, found.unpruned.f1, "no pruning")
    finish(axes, "passages kept (mean)", "", "number of passages chosen by the scores")


def _curve(axes: Any, curve: Curve, colour: str) -> None:
    kept = [point.kept.mean or 0.0 for point in curve.points]
    line(axes, kept, [point.f1 for point in curve.points], curve.method, colour)


def _by_kept(found: PruningResults, what: str, of: Callable[[Point], Estimate]) -> Table:
    many = len(found.ks) > len(_SHOWN)
    shown = [place for place, k in enumerate(found.ks) if not many or k in _SHOWN]
    errors = [of(p).standard_error or 0.0 for curve in found.curves for p in curve.points]
    table = result_table(
        f"{what}, by passages kept",
        f"No pruning: {mean(of(found.unpruned))}, supporting passages alone: "
        f"{mean(of(found.supporting))}. Means over {found.questions} questions, {found.too_long} "
        "more too long for the model. "
        f"Standard errors are at most {max(errors):.3f}. {found.prompts:.0f} prompts a question, "
        f"{found.distinct:.1f} of them different, {found.reused:.0%} of their tokens read for "
        f"another. {found.unmarked} answers without pruning mark no final answer and count whole.",
        "kept",
        *(str(found.ks[place]) for place in shown),
    )
    for curve in found.curves:
        table.add_row(curve.method, *(mean(of(curve.points[place])) for place in shown))
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
