"""Tables and figure of the experiment on stability."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

from rich.table import Table

from at2_rag_experiments.plots import COLOURS, finish
from at2_rag_experiments.stability.results import TOP, Spread, Stability, StabilityResults
from at2_rag_experiments.tables import result_table

_MARKS = "osD^"
_NAMES = {
    "seed": "seed of the fit",
    "examples": "half of the examples",
    "ablations": "half of the ablations",
    "disjoint": "disjoint halves",
}
#: Heads that the figure has room for; of more, those at both ends are shown.
_SHOWN = 40


def tables(found: StabilityResults) -> tuple[Table, ...]:
    """Return how alike fits are, and how good."""
    return _alike(found), _quality(found)


def draw(found: StabilityResults, figure: Any) -> None:
    """Draw coefficients with their spread, and quality against likeness for each estimator."""
    names = list(dict.fromkeys(one.estimator for one in found.stabilities))
    by_head, *by_fit = figure.subplots(1, 1 + len(names), width_ratios=[2.6, *[1.0] * len(names)])
    learned = [one for one in found.stabilities if one.tables is not None]
    if learned:
        _heads(by_head, found, [one for one in learned if one.estimator == learned[0].estimator])
    for axes, name in zip(by_fit, names, strict=True):
        _fits(axes, [one for one in found.stabilities if one.estimator == name])


def _heads(axes: Any, found: StabilityResults, stabilities: Sequence[Stability]) -> None:
    """Draw each head's mean and standard deviation, in the order of the last kind's means."""
    learned = {one.kind: one.tables for one in stabilities if one.tables is not None}
    *_, last = learned.values()
    order = sorted(range(len(last.means)), key=lambda head: last.means[head])
    if len(order) > _SHOWN:
        order = order[: _SHOWN // 2] + order[-_SHOWN // 2 :]
    for index, (kind, table) in enumerate(learned.items()):
        shift = 0.16 * (index - (len(learned) - 1) / 2)
        axes.errorbar(
            [place + shift for place in range(len(order))],
            [table.means[head] for head in order],
            yerr=[table.deviations[head] for head in order],
            label=_NAMES[kind],
            color=COLOURS[index],
            marker=_MARKS[index],
            markersize=2.5,
            linestyle="none",
            elinewidth=0.9,
        )
    axes.axhline(0.0, color="black", linewidth=0.6)
    labels = [_head(found, head) for head in order]
    axes.set_xticks(range(len(order)), labels, rotation=90, fontsize=6)
    title = f"{stabilities[0].estimator}: coefficients, mean ± standard deviation"
    finish(axes, "layer.head", "coefficient", title)


def _head(found: StabilityResults, place: int) -> str:
    """Return which head a coefficient is of; those of copying lie behind the others."""
    layer, head = divmod(place % (found.layers * found.heads), found.heads)
    return f"{layer}.{head}" + ("c" if place >= found.layers * found.heads else "")


def _fits(axes: Any, stabilities: Sequence[Stability]) -> None:
    for index, one in enumerate(stabilities):
        axes.plot(
            one.likeness,
            one.quality,
            color=COLOURS[index],
            marker=_MARKS[index],
            markersize=4,
            linestyle="none",
            label=_NAMES[one.kind],
        )
    # With a margin, so that fits that differ by nothing do not look as if they did.
    values = [value for one in stabilities for value in one.quality]
    axes.set_ylim(min(values) - 0.02, max(values) + 0.02)
    of = "coefficients" if stabilities[0].tables is not None else "scores"
    finish(axes, f"r of {of} with\nthe other fits' mean", "", stabilities[0].estimator)
    axes.set_ylabel("LDS, dependent", fontsize="small")
    axes.get_legend().remove()


def _alike(found: StabilityResults) -> Table:
    of = "each source" if found.by_source else "sums over random ablations"
    table = result_table(
        "How alike fits are",
        "r: mean correlation of two fits' coefficients, and that of the two least alike. sd: mean "
        "standard deviation of a coefficient over fits, as a share of the mean size of one. Sign: "
        "share of coefficients with one sign in all fits, and the same counted by size. "
        f"Top {TOP}: share of the largest {TOP} that two fits have in common. Scores: correlation "
        f"of what two fits give to {of} of a held-out statement. First: both score the "
        f"same source highest. {found.dependent} dependent statements of {found.held_out} "
        "held-out examples; ± is a standard error over these.",
        *("estimator", "by", "fits", "of", "r", "least", "sd", "sign", "by size", f"top {TOP}"),
        *("scores", "first"),
    )
    for one in found.stabilities:
        cells = one.estimator, one.kind, str(one.fits), str(one.examples)
        table.add_row(*cells, *_table_cells(one), str(one.scores), str(one.first))
    return table


def _table_cells(one: Stability) -> tuple[str, ...]:
    found = one.tables
    if found is None:
        return ("–",) * 6
    size = sum(map(abs, found.means)) / len(found.means)
    noise = sum(found.deviations) / len(found.deviations)
    values = found.correlation.mean, found.correlation.least, noise / size
    return tuple(f"{v:.2f}" for v in (*values, found.signs, found.signs_by_size, found.top))


def _quality(found: StabilityResults) -> Table:
    table = result_table(
        "How good they are",
        f"LDS on {found.dependent} dependent statements and on all {found.statements}: mean and "
        "standard deviation over fits. Error: of one fit's LDS, over held-out examples, which are "
        "the same for all. Odd: correlation over fits of LDS with how much a fit is like the mean "
        "of the others (above 0: odd ones are worse), within which chance alone lies two times "
        "out of three.",
        *("estimator", "by", "LDS, dependent", "least", "most", "error", "LDS, all", "odd"),
        "chance",
    )
    for name, lds in found.references.items():
        table.add_row(name, "", f"{lds:.3f}", *[""] * 6)
    for one in found.stabilities:
        spread = one.dependent
        cells = f"{spread.least:.3f}", f"{spread.most:.3f}", f"{spread.error:.3f}", _mean(one.all)
        odd = _odd(one.likeness_and_quality, one.fits - 1)
        table.add_row(one.estimator, one.kind, _mean(spread), *cells, *odd)
    for name, value in found.likeness_and_quality.items():
        kinds = [one for one in found.stabilities if one.estimator == name]
        odd = _odd(value, sum(one.fits - 1 for one in kinds))
        table.add_row(name, "all", *[""] * 5, *odd)
    return table


def _mean(spread: Spread) -> str:
    return f"{spread.mean:.3f}, {spread.deviation:.3f}"


def _odd(value: float, freedom: int) -> tuple[str, str]:
    return f"{value:+.2f}", f"±{1 / sqrt(max(freedom, 1)):.2f}"
