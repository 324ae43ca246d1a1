"""Tables and figure of the interactions experiment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from at2_rag.evaluation.results import Estimate
from rich.table import Table

from at2_rag_experiments.interactions.results import (
    InteractionResults,
    LogicCase,
    MethodQuality,
    NaturalCases,
)
from at2_rag_experiments.methods import AT2, PROBED
from at2_rag_experiments.tables import mean, result_table

#: Methods in the order of the figure; others are left out there.
_DRAWN = (
    "random",
    "average-attention",
    "gradient",
    "at2-linear",
    "at2-network",
    AT2,
    PROBED,
    "esm-32",
    "esm-256",
    "leave-one-out",
    "shapley",
    "best-linear",
    "best-pairs",
)


def tables(found: InteractionResults) -> tuple[Table, ...]:
    """Return what the reader does, what methods predict, and what they rank first."""
    return (
        _reader(found),
        _methods(found, "Linear datamodeling score", lambda of: of.lds),
        _methods(found, "Sources that matter ranked first (share)", lambda of: of.found),
        _methods(found, "Switches asked about ranked first (share)", lambda of: of.asked),
        *(
            _methods(found, f"Top-{k} drop, in nats", lambda of, k=k: of.drops[k])  # type: ignore[misc]
            for k in next(iter(found.logic[0].methods.values())).drops
        ),
        *(_natural(cases) for cases in found.natural),
    )


def draw(found: InteractionResults, figure: Any) -> None:
    """Draw what methods predict and what they rank first, case by case, as shades."""
    cases: list[tuple[str, dict[str, MethodQuality]]] = [
        (case.name, case.methods) for case in found.measured
    ]
    cases += [(_TITLES[c.kind], c.methods) for c in found.natural]
    names = [name for name in _DRAWN if any(name in methods for _, methods in cases)]
    predicted, ranked = figure.subplots(1, 2, sharey=True)
    _shades(predicted, cases, names, lambda of: of.lds)
    predicted.set_title("predicted effects: LDS", fontsize="medium")
    _shades(ranked, cases, names, lambda of: of.found)
    ranked.set_title("ranking: share with all that matter first", fontsize="medium")


_TITLES = {"or": "told twice", "and": "two hops"}


def _shades(
    axes: Any,
    cases: Sequence[tuple[str, dict[str, MethodQuality]]],
    names: Sequence[str],
    value: Callable[[MethodQuality], Estimate],
) -> None:
    """Draw a field for each case and method, with its mean written in it."""
    rows = [[value(m[n]).mean if n in m else None for n in names] for _, m in cases]
    numbers = [[float("nan") if cell is None else cell for cell in row] for row in rows]
    axes.imshow(numbers, vmin=0.0, vmax=1.0, cmap="Blues", aspect="auto")
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            if cell is not None:
                colour = "white" if cell > 0.6 else "black"
                axes.text(x, y, f"{cell:.2f}", ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize="small")
    axes.set_yticks(range(len(cases)), [name for name, _ in cases], fontsize="small")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _reader(found: InteractionResults) -> Table:
    table = result_table(
        "The reader of worlds of switches, and surrogates of it",
        "Right: answers with all sentences told. Follows: answers as logic says, over all "
        "ablations. Spread: of the answer's log-probability over them, in nats. R² on the half of "
        "the ablations that surrogates were not fitted to, where some source matters.",
        *("rule", "worlds", "matter", "right", "follows", "spread", "R², linear", "R², with pairs"),
    )
    for case in found.logic:
        means = mean(case.right, 2), mean(case.follows), mean(case.spread, 1)
        fits = str(case.linear), str(case.pairs)
        table.add_row(case.name, str(case.worlds), str(case.matter), *means, *fits)
    return table


def _methods(
    found: InteractionResults, title: str, value: Callable[[MethodQuality], Estimate]
) -> Table:
    """Return a row for each method and a column for each case in which some source matters."""
    cases: tuple[LogicCase, ...] = found.measured
    errors = [
        value(method).standard_error or 0.0 for case in cases for method in case.methods.values()
    ]
    table = result_table(
        title,
        f"Means over {cases[0].worlds} worlds a column; standard errors are at most "
        f"{max(errors):.2f}. A column is a rule, and which of the switches asked about are on.",
        "method",
        *(case.name for case in cases),
    )
    for name in cases[0].methods:
        table.add_row(name, *(mean(value(case.methods[name]), 2) for case in cases))
    return table


def _natural(cases: NaturalCases) -> Table:
    if cases.kind == "or":
        title, target = "The answer stands in two sentences", "first statement"
    else:
        title, target = "The answer takes two sentences", "whole answer"
    table = result_table(
        title,
        f"{cases.questions} questions, {cases.right} answered right. The {target} is measured. It "
        f"falls by {cases.alone} nats without the one sentence that is missed more, by "
        f"{cases.together} without both; in {cases.hidden} of the questions neither is missed "
        f"alone and both are together. Cited: {cases.cited} of the two; leaving out a citation "
        f"alone makes a statement half as likely in {cases.proved_alone} of the questions, all of "
        f"a statement at once in {cases.proved_together}.",
        *("method", "LDS", "both first", "one first", "top-1 drop", "top-2 drop"),
    )
    for name, of in cases.methods.items():
        drops = [str(drop) for drop in of.drops.values()]
        table.add_row(name, str(of.lds), str(of.found), str(of.first), *drops)
    return table
