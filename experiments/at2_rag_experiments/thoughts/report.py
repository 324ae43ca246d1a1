"""Tables and figure of thought attribution (figures 4b, 23 and 24)."""

from __future__ import annotations

from typing import Any

from at2_rag.evaluation.report import comparison_table, draw_bars
from rich.table import Table

from at2_rag_experiments.plots import COLOURS, finish
from at2_rag_experiments.tables import mean, result_table
from at2_rag_experiments.thoughts.results import KS, LEFT_OUT, Known, ThoughtResults


def tables(found: ThoughtResults) -> tuple[Table, ...]:
    """Return a table for each unit, what the responses rely on, and what is known of worlds."""
    every = []
    for unit in found.units:
        table = comparison_table(unit.comparison)
        table.title = (
            f"Sources are {unit.unit}s, {unit.sources:.0f} in the mean, "
            f"{unit.thoughts:.0f} of them thoughts"
        )
        every.append(table)
    every += [_first(found), _reliance(found)]
    return tuple(every) if found.known is None else (*every, _known(found.known))


def draw(found: ThoughtResults, figure: Any) -> None:
    """Draw drops and scores of all methods by unit, and what the responses rely on."""
    drops, scores, reliance = figure.subplots(1, 3, width_ratios=(1.4, 1.4, 1))
    names = list(found.units[0].comparison.methods)
    summaries = {
        unit.unit: {summary.method: summary for summary in unit.comparison.summaries}
        for unit in found.units
    }
    shown = [name for name in names if all(name in group for group in summaries.values())]
    draw_bars(
        drops,
        shown,
        {f"{u}s": [group[n].drops[KS[-1]] for n in shown] for u, group in summaries.items()},
    )
    drops.set_xlabel(f"top-{KS[-1]} drop (nats)")
    draw_bars(
        scores,
        shown,
        {f"{u}s": [group[n].lds_dependent for n in shown] for u, group in summaries.items()},
    )
    scores.set_xlabel("LDS, dependent statements")
    scores.set_yticklabels([])
    reliance.bar(
        LEFT_OUT,
        [found.reliance[name].mean or 0.0 for name in LEFT_OUT],
        yerr=[found.reliance[name].standard_error or 0.0 for name in LEFT_OUT],
        color=COLOURS[0],
        capsize=2,
        label="fall of the response's log-probability",
    )
    finish(reliance, "left out of the context", "nats")


def _first(found: ThoughtResults) -> Table:
    table = result_table(
        "How often a thought is scored highest",
        "Over dependent statements of the response.",
        *("method", *(f"{unit.unit}s" for unit in found.units)),
    )
    for method in dict.fromkeys(m for unit in found.units for m in unit.comparison.methods):
        cells = [
            str(unit.thought_first[method]) if method in unit.thought_first else "–"
            for unit in found.units
        ]
        table.add_row(method, *cells)
    return table


def _reliance(found: ThoughtResults) -> Table:
    told = ", ".join(f"{count} {reason}" for reason, count in found.left_out.items()) or "none"
    table = result_table(
        "How much less likely the response is",
        f"In nats, means over {found.reliance['both'].count} responses. Left out: {told}.",
        *("without", "fall"),
    )
    for name in LEFT_OUT:
        table.add_row(name, str(found.reliance[name]))
    return table


def _known(known: Known) -> Table:
    table = result_table(
        "What is known of worlds",
        "The response repeats the last hop, so that thought should come first; and the hops go "
        "back to the supporting sentences, so these should be cited through them. Over responses "
        "and thoughts that are right.",
        *("", "share"),
    )
    table.add_row("responses right (of all)", str(known.right))
    table.add_row("thoughts right, word for word (of all)", str(known.thoughts_right))
    table.add_row("the last hop is cited", str(known.last_hop_cited))
    table.add_row("supporting sentences that are cited", str(known.supporting_cited))
    table.add_row("cited sentences that support", str(known.cited_supporting))
    for method, estimate in known.last_hop_first.items():
        table.add_row(f"the last hop is scored highest by {method}", mean(estimate, 2))
    return table
