"""Going through a log: some rows at a time, each cited or set apart, in the order that they came.

A row that cannot be used keeps nothing of the others back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import torch

from at2_rag.answer.answer import Answer
from at2_rag.answer.pruning import check_count
from at2_rag.answering.answerer import Answerer
from at2_rag.answering.engine import Shown
from at2_rag.answering.given import GivenText
from at2_rag.answering.logged import LoggedRow
from at2_rag.errors import At2Error, InputError
from at2_rag.prompt.request import Request

T = TypeVar("T")

#: What keeps one row from being cited, and says nothing of the others.
_ONE_ROW = (At2Error, torch.OutOfMemoryError)


@dataclass(frozen=True)
class AuditedRow:
    """A row of a log, and what became of it.

    Attributes:
        row: The row as it came.
        answer: The answer with its citations; ``None`` if the row could not be used.
        error: Why the row could not be used; ``None`` if it could.
    """

    row: Mapping[str, Any]
    answer: Answer | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class Audit:
    """How rows of a log are gone through.

    Attributes:
        answerer: The model that reads or answers, and what answers are cited with.
        options: Settings, and options of ``model.generate`` where questions are answered, by name.
        answers: Whether questions are answered anew; else the rows' own answers are cited.
        prune_to: How many passages to answer from again; ``None`` to answer once.
    """

    answerer: Answerer
    options: Mapping[str, Any]
    answers: bool = False
    prune_to: int | None = None

    def check(self) -> None:
        """Refuse options that no row could be gone through with.

        Raises:
            InputError: If an option is unknown, or cannot be used.
        """
        self.answerer.requests.check(self.options, generating=self.answers)
        if self.answers and self.prune_to is not None:
            check_count("prune_to", self.prune_to)

    def rows(self, rows: Iterable[Mapping[str, Any]], at_a_time: int) -> Iterator[AuditedRow]:
        """Yield each row with what became of it, in their order.

        Args:
            rows: The rows, gone through once, and no further than needed.
            at_a_time: Among how many rows those of like length are looked for.
        """
        rows = iter(rows)
        while some := list(islice(rows, at_a_time)):
            yield from self._some(some)

    def _some(self, rows: Sequence[Mapping[str, Any]]) -> list[AuditedRow]:
        asked = [_or_error(self._request, row) for row in rows]
        usable = [i for i, each in enumerate(asked) if not isinstance(each, Exception)]
        done = dict(zip(usable, _each(self._run, [asked[i] for i in usable]), strict=True))
        return [_audited(row, done.get(i, asked[i])) for i, row in enumerate(rows)]

    def _request(self, row: Mapping[str, Any]) -> tuple[Request, GivenText | None]:
        logged = LoggedRow.of(row, answered=not self.answers)
        request = self.answerer.requests.make(
            logged.question, logged.passages, logged.history, self.options
        )
        if self.answers:
            return request, None
        if logged.answer is None:
            raise InputError("there is no answer to cite; expected 'answer' or 'response'.")
        return request, GivenText(logged.answer, logged.thoughts)

    def _run(self, asked: Sequence[tuple[Request, GivenText | None]]) -> list[Answer]:
        if len(asked) < 2:
            return [self._one(request, told) for request, told in asked]
        if self.answers:
            requests = [request for request, _ in asked]
            return self.answerer.complete_batch(requests, self.prune_to)
        return self.answerer.cite_batch([(request, told) for request, told in asked if told])

    def _one(self, request: Request, told: GivenText | None) -> Answer:
        """Do the same for one row, whose error then tells of no place among others."""
        if told is None:
            return self.answerer.complete(request, self.prune_to)
        shown = Shown.whole(request)
        return self.answerer.finish(self.answerer.given_reading(shown, told.answer, told.thoughts))


def _or_error(run: Callable[[Any], T], value: Any) -> T | Exception:
    try:
        return run(value)
    except At2Error as error:
        return error


def _each(
    run: Callable[[Sequence[Any]], Sequence[T]], values: Sequence[Any]
) -> list[T | Exception]:
    """Return a result or an error for each value; what fails together is tried in halves."""
    try:
        return list(run(values))
    except _ONE_ROW as error:
        if len(values) == 1:
            return [error]
        half = len(values) // 2
        return [*_each(run, values[:half]), *_each(run, values[half:])]


def _audited(row: Mapping[str, Any], found: object) -> AuditedRow:
    if isinstance(found, Answer):
        return AuditedRow(row, found)
    assert isinstance(found, Exception)
    return AuditedRow(row, error=found)
