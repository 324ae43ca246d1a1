"""Tables and figure of faithfulness on real questions."""

from __future__ import annotations

from typing import Any

from at2_rag.evaluation.report import draw_bars
from at2_rag.methods import KnockoutGradientMethod
from rich.table import Table

from at2_rag_experiments.faithfulness.results import (
    FaithfulnessResults,
    MethodFound,
    SupportFound,
)
from at2_rag_experiments.faithfulness.scored import OWN
from at2_rag_experiments.tables import result_table


def tables(found: FaithfulnessResults) -> tuple[Table, ...]:
    """Return scores and citations by method, and the reader's verdicts."""
    every = [_scores(found), _citations(found)]
    return (*every, _support(found.support)) if found.support else tuple(every)


def draw(found: FaithfulnessResults, figure: Any) -> None:
    """Draw correlations, how often the first source is right, and citations, by method."""
    names = [_name(found, one) for one in found.methods]
    scores, firsts, cited = figure.subplots(1, 3, sharey=True)
    draw_bars(
        scores,
        names,
        {
            "dependent statements": [m.lds_dependent for m in found.methods],
            "dependent on a single source": [m.lds_single for m in found.methods],
        },
    )
    scores.set_xlabel("linear datamodeling score")
    draw_bars(
        firsts,
        names,
        {
            "does most when left out": [m.first_is_largest for m in found.methods],
            "marked as evidence": [m.first_in_gold for m in found.methods],
        },
    )
    firsts.set_xlabel("share of first sources")
    draw_bars(
        cited,
        names,
        {
            "precision": [m.precision for m in found.methods],
            "recall": [m.recall for m in found.methods],
        },
    )
    cited.set_xlabel("citations against leaving out each source")


def _name(found: FaithfulnessResults, one: MethodFound) -> str:
    """Return what a method is called in a report: the reader's own by its kind."""
    return one.name.replace(OWN, found.estimator, 1) if one.name.startswith(OWN) else one.name


def _scores(found: FaithfulnessResults) -> Table:
    table = result_table(
        "Scores",
        f"{found.questions} questions, {found.left_out} more without a statement or too long; "
        f"{found.statements} statements, {found.dependent} of them depend on a source (random "
        f"ablations move them over ln 2 nats or more), {found.single} on a single one (without it, "
        f"they are half as likely or less); {found.sources:.0f} sources and "
        f"{found.tokens:.0f} tokens in the mean. Drops, and whether the first source is the one "
        "that does most alone, over dependent statements. Gold: marked in the data. Time: median, "
        "in passes over prompt and answer.",
        *("method", "LDS", "dependent", "on a single", "top-1 drop", "top-3 drop"),
        *(
            "first: largest effect",
            "share of it",
            "first: in gold",
            "first: prompt's first",
            "time",
        ),
    )
    for one in found.methods:
        table.add_row(
            _name(found, one),
            *map(str, (one.lds, one.lds_dependent, one.lds_single, one.top_1, one.top_3)),
            *map(
                str,
                (
                    one.first_is_largest,
                    one.share_of_largest,
                    one.first_in_gold,
                    one.first_of_prompt,
                ),
            ),
            "–" if one.seconds is None else f"{one.seconds:.2f}",
        )
    return table


def _citations(found: FaithfulnessResults) -> Table:
    table = result_table(
        "Citations",
        "A citation is right if the statement becomes half as likely or less without its source "
        "alone. The reader's own estimator cites as it does; the others what has half of the best "
        "score or more, three sources at most, but for knockout-gradient, which cites from "
        f"{KnockoutGradientMethod.CITED:g} nats on; proved: what stands the test of the five best.",
        *("method", "citations", "precision", "recall", "in gold"),
    )
    for one in found.methods:
        table.add_row(
            _name(found, one),
            str(one.citations),
            *map(str, (one.precision, one.recall, one.cited_in_gold)),
        )
    return table


def _support(found: SupportFound) -> Table:
    table = result_table(
        "Supported",
        "Really: the statement becomes half as likely or less without any source.",
        *("statements", "share"),
    )
    table.add_row("really supported", str(found.really))
    table.add_row("called supported", str(found.called))
    table.add_row("called rightly", str(found.right))
    table.add_row("cited, though no source matters", str(found.false_citations))
    return table
