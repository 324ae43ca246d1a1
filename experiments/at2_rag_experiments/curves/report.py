"""Tables and figure of the learning curves."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from at2_rag_experiments.curves.results import SLACK, Cell, Curve, CurvesResults
from at2_rag_experiments.plots import COLOURS, finish, line
from at2_rag_experiments.tables import result_table


def tables(found: CurvesResults) -> tuple[Table, ...]:
    """Return LDS by examples and ablations, what is enough, and what the same cost buys."""
    shown = _grid(found), _enough(found), _same_cost(found)
    # Without several numbers of ablations there is nothing of the same cost to compare.
    return tuple(table for table in shown if table.row_count)


def draw(found: CurvesResults, figure: Any) -> None:
    """Draw LDS against ablations in all, a panel for each estimator, a line for each per example.

    What costs the same lies above one another.
    """
    shared = {"sharex": True, "sharey": True, "squeeze": False}
    panels = figure.subplots(1, len(found.curves), **shared)[0]
    costs = sorted({cell.cost for curve in found.curves for cell in curve.cells})
    for axes, curve in zip(panels, found.curves, strict=True):
        for index, ablations in enumerate(_ablations(curve)):
            cells = [cell for cell in curve.cells if cell.ablations == ablations]
            line(
                axes,
                [cell.cost for cell in cells],
                [cell.dependent for cell in cells],
                f"{ablations} ablations each",
                # The most are drawn alike everywhere, also where there are no others.
                COLOURS[index + 4 - len(_ablations(curve))],
            )
        for name, lds in found.references.items():
            axes.axhline(lds, color="black", linewidth=1.0, linestyle="--")
            axes.annotate(
                name,
                (0.98, lds),
                xycoords=("axes fraction", "data"),
                ha="right",
                va="bottom",
                fontsize="x-small",
            )
        axes.set_xscale("log")
        axes.set_xticks(costs, [f"{c:,}" for c in costs], rotation=45, fontsize="x-small")
        axes.minorticks_off()
        first = curve is found.curves[0]
        label = "LDS, dependent statements" if first else ""
        finish(axes, "ablations in all: examples · ablations each", label, curve.estimator)


def _ablations(curve: Curve) -> list[int]:
    return sorted({cell.ablations for cell in curve.cells})


def _sizes(found: CurvesResults) -> list[int]:
    return sorted({cell.examples for curve in found.curves for cell in curve.cells})


def _grid(found: CurvesResults) -> Table:
    sizes = _sizes(found)
    table = result_table(
        "LDS on dependent statements, by examples learned from",
        f"± is a standard error over {found.repeats} draws from {found.pool} examples, too small "
        f"beyond half of these, since draws then share examples. Measured on {found.dependent} "
        f"statements of {found.held_out} held-out examples, the same for all; over these, one "
        f"fit's LDS has an error of {found.held_out_error:.3f}. Nothing fitted: "
        f"{_references(found)}. A network learns from leaving out each source and each statement "
        f"alone, too: {found.alone:.1f} passes more for an example.",
        *("estimator", "ablations each", *map(str, sizes)),
    )
    for curve in found.curves:
        for ablations in _ablations(curve):
            cells = [curve.cell(size, ablations) for size in sizes]
            table.add_row(curve.estimator, str(ablations), *map(_lds, cells))
    return table


def _references(found: CurvesResults) -> str:
    return ", ".join(f"{name} {lds:.3f}" for name, lds in found.references.items())


def _lds(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    return f"{cell.lds:.3f} ± {cell.dependent.standard_error or 0.0:.3f}"


def _enough(found: CurvesResults) -> Table:
    table = result_table(
        "What is enough",
        f"The cheapest that comes within {SLACK} of the best, or within its standard error if that "
        "is larger. Cost: ablations in all. Twice the examples: LDS with twice the examples and "
        "half the ablations of each, at the same cost, less that without.",
        *("estimator", "best", "cost", "LDS", "enough", "cost", "LDS", "twice the examples"),
        "pairs",
    )
    for curve in found.curves:
        cells = [text for cell in (curve.best, curve.enough) for text in _said(cell)]
        gain = curve.doubled
        error = gain.standard_error or 0.0
        said = "–" if gain.mean is None else f"{gain.mean:+.3f} ± {error:.3f}"
        table.add_row(curve.estimator, *cells, said, str(curve.pairs))
    return table


def _said(cell: Cell) -> tuple[str, str, str]:
    return f"{cell.examples} × {cell.ablations}", f"{cell.cost:,}", _lds(cell)


def _same_cost(found: CurvesResults) -> Table:
    shown = [curve for curve in found.curves if len(_ablations(curve)) > 1]
    columns = sorted({ablations for curve in shown for ablations in _ablations(curve)})
    table = result_table(
        "What the same cost buys",
        "LDS on dependent statements by ablations in all, and of each example; the fewer of each, "
        "the more examples.",
        *("estimator", "ablations in all", *(f"{ablations} each" for ablations in columns)),
    )
    for curve in shown:
        for cost in sorted({cell.cost for cell in curve.cells}):
            cells = [_at_cost(curve, cost, ablations) for ablations in columns]
            if sum(cell is not None for cell in cells) > 1:
                table.add_row(curve.estimator, f"{cost:,}", *map(_lds, cells))
    return table


def _at_cost(curve: Curve, cost: int, ablations: int) -> Cell | None:
    """Return the cell of so many ablations in all, and of each example."""
    examples, rest = divmod(cost, ablations)
    return None if rest else curve.cell(examples, ablations)
