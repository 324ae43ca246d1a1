"""The figures of a report, each with its name, as text for tables."""

from __future__ import annotations

from collections.abc import Callable

from at2_rag.audit.tally import Tally


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _whole(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


#: What is told of any rows: what it is called, and its text.
FIGURES: tuple[tuple[str, Callable[[Tally], str]], ...] = (
    ("rows", lambda tally: _whole(tally.rows)),
    ("statements", lambda tally: _whole(tally.statements)),
    ("statements supported", lambda tally: _percent(tally.supported_share)),
    ("answers with an unsupported one", lambda tally: _percent(tally.unsupported_answers)),
    ("answers with an ungrounded word", lambda tally: _percent(tally.ungrounded_answers)),
    ("answers that only decline", lambda tally: _whole(tally.refused)),
    ("citations an answer", lambda tally: _number(tally.citations_per_answer)),
    ("passages never used", lambda tally: _percent(tally.never_used)),
    ("passages enough for 95% of answers", lambda tally: _whole(tally.passages_for(0.95))),
    ("tokens that pruning would save", lambda tally: _percent(tally.saved)),
)
