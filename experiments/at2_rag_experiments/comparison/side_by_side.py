"""Attributions of several methods beside one another, to be looked at (figures 3 and 7 to 18)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby

from at2_rag.answer.answer import Answer
from jinja2 import Environment, StrictUndefined
from torch import Tensor

from at2_rag_experiments.base import Record

#: Shares of the highest score below which the paper shows nothing either (appendix B.2).
LEAST_SHOWN = 0.2

_TEMPLATE = "side_by_side.html.jinja"
_DIGITS = 6


@dataclass(frozen=True)
class Piece:
    """A piece of a passage's text.

    Attributes:
        text: The characters of the piece.
        score: Share of the highest score, from 0 to 1; ``None`` for what is no source.
        highest: Whether no source has a higher score.
    """

    text: str
    score: float | None
    highest: bool = False


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


def page(shown: Sequence[tuple[str, str, Record, Record]], methods: Sequence[str]) -> str:
    """Return a page of HTML that needs no other file, readable on light and dark screens.

    Args:
        shown: For each example its id, the unit of its sources, its :func:`shown_record`, and what
            was measured of it, as :func:`at2_rag_experiments.comparison.results.timed` returns it.
        methods: Names of methods; those that scored an example get a column, in this order.
    """
    source = files("at2_rag_experiments.comparison").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    examples = [_example(*given, methods) for given in shown]
    return environment.from_string(source).render(examples=examples, least=LEAST_SHOWN)


def _example(name: str, unit: str, record: Record, found: Record, methods: Sequence[str]) -> Record:
    """Return what the template shows of one example."""
    spreads = [target["spread"] for target in found["targets"]]
    target = spreads.index(max(spreads))
    start, end = record["statements"][target]
    answer = record["answer"]
    figures = {m["method"]: m for m in found["measurements"] if m["target"] == target}
    shares = {m: _shares(record["scores"][m][target]) for m in methods if m in record["scores"]}
    passages = _passages_to_show(record["sources"], list(shares.values()))
    return {
        "id": name,
        "unit": unit,
        "question": record["question"],
        "before": answer[:start],
        "statement": answer[start:end],
        "after": answer[end:],
        "left_out": len(record["passages"]) - len(passages),
        "methods": [
            {
                "name": method,
                # Not of rounded -0.0.
                "lds": round(figures[method]["lds"], 2) + 0.0,
                "drop": round(figures[method]["drops"][-1], 1) + 0.0,
                "passages": [_passage(record, index, own) for index in passages],
            }
            for method, own in shares.items()
        ],
    }


def _shares(scores: Sequence[float]) -> list[float]:
    """Return scores as shares of the highest; 0 where they are not positive."""
    highest = max(scores)
    return [score / highest if score > 0 else 0.0 for score in scores]


def _passages_to_show(
    sources: Sequence[Sequence[int]], shares: Sequence[Sequence[float]]
) -> list[int]:
    return sorted(
        {
            source[0]
            for index, source in enumerate(sources)
            if any(own[index] >= LEAST_SHOWN for own in shares)
        }
    )


def _passage(record: Record, index: int, shares: Sequence[float]) -> Record:
    title, text = record["passages"][index]
    sources = {
        number: (source[1], source[2])
        for number, source in enumerate(record["sources"])
        if source[0] == index
    }
    return {"title": title, "pieces": pieces(text, sources, shares)}


def pieces(
    text: str, sources: Mapping[int, tuple[int, int]], shares: Sequence[float]
) -> list[Piece]:
    """Cut a passage where its sources begin and end; the pieces together are the passage.

    Tokens may share a character, which is then shown with the higher score.

    Args:
        text: The passage's text.
        sources: Characters [start, end) of each source in the passage, by its number.
        shares: Shares of the highest score of all sources, by number.
    """
    owners: list[int | None] = [None] * len(text)
    for number, (start, end) in sorted(sources.items(), key=lambda item: shares[item[0]]):
        owners[start:end] = [number] * (end - start)
    found, done = [], 0
    for owner, group in groupby(owners):
        end = done + len(list(group))
        score = None if owner is None else shares[owner]
        found.append(Piece(text[done:end], score, score == 1.0))
        done = end
    return found
