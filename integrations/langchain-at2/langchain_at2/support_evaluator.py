"""How much of an answer its documents support, as a score of LangSmith's evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from at2_rag import Answer, InputError
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langsmith.evaluation import EvaluationResult, RunEvaluator
from langsmith.schemas import Example, Run
from pydantic import ConfigDict

from langchain_at2.documents import documents_to_passages
from langchain_at2.held import HoldsReader


class AT2SupportEvaluator(HoldsReader, RunEvaluator):
    """Scores a run by the share of its answer's statements that its documents support.

    For ``langsmith.evaluate(…, evaluators=[AT2SupportEvaluator(reader=reader)])``. Of the run, and
    where it does not say of the example's inputs, it reads question, documents and answer as
    ``at2_rag.Reader.audit`` does: ``inputs["question"]``, ``outputs["context"]`` and
    ``outputs["answer"]``, or what else chains call them. The score is ``None`` where nothing is
    judged: of refusals, and by estimators without thresholds.

    Attributes:
        reader: The local model that reads the answers; as for ``AT2Citer``.
        key: What the score is called.
        reader_options: Settings of the reader, by name, such as ``on_overflow``.
    """

    _call = "audit"

    key: str = "at2_support"

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", protected_namespaces=())

    @property
    def feedback_keys(self) -> list[str]:
        """What the scores are called."""
        return [self.key]

    def evaluate_run(
        self,
        run: Run,
        example: Example | None = None,
        evaluator_run_id: UUID | None = None,
    ) -> EvaluationResult:
        """Return the score, with what is not supported as the comment.

        Args:
            run: What was asked, retrieved and answered.
            example: The data set's example that the run is of; ``None`` for none.
            evaluator_run_id: Not looked at.

        Raises:
            InputError: If no question, answer or list of documents is told, or one cannot be used.
        """
        inputs = {**(example.inputs or {} if example else {}), **(run.inputs or {})}
        row = {"inputs": _plain(inputs), "outputs": _plain(run.outputs or {})}
        [audited] = self.reader.audit([row], **{"on_empty": "answer", **self.reader_options})
        if audited.answer is None:
            raise audited.error or InputError("The run could not be read.")
        return self._result(audited.answer)

    def _result(self, answer: Answer) -> EvaluationResult:
        unsupported = [s.text for s in answer.statements if s.supported is False]
        return EvaluationResult(
            key=self.key,
            score=answer.supported_share,
            comment="\n".join(["Not supported:", *unsupported]) if unsupported else None,
        )


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields with messages as their text, and documents as passages."""
    return {name: _value(value) for name, value in fields.items()}


def _value(value: Any) -> Any:
    if isinstance(value, BaseMessage):
        return value.text
    if isinstance(value, list | tuple) and all(isinstance(each, Document) for each in value):
        return documents_to_passages(value)
    return value
