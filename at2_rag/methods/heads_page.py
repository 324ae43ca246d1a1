"""The heads of a model on one answer as a page: which matter, and where any of them looked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import torch
from torch import Tensor

from at2_rag.answer.answer import Answer
from at2_rag.answer.method_names import method_name
from at2_rag.errors import InputError
from at2_rag.view.columns import Column, Sources, columns_html
from at2_rag.view.drawing import Drawing, visible
from at2_rag.view.numbers import PackedTable
from at2_rag.view.page import page

_SCRIPT = "heads.js"
_AVERAGE = method_name("uniform")
_TOP = 10


def heads_page(
    answer: Answer,
    weights: Tensor,
    attention: Tensor,
    contributions: Tensor,
    beside: Mapping[str, Answer] | None = None,
) -> str:
    """Return a page of an answer's heads.

    Args:
        answer: The answer that the heads looked at passages for.
        weights: (layers, heads): what the estimator counts each head for.
        attention: (layers, heads, statements, sources): where each head looked.
        contributions: (layers, heads, statements): what each adds to the best source's score.
        beside: The same answer by other methods, by name; ``None`` for none.

    Raises:
        InputError: If one beside is of another text or has other sources, or there is no statement.
    """
    if not answer.statements:
        raise InputError("The answer has no statements; expected one that says something.")
    tables = _tables(answer, attention, beside or {})
    sources = _sources(answer)
    columns = [Column.of(name, table[0].tolist()) for name, table in tables.items()]
    (layer, head) = _best(contributions)
    columns.append(Column.of("one head", attention[layer, head, 0].tolist()))
    parts = [
        f'<header><h1 dir="auto">{escape(visible(answer.question))}</h1>'
        f'<p class="quiet">{weights.shape[0]} layers of {weights.shape[1]} heads · the darker, the '
        "more attention, as a share of a column's highest</p></header><main>",
        _said(answer),
        _map(weights, contributions),
        '<section aria-labelledby="beside"><h2 id="beside">Side by side</h2>'
        f"{_columns(sources, columns, answer)}</section></main>",
    ]
    data = _data(answer, weights, attention, contributions, tables)
    return page(f"Heads: {answer.question}", "\n".join(parts), script=_SCRIPT, data=data)


def _tables(answer: Answer, attention: Tensor, beside: Mapping[str, Answer]) -> dict[str, Tensor]:
    """Return (statements, sources) of each method, by its name."""
    found = {
        method_name(answer.estimator): _by_statement(answer),
        _AVERAGE: attention.mean(dim=(0, 1)),
    }
    for name, other in beside.items():
        if other.text != answer.text or other.attribution.sources != answer.attribution.sources:
            raise InputError(
                f"The answer {name!r} has another text or other sources; expected the same answer "
                "by another method."
            )
        found[name] = _by_statement(other)
    return found


def _by_statement(answer: Answer) -> Tensor:
    spans = [answer.attribution.for_span(s.start, s.end) for s in answer.statements]
    return torch.stack(spans)


def _sources(answer: Answer) -> Sources:
    return Sources(
        [(passage.title, passage.text) for passage in answer.passages],
        [(s.passage_index, (s.start, s.end)) for s in answer.attribution.sources],
    )


def _best(contributions: Tensor) -> tuple[int, int]:
    flat = contributions.mean(dim=-1).flatten()
    layer, head = divmod(int(flat.argmax()), contributions.shape[1])
    return layer, head


def _columns(sources: Sources, columns: Sequence[Column], answer: Answer) -> str:
    shown = sorted({source.passage_index for source in answer.attribution.sources})
    worth = sources.worth_showing(columns)
    return columns_html(sources, columns, shown, [index for index in shown if index not in worth])


def _said(answer: Answer) -> str:
    """Return the answer, each statement of which can be chosen."""
    drawing = Drawing(
        groups=[(s.start, s.end) for s in answer.statements],
        group_attributes={
            number: {
                "id": f"a-{number}",
                "tabindex": "0",
                "role": "button",
                "aria-pressed": "true" if number == 0 else "false",
            }
            for number in range(len(answer.statements))
        },
        markdown=False,
    )
    return (
        '<section class="chosen" aria-labelledby="said"><h2 id="said">Answer</h2>'
        f'<div class="text" data-text="answer" dir="auto">{drawing.draw(answer.text)}</div>'
        '<p class="hint quiet">Choose a statement, and a head on the map below.</p></section>'
    )


def _map(weights: Tensor, contributions: Tensor) -> str:
    """Return the map of all heads, a column for each layer, and the list of those that matter."""
    values = contributions[..., 0]
    most = float(values.abs().max()) or 1.0
    chosen = _best(contributions)
    layers, heads = weights.shape
    top = "".join(f'<th scope="col">{layer}</th>' for layer in range(layers))
    rows = "".join(
        f'<tr><th scope="row">{head}</th>'
        + "".join(
            _cell(layer, head, float(values[layer, head]) / most, chosen=(layer, head) == chosen)
            for layer in range(layers)
        )
        + "</tr>"
        for head in range(heads)
    )
    choices = "".join(
        f'<label><input type="radio" name="map" value="{value}"{" checked" if not value else ""}>'
        f"<span>{name}</span></label>"
        for value, name in enumerate(("to this statement", "to the estimator"))
    )
    return (
        '<section class="heads" aria-labelledby="map"><h2 id="map">Heads</h2>'
        f'<fieldset class="switch"><legend>What each matters</legend>{choices}</fieldset>'
        '<div class="pair"><div class="wide"><table class="map"><caption class="quiet">A column '
        "for each layer, a row for each head: orange adds, blue takes away</caption>"
        f"<thead><tr><td></td>{top}</tr></thead><tbody>{rows}</tbody></table></div>"
        f'<div class="top"><h3>The {min(_TOP, layers * heads)} that matter most</h3>'
        '<ol id="top"></ol></div></div>'
        '<p id="head" class="quiet" aria-live="polite"></p></section>'
    )


def _cell(layer: int, head: int, value: float, *, chosen: bool) -> str:
    sign = "minus" if value < 0 else "plus"
    name = f"Layer {layer}, head {head}"
    return (
        f'<td><button type="button" class="cell {sign}" data-l="{layer}" data-h="{head}" '
        f'style="--s:{abs(value):.3f}" aria-label="{name}" aria-pressed="{str(chosen).lower()}" '
        f'tabindex="{0 if chosen else -1}"></button></td>'
    )


def _data(
    answer: Answer,
    weights: Tensor,
    attention: Tensor,
    contributions: Tensor,
    tables: Mapping[str, Tensor],
) -> dict[str, Any]:
    return {
        "owners": [source.passage_index for source in answer.attribution.sources],
        "weights": PackedTable.of(weights).to_dict(),
        "attention": PackedTable.of(attention).to_dict(),
        "contributions": PackedTable.of(contributions).to_dict(),
        "methods": [
            {"name": name, "table": PackedTable.of(table).to_dict()}
            for name, table in tables.items()
        ],
        "head": list(_best(contributions)),
    }
