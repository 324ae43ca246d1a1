"""An answer as a page: what was said on one side, what it goes back to on the other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import torch

from at2_rag.answer.attribution import Attribution
from at2_rag.answer.method_names import method_name
from at2_rag.answer.page_passages import passages_side, places_of
from at2_rag.answer.page_references import proofs, references
from at2_rag.answer.page_text import answer_text, draft_text, thoughts_text
from at2_rag.answer.remarks import shares_in_words
from at2_rag.answer.shown import Evidence, Shown
from at2_rag.answer.statement import Statement
from at2_rag.errors import InputError
from at2_rag.view.drawing import visible, written
from at2_rag.view.numbers import PackedTable
from at2_rag.view.page import page

_SCRIPT = "whole_page.js"


@dataclass(frozen=True)
class AnswerView:
    """An answer as HTML, for a page of its own or with other things beside it.

    Attributes:
        question: What was asked.
        facts: What is told of the answer in a line, such as the model's name.
        switch: What chooses between methods, as HTML; empty where there is one.
        html: Both sides, as HTML.
        data: What the script reads, in plain JSON types.
    """

    question: str
    facts: tuple[str, ...]
    switch: str
    html: str
    data: dict[str, Any]

    def around(self) -> tuple[str, str]:
        """Return what is before both sides, and what is behind them, on a page of their own."""
        facts = " · ".join(f"<bdi>{escape(fact)}</bdi>" for fact in self.facts)
        begin = (
            '<a class="skip" href="#passages">Skip to the passages</a>\n'
            f'<header><h1 dir="auto">{escape(visible(self.question))}</h1>'
            f'<p class="quiet">{facts}</p>{self.switch}</header>\n'
            '<main class="sides">'
        )
        body = f"{begin}\n{self.html}\n</main>"
        whole = page(self.question, body, script=_SCRIPT, data=self.data)
        before, _, behind = whole.partition(self.html)
        return before, behind

    def page(self) -> str:
        """Return a page that has nothing else, and needs nothing else."""
        before, behind = self.around()
        return f"{before}{self.html}{behind}"


def answer_view(
    answer: Shown,
    beside: Mapping[str, Shown],
    evidence: Evidence | None = None,
    *,
    markdown: bool = True,
) -> AnswerView:
    """Return how an answer is shown.

    Args:
        answer: The answer that is shown.
        beside: The same answer by other methods, by the name that each is shown by.
        evidence: What leaving out cited sources did; ``None`` where nobody tried.
        markdown: Whether texts are shown as Markdown.

    Raises:
        InputError: If another method's answer is of another text, or has other sources.
    """
    methods = {method_name(answer.estimator): answer, **_checked(answer, beside)}
    said = _answer_side(methods, evidence, markdown=markdown)
    given = passages_side(list(methods.values()), markdown=markdown)
    return AnswerView(
        answer.question,
        tuple(_facts(answer, list(methods))),
        _switch(list(methods)),
        f"{said}\n{given}",
        _data(methods, evidence),
    )


def _checked(answer: Shown, beside: Mapping[str, Shown]) -> Mapping[str, Shown]:
    for name, other in beside.items():
        same = other.text == answer.text and len(other.statements) == len(answer.statements)
        if not same or other.attribution.sources != answer.attribution.sources:
            raise InputError(
                f"The answer {name!r} has another text or other sources; expected the same answer "
                "by another method: reader.with_options(method=...).attribute(question, passages, "
                "answer.text)."
            )
    return beside


def _facts(answer: Shown, names: Sequence[str]) -> list[str]:
    told = [_short_name(answer.model), f"{answer.prompt_tokens:,} tokens read"]
    if answer.truncated:
        told.append("cut off at the longest length")
    if len(names) == 1:
        told.insert(1, f"cited by {names[0]}")
    return [visible(fact) for fact in told if fact]


def _short_name(model: str) -> str:
    """Return a hub id as it is, and of a path the last part alone."""
    is_path = model.startswith(("/", ".", "~")) or "\\" in model
    return re.split(r"[/\\]", model.rstrip("/\\"))[-1] if is_path else model


def _switch(names: Sequence[str]) -> str:
    """Return what chooses between methods; nothing where there is one."""
    if len(names) == 1:
        return ""
    choices = "".join(
        f'<label><input type="radio" name="method" value="{number}"'
        f"{' checked' if number == 0 else ''}><span>{escape(visible(name))}</span></label>"
        for number, name in enumerate(names)
    )
    return f'<fieldset class="switch"><legend>Scored by</legend>{choices}</fieldset>'


def _legend(statements: Sequence[Statement]) -> str:
    keys = {"cited": "cited", "unsupported": "not supported"}
    if any(statement.ungrounded for statement in statements):
        keys["ungrounded"] = "from no passage"
    told = " ".join(f'<span class="key {kind}">{name}</span>' for kind, name in keys.items())
    return (
        '<p class="legend quiet" aria-hidden="true"><span class="scale"></span> '
        f"the stronger, the more it mattered {told}</p>"
    )


_HINT = (
    '<p class="hint quiet">Point at a statement, a number or a passage to see what goes with it; '
    "click, or press Enter, to pin it and go there, Esc to let go. Select any words to see what "
    "just these go back to.</p>"
)


def _answer_side(methods: Mapping[str, Shown], evidence: Evidence | None, *, markdown: bool) -> str:
    answers = list(methods.values())
    first = answers[0]
    parts = [
        '<section class="side said" aria-labelledby="said"><h2 id="said">Answer</h2>',
        thoughts_text(first, markdown=markdown),
        answer_text(answers, markdown=markdown),
        _legend(first.statements),
        _HINT,
        *(_remark(answer, number) for number, answer in enumerate(answers)),
        '<section id="told" class="told" aria-label="Sources of what is chosen" '
        'aria-live="polite"></section>',
        *(references(answer, number) for number, answer in enumerate(answers)),
        "" if evidence is None else proofs(first.statements, evidence),
        draft_text(first, markdown=markdown),
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _remark(answer: Shown, method: int) -> str:
    """Return what to say of the shares of an answer that no passage supports, or of a guess."""
    remark = shares_in_words(answer.statements)
    attributes = {"class": "remark", "data-m": str(method)} | (
        {} if method == 0 else {"hidden": ""}
    )
    return f"<p{written(attributes)}>{remark}</p>" if remark else ""


def _data(methods: Mapping[str, Shown], evidence: Evidence | None) -> dict[str, Any]:
    """Return what the script reads."""
    first = next(iter(methods.values()))
    return {
        "owners": [source.passage_index for source in first.attribution.sources],
        "titles": [passage.title or "" for passage in first.passages],
        "kinds": [passage.kind for passage in first.passages],
        "methods": [
            {"name": name, "answer": _scored(answer.statements, answer.attribution)}
            | (
                {}
                if answer.thoughts is None
                else {"thoughts": _scored(answer.thoughts.statements, answer.thoughts.attribution)}
            )
            for name, answer in methods.items()
        ],
        "proofs": [] if evidence is None else [str(one) for one in evidence.statements],
    }


def _scored(statements: Sequence[Statement], attribution: Attribution) -> dict[str, Any]:
    """Return scores by token, and what each statement cites, by the index of the source."""
    index = {source.place: number for number, source in enumerate(attribution.sources)}
    return {
        # Token by token, so that those of a statement lie beside each other.
        "table": PackedTable.of(torch.as_tensor(attribution.scores).T).to_dict(),
        "statements": [
            {
                "tokens": _range(attribution.tokens_touching(statement.start, statement.end)),
                "cited": {
                    str(index[place]): citation.number
                    for citation in statement.citations
                    for place in places_of(citation)
                    if place in index
                },
                "supported": statement.supported,
                "refusal": statement.refusal,
            }
            for statement in statements
        ],
    }


def _range(tokens: Sequence[int]) -> list[int]:
    return [tokens[0], tokens[-1] + 1] if tokens else [0, 0]
