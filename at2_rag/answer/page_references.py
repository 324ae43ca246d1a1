"""The references on an answer's page, and what leaving out their sources did."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from at2_rag.answer.likelihood import effect_in_words
from at2_rag.answer.page_text import place_id, shown_title
from at2_rag.answer.shown import Evidence, Shown, share
from at2_rag.answer.statement import Citation, Statement
from at2_rag.view.blocks import safe_address
from at2_rag.view.drawing import visible, written

#: Longer quotes are cut off; the passage has all of it.
_MOST_QUOTED = 300


def references(answer: Shown, method: int) -> str:
    """Return the numbered sources of an answer.

    Args:
        answer: The answer by one method.
        method: Which of the page's methods that is, from 0 on; the first one's are shown at first.
    """
    attributes = {"class": "references", "data-m": str(method)}
    attributes |= {} if method == 0 else {"hidden": ""}
    items = "".join(_reference(answer, citation) for citation in answer.citations)
    only_refuses = bool(answer.statements) and all(s.refusal for s in answer.statements)
    said = "No passage made the model say this."
    if only_refuses:
        said = "It claims nothing, so there is nothing to cite."
    shown = f"<ol>{items}</ol>" if items else f'<p class="quiet">{said}</p>'
    return f"<section{written(attributes)}><h3>References</h3>{shown}</section>"


def _reference(answer: Shown, citation: Citation) -> str:
    passage = answer.passages[citation.passage_index]
    title = shown_title(passage, citation.passage_index)
    quote = " ".join(citation.text.split())
    quote = quote if len(quote) <= _MOST_QUOTED else f"{quote[:_MOST_QUOTED]}…"
    link = {"class": "ref", "href": f"#{place_id(citation.place)}", "data-n": str(citation.number)}
    told = (escape(visible(fact)) for fact in _facts(answer, citation))
    copies = (f"<bdi>{escape(visible(fact))}</bdi>" for fact in answer.elsewhere(citation))
    facts = " · ".join([*told, *copies, *_place(answer, citation)])
    return (
        f'<li value="{citation.number}" data-n="{citation.number}"><a{written(link)}>{title}</a> '
        f'<q dir="auto">{escape(visible(quote), quote=False)}</q> '
        f'<span class="quiet">{facts}</span></li>'
    )


def _facts(answer: Shown, citation: Citation) -> list[str]:
    """Return how much a source mattered; of an inherited one, through what."""
    effect = effect_in_words(citation)
    if citation.via_thought is not None:
        return ["through a thought", *effect]
    if citation.via is not None:
        return [f"through statement {citation.via + 1}", *effect]
    return [
        f"share {share(answer.attribution, citation):.0%}",
        f"score {citation.score:.3g}",
        *effect,
    ]


def _place(answer: Shown, citation: Citation) -> list[str]:
    """Return where the passage is from, linked where a browser can go there."""
    place = answer.place_of(citation)
    if place is None:
        return []
    shown = f"<bdi>{escape(visible(place))}</bdi>"
    address = safe_address(place)
    if address is None:
        return [shown]
    link = {"href": address, "rel": "noopener noreferrer", "target": "_blank"}
    return [f"<a{written(link)}>{shown}</a>"]


def proofs(statements: Sequence[Statement], evidence: Evidence) -> str:
    """Return what leaving out the cited sources of each statement did, in words.

    Args:
        statements: The answer's statements.
        evidence: What leaving out their sources did, in the same order.
    """
    items = ""
    for statement, found in zip(statements, evidence.statements, strict=True):
        lines = str(found).removeprefix(statement.text).strip().splitlines()
        told = "<br>".join(escape(visible(line.strip())) for line in lines)
        said = escape(visible(statement.text), quote=False)
        items += f'<li><span dir="auto">{said}</span><br><span class="quiet">{told}</span></li>'
    return f'<section class="proofs"><h3>Proof</h3><ol>{items}</ol></section>'
