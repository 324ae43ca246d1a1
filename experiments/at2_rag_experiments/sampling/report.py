"""Tables and figure of the sampling experiment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from at2_rag.evaluation.results import Estimate
from rich.table import Table

from at2_rag_experiments.plots import COLOURS, finish, line
from at2_rag_experiments.sampling.results import DRAWS, Faithfulness, SamplingResults
from at2_rag_experiments.tables import result_table


def tables(found: SamplingResults) -> tuple[Table, ...]:
    """Return LDS and drops by temperature and kind of draws, and on likelier tokens."""
    ks = list(next(iter(found.parts[0].methods.values())).drops)
    return (
        _by_part(found, "Linear datamodeling score", lambda of: str(of.lds_dependent)),
        *(
            _by_part(found, f"Top-{k} drop, in nats", lambda of, k=k: str(of.drops_dependent[k]))  # type: ignore[misc]
            for k in ks
        ),
        _instead(found),
    )


def draw(found: SamplingResults, figure: Any) -> None:
    """Draw LDS by temperature and by kind of draws, and which source is scored highest."""
    by_temperature, by_draws, instead = figure.subplots(1, 3)
    whole = [part for part in found.parts if part.draws is None and part.temperature is not None]
    kinds = [part for draws in DRAWS if (part := found.part(None, draws))]
    for colour, method in zip(COLOURS, _methods(found), strict=False):
        label = {"label": method, "colour": colour}
        places = [part.temperature or 0.0 for part in whole]
        line(by_temperature, places, [p.methods[method].lds_dependent for p in whole], **label)
        estimates = [part.methods[method].lds_dependent for part in kinds]
        line(by_draws, range(len(kinds)), estimates, **label)
    by_draws.set_xticks(range(len(kinds)), [str(part.draws) for part in kinds])
    finish(by_temperature, "temperature; 0 is greedy", "LDS, statements that depend on a source")
    finish(by_draws, "least likely token of a drawn statement", "")
    groups = {"its own": found.instead.right, "the likelier token's": found.instead.likelier}
    _bars(instead, groups)
    finish(instead, "source that is scored highest for an unlikely token", "share of tokens")


def _bars(axes: Any, groups: dict[str, dict[str, Estimate]]) -> None:
    width = 0.8 / len(groups)
    for index, (label, shares) in enumerate(groups.items()):
        axes.bar(
            [place + (index - (len(groups) - 1) / 2) * width for place in range(len(shares))],
            [share.mean or 0.0 for share in shares.values()],
            width,
            yerr=[share.standard_error or 0.0 for share in shares.values()],
            error_kw={"elinewidth": 0.9},
            label=label,
            color=COLOURS[index],
        )
    names = list(next(iter(groups.values())))
    axes.set_xticks(range(len(names)), [name.replace("-", "\n") for name in names])


def _methods(found: SamplingResults) -> list[str]:
    return list(found.parts[0].methods)


def _by_part(found: SamplingResults, title: str, cell: Callable[[Faithfulness], str]) -> Table:
    """Return a row for each temperature and kind of draws, and a column for each method."""
    table = result_table(
        title,
        f"{found.examples} examples, {found.too_long} more too long for the model. Statements that "
        "depend on a source, mean ± standard error; T: temperature. Most likely: each of their "
        "tokens is the likeliest; less likely: some is up to ten times less likely than that; "
        "unlikely: even less.",
        *("answers", "dependent", *_methods(found)),
    )
    for part in found.parts:
        where = {None: "all drawn", 0.0: "greedy"}.get(part.temperature)
        where = where or f"T = {part.temperature:g}"
        name = where if part.draws is None else f"{where}, {part.draws}"
        cells = [cell(of) for of in part.methods.values()]
        table.add_row(name, f"{part.dependent} of {part.statements}", *cells)
    return table


def _instead(found: SamplingResults) -> Table:
    of = found.instead
    table = result_table(
        "Tokens drawn though another was likelier, which depends on another source",
        f"{of.tokens} tokens, {of.own} of which depend on a source of their own. Leaving out the "
        f"likelier token's source moves the log-probability of the one drawn by {of.effect} nats "
        "down. Shares of tokens for which a method scores that source highest.",
        *("method", "likelier token's", "its own", "had the likelier been said"),
    )
    for method in of.likelier:
        shares = of.likelier[method], of.right[method], of.control[method]
        table.add_row(method, *map(str, shares))
    return table
