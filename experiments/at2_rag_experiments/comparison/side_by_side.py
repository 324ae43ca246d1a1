"""Attributions of several methods beside one another, to be looked at (figures 3 and 7 to 18)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from at2_rag.answer.answer import Answer
from at2_rag.view.columns import LEAST_SHOWN, Column, Sources, columns_html
from at2_rag.view.drawing import visible
from at2_rag.view.page import page
from torch import Tensor

from at2_rag_experiments.base import Record

_DIGITS = 6


def shown_record(answer: Answer, scores: Mapping[str, Tensor]) -> Record:
    """Return what the page needs of an answer, in plain JSON types.

    Args:
        answer: The answer that was attributed.
        scores: Scores by method, (targets, sources) each.
    """
    return {
        "question": answer.question,
        "answer": answer.text,
        "statements": [[s.start, s.end] for s in answer.statements],
        "passages": [[passage.title, passage.text] for passage in answer.passages],
        "sources": [[s.passage_index, s.start, s.end] for s in answer.attribution.sources],
        "scores": {
            name: [[round(value, _DIGITS) for value in row] for row in table.tolist()]
            for name, table in scores.items()
        },
    }


def comparison_page(
    shown: Sequence[tuple[str, str, Record, Record]], methods: Sequence[str]
) -> str:
    """Return a page of HTML that needs no other file, readable on light and dark screens.

    Args:
        shown: For each example its id, the unit of its sources, its :func:`shown_record`, and what
            was measured of it, as :func:`at2_rag_experiments.comparison.results.timed` returns it.
        methods: Names of methods; those that scored an example get a column, in this order.
    """
    examples = "\n".join(_example(*given, methods) for given in shown)
    return page(_TITLE, f"<header><h1>{_TITLE}</h1>{_EXPLAINED}</header>\n{examples}")


_TITLE = "Attributions side by side"
_EXPLAINED = (
    '<p class="quiet">The darker a source, the more the method makes of it for the highlighted '
    "statement, as a share of its own highest score, which is underlined; scores of 0 and below "
    "are not tinted. Of an answer, the statement is shown whose log-probability random ablations "
    "move most. Passages in which no method shown scores anything above "
    f"{LEAST_SHOWN} of its highest are left out.</p>"
)


def _example(name: str, unit: str, record: Record, found: Record, methods: Sequence[str]) -> str:
    """Return one example as HTML."""
    spreads = [target["spread"] for target in found["targets"]]
    target = spreads.index(max(spreads))
    figures = {m["method"]: m for m in found["measurements"] if m["target"] == target}
    columns = [
        Column.of(method, record["scores"][method][target], _facts(figures[method]))
        for method in methods
        if method in record["scores"]
    ]
    sources = Sources(
        [(title, text) for title, text in record["passages"]],
        [(passage, (start, end)) for passage, start, end in record["sources"]],
    )
    worth = sources.worth_showing(columns)
    left_out = len(record["passages"]) - len(worth)
    more = f"; {left_out} passage(s) left out" if left_out else ""
    return (
        f'<section class="example"><h2 dir="auto">{_text(record["question"])}</h2>'
        f"{_statement(record['answer'], *record['statements'][target])}"
        f'<p class="quiet">{_text(name)}, sources: {_text(unit)}s{more}</p>'
        f"{columns_html(sources, columns, worth)}</section>"
    )


def _facts(figures: Record) -> str:
    # Not of rounded -0.0.
    lds, drop = round(figures["lds"], 2) + 0.0, round(figures["drops"][-1], 1) + 0.0
    return f"LDS {lds:.2f}, top-5 drop {drop:.1f} nats"


def _statement(answer: str, start: int, end: int) -> str:
    """Return an answer, in which the statement is highlighted that all is about."""
    before, said, after = map(_text, (answer[:start], answer[start:end], answer[end:]))
    shown = f"{before}<mark>{said}</mark>{after}"
    return f'<div class="text" dir="auto"><p class="plain">{shown}</p></div>'


def _text(text: str) -> str:
    return escape(visible(text), quote=False)
