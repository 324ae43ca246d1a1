"""What is there in a line, as a notebook shows it: texts shortened, and things counted."""

from __future__ import annotations

from collections.abc import Sequence

from at2_rag.answer.statement import Statement

#: How many characters are left of a long text.
_MOST = 60


def quoted(text: str) -> str:
    """Return a text on one line, in quotation marks, its end left out where it is long."""
    line = " ".join(text.split())
    return repr(line if len(line) <= _MOST else f"{line[: _MOST - 2].rstrip()} …")


def counted(number: int, noun: str) -> str:
    """Return such as "1 statement" or "2 statements"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def statements_in_short(statements: Sequence[Statement]) -> str:
    """Return how many statements there are, how many are supported, and what they cite.

    Of those that nobody can tell of, as without a calibration, and of refusals, it is not said.
    """
    told = [each for each in statements if each.supported is not None]
    refusals = sum(each.refusal for each in statements)
    cited = {citation.number for each in statements for citation in each.citations}
    facts = [counted(len(statements), "statement")]
    facts += [f"{sum(bool(each.supported) for each in told)} supported"] if told else []
    facts += [counted(refusals, "refusal")] if refusals else []
    return ", ".join([*facts, counted(len(cited), "citation")])
