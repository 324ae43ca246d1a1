"""What all routes share: the reader, its name, and the desk where requests wait for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from transformers import StoppingCriteria

from at2_rag.ablation.verification import Verification
from at2_rag.answer.answer import Answer
from at2_rag.answer.pruning import Pruned
from at2_rag.answering.background import Line, in_async_background
from at2_rag.answering.streaming import Event
from at2_rag.reader import Reader
from at2_rag.server.asked import Asked
from at2_rag.server.limits import Limits
from at2_rag.server.metrics import Metrics
from at2_rag.server.problems import Problem
from at2_rag.server.wire import ProveRequest, PruneRequest
from at2_rag.server.work import Desk, Work

T = TypeVar("T")


@dataclass(frozen=True)
class Service:
    """A reader that many ask.

    Attributes:
        reader: Answers and cites.
        name: What the reader's model is called.
        desk: Where requests wait until the reader is free.
    """

    reader: Reader
    name: str
    desk: Desk

    @classmethod
    def of(cls, reader: Reader, limits: Limits, name: str | None = None) -> Service:
        """Return a service that nobody has asked yet.

        Args:
            reader: Answers and cites.
            limits: How much is taken on.
            name: What the model is called; ``None`` for the last part of its own name, which may be
                a path that is nobody's business.
        """
        own = reader.model.name_or_path.rstrip("/").rpartition("/")[2] or "model"
        return cls(reader, name or own, Desk(limits, Metrics()))

    @property
    def limits(self) -> Limits:
        """How much is taken on."""
        return self.desk.limits

    @property
    def metrics(self) -> Metrics:
        """What has happened so far."""
        return self.desk.metrics

    def check_name(self, name: str | None) -> None:
        """Raise a ``Problem`` unless a request names the one model that there is, or none."""
        if name not in (None, "", self.name):
            raise Problem(
                404,
                f"There is no model {name!r}; expected {self.name!r}, the only one here.",
                "model_not_found",
                "model",
            )

    def answering(self, asked: Asked) -> Work[Event]:
        """Have a question answered: what the reader's stream yields, as it comes.

        Args:
            asked: The question with its passages.

        Raises:
            Problem: If too many wait already.
        """

        async def events() -> AsyncGenerator[Event]:
            if asked.seed is not None:
                torch.manual_seed(asked.seed)  # nobody else samples meanwhile
            stream = self.reader.astream(
                asked.question,
                asked.passages,
                history=asked.history,
                prune_to=asked.prune_to,
                **self._bounded(asked),
            )
            async with aclosing(stream) as coming:
                async for event in coming:
                    if isinstance(event, Answer):
                        event = self._noted(event)
                    yield event

        return self.desk.begin(events)

    def citing(self, asked: Asked, text: str, thoughts: str | None = None) -> Work[Answer]:
        """Have an answer from anywhere cited.

        Args:
            asked: What it is an answer to.
            text: The text of the answer.
            thoughts: What was thought before it; ``None`` if nothing.

        Raises:
            Problem: If too many wait already.
        """
        return self._one(lambda line: self._noted(self._cited(asked, text, thoughts)))

    def proving(self, asked: Asked, request: ProveRequest) -> Work[Verification]:
        """Have the citations of an answer put to the proof.

        Args:
            asked: What it is an answer to.
            request: The answer, and what is to be proven of it.

        Raises:
            Problem: If too many wait already.
        """

        def prove(line: Line[Verification]) -> Verification:
            answer = self._cited(asked, request.answer, request.thoughts)
            line.check()
            return self.reader.verify(_only(answer, request.statement), by=request.by)

        return self._one(prove)

    def pruning(self, asked: Asked, request: PruneRequest) -> Work[Pruned]:
        """Have passages dropped that an answer does not use.

        Args:
            asked: The question that is answered.
            request: How much is to be kept.

        Raises:
            Problem: If too many wait already.
        """

        def prune(line: Line[Pruned]) -> Pruned:
            pruned = self.reader.prune(
                asked.question,
                asked.passages,
                top_k=request.top_k,
                min_share=request.min_share,
                unit=request.unit,
                history=asked.history,
                stopping_criteria=[_NobodyListens(line)],
                **self._bounded(asked),
            )
            draft = pruned.draft
            return replace(pruned, draft=None if draft is None else self._noted(draft))

        return self._one(prune)

    def ranking(self, asked: Asked) -> Work[list[tuple[int, float]]]:
        """Have passages put in order, the best first; those that the model does not see left out.

        Args:
            asked: The question that they are to answer.

        Raises:
            Problem: If too many wait already.
        """

        def rank(line: Line[list[tuple[int, float]]]) -> list[tuple[int, float]]:
            listening = [_NobodyListens(line)]
            options = self._bounded(asked)
            return self.reader.rank(
                asked.question, asked.passages, stopping_criteria=listening, **options
            )

        return self._one(rank)

    def to_dict(self, answer: Answer, *, attribution: bool) -> dict[str, Any]:
        """Return an answer as plain JSON types, with the model's name as clients know it.

        Args:
            answer: The answer that is told.
            attribution: Whether the scores of every source for every token are wanted.
        """
        told = {**answer.to_dict(), "model": self.name}
        if not attribution:
            told["attribution"] = None
        if answer.draft is not None:
            told["draft"] = self.to_dict(answer.draft, attribution=attribution)
        if answer.thoughts is not None and not attribution:
            told["thoughts"] = {**told["thoughts"], "attribution": None}
        return told

    def _one(self, work: Callable[[Line[T]], T]) -> Work[T]:
        return self.desk.begin(lambda: in_async_background(lambda line: line.put(work(line))))

    def _cited(self, asked: Asked, text: str, thoughts: str | None) -> Answer:
        return self.reader.attribute(
            asked.question,
            asked.passages,
            text,
            thoughts=thoughts,
            history=asked.history,
            **asked.options,
        )

    def _bounded(self, asked: Asked) -> dict[str, Any]:
        """Return the options with a longest answer that the server is ready for."""
        longest = asked.options.get("max_new_tokens", self.reader.settings.max_new_tokens)
        return {**asked.options, "max_new_tokens": min(longest, self.limits.new_tokens)}

    def _noted(self, answer: Answer) -> Answer:
        self.metrics.count("prompt_tokens", answer.prompt_tokens)
        self.metrics.count("answer_tokens", answer.answer_tokens)
        return answer


class _NobodyListens(StoppingCriteria):  # type: ignore[misc]
    """Ends a generation whose result nobody waits for any more."""

    def __init__(self, line: Line[Any]) -> None:
        self._line = line

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        self._line.check()
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


def _only(answer: Answer, statement: int | None) -> Answer:
    """Return the answer with the citations of one statement alone, or of all."""
    if statement is None:
        return answer
    if statement >= len(answer.statements):
        count = len(answer.statements)
        told = f"statement is {statement}; expected below {count}, as many as the answer has."
        raise Problem(400, told, "invalid_value", "statement")
    kept = (
        each if index == statement else replace(each, citations=())
        for index, each in enumerate(answer.statements)
    )
    return replace(answer, statements=tuple(kept))
