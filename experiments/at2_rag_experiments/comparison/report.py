"""Tables and figure of the comparison of methods (figures 4, 6 and 19 to 22)."""

from __future__ import annotations

from typing import Any

import torch
from at2_rag.evaluation.report import draw_bars
from at2_rag.evaluation.results import Estimate
from at2_rag.training.heatmap import draw_coefficients
from rich.table import Table

from at2_rag_experiments.comparison.results import ComparisonResults, UnitResults
from at2_rag_experiments.comparison.training import papers_own
from at2_rag_experiments.methods import PROBED, SHIPPED
from at2_rag_experiments.plots import COLOURS
from at2_rag_experiments.tables import mean, result_table

#: Of the figure, in inches.
SIZE = (15.0, 11.0)

_NOTHING = Estimate(None, None, 0)
#: Shortest time that the figure's scale shows, in forward passes; what is measured to be less is
#: drawn there.
_LEAST_PASSES = 0.005
#: Methods in the figure of time, by the beginning of their names, with a colour each.
_FAMILIES = {
    name: COLOURS[index]
    for index, name in enumerate(
        ("at2", "average-attention", "copying", "network", "gradient", "esm", "leave-one-out")
    )
} | {"knockout": "#882255", SHIPPED: COLOURS[-1], PROBED: COLOURS[-1]}


def tables(found: ComparisonResults) -> tuple[Table, ...]:
    """Return a table for each unit of sources, and those of differences, time and learning."""
    return (*map(_methods, found.units), _leads(found), _costs(found), _learned(found))


def draw(found: ComparisonResults, figure: Any) -> None:
    """Draw drops and scores of all methods, time against score, and the coefficients."""
    above, below = figure.subfigures(2, 1, height_ratios=(1.35, 1))
    _draw_methods(found, above)
    maps = papers_own(found.learned)
    places = below.subplots(1, 2 + len(maps), width_ratios=(2.1, 1.3, *[1] * len(maps)))
    _draw_time(found, places[0])
    _draw_costs(found, places[1])
    _draw_maps(found, maps, below, places[2:])


def _methods(results: UnitResults) -> Table:
    found = results.comparison
    errors = [s.drops[k].standard_error or 0.0 for s in found.summaries for k in found.ks[:-1]]
    table = result_table(
        f"Sources are {results.unit}s",
        f"Means ± standard errors over {len(found.targets)} statements of {found.examples} "
        f"examples, {found.dependent} of which depend on their {results.sources:.0f} sources; "
        f"{found.num_ablations} random ablations each. Top-k drops in nats; standard errors of "
        f"those without are at most {max(errors):.2f}. First: share of the dependent statements "
        f"with the same first source as {found.largest_surrogate or '–'}. Time: median, in forward "
        "passes, with the pass that reads the answer, which comes along while answering.",
        *("method", *(f"top-{k}" for k in found.ks), "LDS", "LDS, dependent", "first", "time"),
    )
    for summary in found.summaries:
        *fewer, most = summary.drops.values()
        reference = found.largest_surrogate
        first = found.agreement(summary.method, reference) if reference else _NOTHING
        table.add_row(
            summary.method,
            *(mean(drop, 2) for drop in fewer),
            *map(str, (most, summary.lds, summary.lds_dependent)),
            mean(first, 2),
            f"{summary.time_ratio:.2f}",
        )
    return table


def _leads(found: ComparisonResults) -> Table:
    units = [results.unit for results in found.units]
    table = result_table(
        "How far one method is ahead of another, statement by statement",
        "Mean ± standard error. LDS of statements that depend on their sources; top-5 drop of all, "
        "in nats.",
        *("method", "other"),
        *(f"{what}, {unit}s" for unit in units for what in ("LDS", "drop")),
    )
    table.columns[1].justify = "left"
    by_pair: dict[tuple[str, str], dict[str, tuple[Estimate, Estimate]]] = {}
    for results in found.units:
        for lead in results.leads:
            pair = by_pair.setdefault((lead.method, lead.other), {})
            pair[results.unit] = lead.lds, lead.drop
    for (method, other), by_unit in by_pair.items():
        cells = [str(e) for unit in units for e in by_unit.get(unit, (_NOTHING, _NOTHING))]
        table.add_row(method, other, *cells)
    return table


def _costs(found: ComparisonResults) -> Table:
    table = result_table(
        "Time, in forward passes over prompt and answer",
        "Medians over examples, all statements of an answer at a time but for the backward pass. "
        "Attention is there when an answer is written, so what is scored by it is given beyond the "
        "pass.",
        "step",
        *(f"sources are {results.unit}s" for results in found.units),
    )
    by_unit = [results.costs for results in found.units]
    for step in dict.fromkeys(step for costs in by_unit for step in costs):
        table.add_row(step, *(f"{costs[step]:.2f}" if step in costs else "–" for costs in by_unit))
    return table


def _learned(found: ComparisonResults) -> Table:
    agree = ", ".join(f"{kind} {value:.2f}" for kind, value in found.agreement.items())
    table = result_table(
        "What was learned",
        "LDS on held-out examples of its own training data, dependent statements, with the sources "
        "it was learned on; means over examples. Pearson correlation of the coefficients learned "
        f"in general with those learned from the task: {agree or '–'}. Half in: the fewest layers "
        "that hold half of the sizes of all coefficients, of so many (figure 6).",
        *("estimator", "examples", "held out", "LDS", "average attention's LDS", "half in"),
    )
    for name, learned in found.learned.items():
        metrics = learned["metrics"]
        counts = [str(metrics[f"{part}_examples"]) for part in ("training", "held_out")]
        qualities = [metrics["fitted_dependent"], metrics["average_dependent"]]
        table.add_row(name, *counts, *map(_quality, qualities), _half_in(found, name))
    return table


def _half_in(found: ComparisonResults, name: str) -> str:
    if name not in found.half_in:
        return "–"
    return f"{found.half_in[name]} of {len(found.learned[name]['coefficients'])}"


def _quality(quality: dict[str, float | None]) -> str:
    return str(Estimate(quality["lds"], quality["lds_error"], 0))


def _draw_methods(found: ComparisonResults, figure: Any) -> None:
    """Draw bars of the top-5 drop and the score of each method, for each unit."""
    names = list(dict.fromkeys(n for results in found.units for n in results.comparison.methods))
    columns = 2 * len(found.units)
    panels = figure.subplots(1, columns, sharey=True)
    for results, drops, lds in zip(found.units, panels[::2], panels[1::2], strict=True):
        comparison = results.comparison
        summaries = {summary.method: summary for summary in comparison.summaries}
        k = comparison.ks[-1]
        by_name = [summaries.get(name) for name in names]
        draw_bars(drops, names, {f"top-{k}": [s.drops[k] if s else _NOTHING for s in by_name]})
        drops.get_legend().remove()
        drops.set_xlabel(f"top-{k} drop (nats)")
        both = {
            "all statements": [s.lds if s else _NOTHING for s in by_name],
            "dependent on a source": [s.lds_dependent if s else _NOTHING for s in by_name],
        }
        draw_bars(lds, names, both)
        lds.set_xlabel("linear datamodeling score")
        if results is not found.units[0]:
            lds.get_legend().remove()  # it is the same
        for axes in (drops, lds):
            axes.set_title(f"sources are {results.unit}s", fontsize="medium")


def _draw_time(found: ComparisonResults, axes: Any) -> None:
    for results, marker in zip(found.units, "osD^", strict=False):
        for summary in results.comparison.summaries:
            colour = _colour(summary.method)
            if colour is not None:
                seconds, score = results.beyond[summary.method], summary.lds_dependent
                axes.errorbar(
                    max(seconds, _LEAST_PASSES),
                    score.mean or 0.0,
                    yerr=score.standard_error or 0.0,
                    marker=marker,
                    color=colour,
                    elinewidth=1,
                )
        axes.plot(
            [], [], "k", linestyle="none", marker=marker, fillstyle="none", label=results.unit
        )
    there = {s.method for results in found.units for s in results.comparison.summaries}
    for name, colour in _FAMILIES.items():
        if any(method.startswith(name) for method in there):
            axes.plot([], [], color=colour, linewidth=4, label=name)
    axes.set_xscale("log")
    axes.set_ylim(top=1.3)  # the legend is above what there can be
    axes.set_xlabel("time beyond writing the answer (forward passes)")
    axes.set_ylabel("LDS, dependent statements")
    axes.set_title("time and faithfulness", fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="x-small", ncols=3, loc="upper left")


def _colour(method: str) -> str | None:
    """Return the colour of a method in the figure of time; ``None`` where it is not in it."""
    return next((colour for name, colour in _FAMILIES.items() if method.startswith(name)), None)


def _draw_costs(found: ComparisonResults, axes: Any) -> None:
    steps = list(dict.fromkeys(step for results in found.units for step in results.costs))
    by_unit = {f"{results.unit}s": _passes(results, steps) for results in found.units}
    draw_bars(axes, steps, by_unit)
    axes.set_xscale("log")
    axes.set_xlim(left=_LEAST_PASSES)
    axes.set_xlabel("forward passes")
    axes.set_title("what it takes", fontsize="medium")


def _passes(results: UnitResults, steps: list[str]) -> list[Estimate]:
    return [Estimate(results.costs.get(step), None, results.comparison.examples) for step in steps]


def _draw_maps(found: ComparisonResults, names: list[str], figure: Any, places: Any) -> None:
    weights = [torch.tensor(found.learned[name]["coefficients"]) for name in names]
    largest = max((float(table.abs().max()) for table in weights), default=0.0)
    for name, table, axes in zip(names, weights, places, strict=True):
        image = draw_coefficients(axes, table, largest)
        axes.set_title(name, fontsize="medium")
        if name == names[-1]:
            figure.colorbar(image, ax=list(places), label="coefficient")
