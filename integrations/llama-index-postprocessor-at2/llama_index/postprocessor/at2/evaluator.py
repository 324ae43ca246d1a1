"""How much of a response its contexts support, as LlamaIndex's evaluators tell it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from llama_index.core.evaluation import BaseEvaluator, EvaluationResult
from llama_index.core.prompts.mixin import PromptDictType
from llama_index.postprocessor.at2.checks import check_reader
from llama_index.postprocessor.at2.held import HeldReader

from at2_rag import Answer, Reader


class AT2SupportEvaluator(BaseEvaluator):
    """Scores a response by the share of its statements that its contexts support.

    ``evaluate_response(query, response)`` takes the contexts from the response's source nodes. A
    response passes if its share is at least the threshold; where nothing is judged, as of refusals
    and by estimators without thresholds, the result is invalid and says so.

    Args:
        reader: The local model that reads the responses; as for ``AT2Synthesizer``.
        score_threshold: Least share with which a response passes.
        reader_options: Settings of the reader, by name, such as ``on_overflow``.

    Raises:
        TypeError: If ``reader`` is no reader.
        ValueError: If an option is unknown, or cannot be used.
    """

    def __init__(
        self,
        reader: Reader | Any,
        score_threshold: float = 1.0,
        reader_options: dict[str, Any] | None = None,
    ) -> None:
        self._held = HeldReader(check_reader(reader))
        self._score_threshold = score_threshold
        self._options = dict(reader_options or {})
        self.reader.check_options("attribute", self._options)

    @property
    def reader(self) -> Reader:
        """Return the reader that reads the responses."""
        return self._held.get()

    def evaluate(
        self,
        query: str | None = None,
        response: str | None = None,
        contexts: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> EvaluationResult:
        """Return the share of supported statements.

        Args:
            query: What the response is a response to.
            response: The text to judge.
            contexts: What was retrieved.
            kwargs: Not looked at.

        Raises:
            ValueError: If one of the three is missing, or cannot be used.
        """
        if query is None or response is None or contexts is None:
            raise ValueError(
                "query, response and contexts are expected, all three; "
                "evaluate_response(query, response) takes the contexts from the source nodes."
            )
        # A response that cites nothing comes without contexts, and is one to be judged.
        options = {"on_empty": "answer", **self._options}
        answer = self.reader.attribute(query, list(contexts), response, **options)
        return self._result(answer, query, response, contexts)

    async def aevaluate(
        self,
        query: str | None = None,
        response: str | None = None,
        contexts: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> EvaluationResult:
        """Do what :meth:`evaluate` does, with the model in a thread of its own.

        Args:
            query: As for :meth:`evaluate`.
            response: As for :meth:`evaluate`.
            contexts: As for :meth:`evaluate`.
            kwargs: Not looked at.
        """
        return await asyncio.to_thread(self.evaluate, query, response, contexts)

    def _result(
        self, answer: Answer, query: str, response: str, contexts: Sequence[str]
    ) -> EvaluationResult:
        share = answer.supported_share
        unsupported = [s.text for s in answer.statements if s.supported is False]
        return EvaluationResult(
            query=query,
            contexts=contexts,
            response=response,
            passing=None if share is None else share >= self._score_threshold,
            score=share,
            feedback="\n".join(["Not supported:", *unsupported]) if unsupported else None,
            invalid_result=share is None,
            invalid_reason="No statement was judged." if share is None else None,
        )

    def _get_prompts(self) -> PromptDictType:
        return {}

    def _update_prompts(self, prompts_dict: PromptDictType) -> None:
        """Do nothing: there are no prompts."""
