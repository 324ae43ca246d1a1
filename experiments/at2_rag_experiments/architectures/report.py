"""Tables and figure of the comparison of two architectures."""

from __future__ import annotations

from typing import Any

from at2_rag.evaluation import Estimate
from rich.table import Table

from at2_rag_experiments.architectures.results import OF_THE_OTHER, SIDES, CrossResults, SideResults
from at2_rag_experiments.plots import COLOURS, finish, line
from at2_rag_experiments.tables import result_table


def tables(found: CrossResults) -> tuple[Table, ...]:
    """Return the methods on both readers, how alike these rank them, and what changed readers."""
    shown = _faithfulness(found), _drops(found), _agreements(found)
    return (*shown, _transfers(found)) if found.transfers else shown


def draw(found: CrossResults, figure: Any) -> None:
    """Draw a line for each method from one reader to the other, and what changed readers."""
    widths = (1, 1, 1.25) if found.transfers else (1, 1)
    lds, drops, *transfers = figure.subplots(1, len(widths), width_ratios=widths)
    largest = max(found.ks)
    sides = [found.sides[side] for side in SIDES]
    for index, method in enumerate(found.methods):
        summaries = [side.summary(method) for side in sides]
        colour = COLOURS[index % len(COLOURS)]
        line(lds, (0, 1), [s.lds_dependent for s in summaries], method, colour)
        line(drops, (0, 1), [s.drops[largest] for s in summaries], method, colour)
    for axes, name in ((lds, "LDS, dependent statements"), (drops, f"top-{largest} drop (nats)")):
        finish(axes, "", name)
        axes.set_xticks((0, 1), _names(found))
        axes.set_xlim(-0.25, 1.25)
    drops.get_legend().remove()
    lds.get_legend().remove()
    figure.legend(
        *lds.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        frameon=False,
        fontsize="small",
    )
    for axes in transfers:
        _draw_transfers(found, axes)


def _draw_transfers(found: CrossResults, axes: Any) -> None:
    """Draw the LDS of a reader's own estimators and of the other's, beside each other."""
    rows = [(t.side, t.method) for t in found.transfers]
    names = dict(zip(SIDES, _names(found), strict=True))
    for shift, ending, filled, label in (
        (-0.12, "", "full", "fitted to this reader"),
        (0.12, OF_THE_OTHER, "none", "fitted to the other"),
    ):
        places = [(i, found.sides[s].summary(m + ending)) for i, (s, m) in enumerate(rows)]
        axes.errorbar(
            [summary.lds_dependent.mean or 0.0 for _, summary in places],
            [place + shift for place, _ in places],
            xerr=[summary.lds_dependent.standard_error or 0.0 for _, summary in places],
            fmt="o",
            fillstyle=filled,
            color=COLOURS[0] if filled == "full" else COLOURS[1],
            label=label,
            capsize=2,
        )
    axes.set_yticks(range(len(rows)), [f"{method}\non {names[side]}" for side, method in rows])
    axes.tick_params(axis="y", labelsize="small")
    axes.invert_yaxis()
    finish(axes, "LDS, dependent statements", "")


def _names(found: CrossResults) -> list[str]:
    """Return what the readers are called; told apart where they are of the same kind."""
    models = [found.sides[side].model for side in SIDES]
    if len(set(models)) == len(models):
        return models
    return [f"{model} ({side})" for side, model in zip(SIDES, models, strict=True)]


def _faithfulness(found: CrossResults) -> Table:
    table = result_table(
        "Faithfulness on two readers",
        f"{_conditions(found)} LDS: linear datamodeling score, over dependent and over all "
        "statements. Stating: the source scored highest is the one that states the statement, "
        "over dependent statements that are right.",
        *("method", *(f"{metric}\n{name}" for metric in _COLUMNS for name in _names(found))),
    )
    for method in _every(found):
        table.add_row(method, *(_cell(found, side, method, c) for c in _COLUMNS for side in SIDES))
    return table


_COLUMNS = ("LDS dep.", "LDS", "stating")


def _cell(found: CrossResults, side: str, method: str, column: str) -> str:
    results = found.sides[side]
    if method not in results.stated:
        return "–"
    summary = results.summary(method)
    shown = {
        "LDS dep.": summary.lds_dependent,
        "LDS": summary.lds,
        "stating": results.stated[method],
    }
    return str(shown[column])


def _every(found: CrossResults) -> list[str]:
    others = [transfer.method + OF_THE_OTHER for transfer in found.transfers]
    return [*found.methods, *dict.fromkeys(others)]


def _drops(found: CrossResults) -> Table:
    headers = [f"top-{k}\n{name}" for k in found.ks for name in _names(found)]
    table = result_table(
        "Drop of the log-probability on two readers, in nats",
        "When the k sources that a method scores highest are left out; mean ± standard error over "
        "all statements.",
        *("method", *headers),
    )
    for method in _every(found):
        summaries = [found.sides[side].summary(method) for side in SIDES]
        table.add_row(method, *(str(s.drops[k]) for k in found.ks for s in summaries))
    return table


def _agreements(found: CrossResults) -> Table:
    table = result_table(
        "Whether both readers rank the methods alike",
        f"Spearman's correlation of the ranks of {len(found.methods)} methods, those of the other "
        "reader left out, ± standard error of a bootstrap over examples. Clear: the difference is "
        f"of more than 2 standard errors on both readers.{_reversed(found)}",
        *("ranked by", "Spearman", "same order", "clear on both", "of these reversed"),
    )
    for a in found.agreements:
        same = f"{a.same} of {a.pairs} pairs"
        table.add_row(a.metric, str(a.spearman), same, str(a.clear), str(len(a.reversed)))
    return table


def _reversed(found: CrossResults) -> str:
    """Return, in words, which clear differences are the other way round on the second reader."""
    first, second = _names(found)
    told = [
        f" {a.metric}: {better} before {worse} on {first}, behind it on {second}."
        for a in found.agreements
        for better, worse in a.reversed
    ]
    return "".join(told)


def _transfers(found: CrossResults) -> Table:
    largest = max(found.ks)
    names = dict(zip(SIDES, _names(found), strict=True))
    table = result_table(
        "Estimators used on the other reader",
        f"LDS over dependent statements. Lost: share of the top-{largest} drop of the reader's own "
        "estimator that is lost with the other's.",
        *("estimator", "used on", "own LDS", "LDS of\nthe other's", "difference"),
        *("the other's less\naverage attention", f"top-{largest} drop\nlost"),
    )
    for t in found.transfers:
        side = found.sides[t.side]
        own, other = side.summary(t.method), side.summary(t.method + OF_THE_OTHER)
        scores = own.lds_dependent, other.lds_dependent, t.lds, t.beyond_average, t.loss
        table.add_row(t.method, names[t.side], *map(str, scores))
    return table


def _conditions(found: CrossResults) -> str:
    return " ".join(
        _condition(found.sides[side], name) for side, name in zip(SIDES, _names(found), strict=True)
    )


def _condition(side: SideResults, name: str) -> str:
    right = "" if side.right == Estimate.of([], []) else f", {side.right} of final answers right"
    left_out = f", {side.left_out} left out" if side.left_out else ""
    return (
        f"{name}: {side.examples} examples{left_out}{right}, {side.targets} statements, "
        f"{side.dependent} of them dependent on a source."
    )
