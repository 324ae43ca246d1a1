"""Citing an answer that was made elsewhere."""

from __future__ import annotations

from typing import Any, TypedDict, cast

from at2_rag import InputError
from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message

from langchain_at2.annotations import block_id
from langchain_at2.base import ReaderRunnable
from langchain_at2.blocks import cite_blocks, standard_blocks, text_of
from langchain_at2.inputs import CiteInput, read_request
from langchain_at2.messages import STANDARD_CONTENT
from langchain_at2.metadata import describe_answer
from langchain_at2.thoughts import given_thoughts, with_thoughts_placed


class CiterOptions(TypedDict, total=False):
    """Options of :class:`AT2Citer` by name, none of which is needed."""

    max_citations: int | None
    verify: bool
    inline_markers: bool
    reader_options: dict[str, Any]
    name: str | None


class AT2Citer(ReaderRunnable):
    """Cites an answer from any model, as if the local one had given it.

    From ``{"question", "context" | "documents", "answer", "history"?}`` to an ``AIMessage``: the
    given one with annotations added, its content as standard blocks and its other fields kept.
    What its reasoning blocks say is read as thoughts if the reader's model thinks.

    ``response_metadata["at2"]`` is as for ``AT2CitedAnswer``, and has ``answered_by`` and
    ``scored_by_answering_model``: ``False`` if the message names another model than the reader's,
    ``None`` if it names none. Where nothing was retrieved, the message is read all the same, and
    nothing is cited for what it says; ``reader_options={"on_empty": "error"}`` refuses it.
    """

    _call = "attribute"

    @property
    def InputType(self) -> Any:
        """What :meth:`invoke` takes."""
        return CiteInput

    def _run(self, value: dict[str, Any]) -> AIMessage:
        request = read_request(value)
        message = _as_message(value)
        blocks = standard_blocks(message)
        text = text_of(blocks)
        thoughts = given_thoughts(blocks, self.reader, self._own_options)
        answer = self.reader.attribute(
            request.question,
            request.readable_passages,
            text,
            **{
                "thoughts": thoughts,
                "history": request.history,
                "on_empty": "answer",
                **self._own_options,
            },
        )
        placed = with_thoughts_placed(answer)
        cited = cite_blocks(
            blocks,
            placed.statements,
            request.passages,
            identifier=block_id(request.question, request.passages),
            inline_markers=self.inline_markers,
            start=answer.given_start or 0,
        )
        proof = self._verification(answer)
        about = describe_answer(placed, cited.statements, request.passages, proof)
        model = _model_of(message)
        about["answered_by"] = model
        about["scored_by_answering_model"] = None if model is None else model == answer.model
        metadata = {**message.response_metadata, **STANDARD_CONTENT, "at2": about}
        return message.model_copy(update={"content": cited.blocks, "response_metadata": metadata})


def _as_message(value: dict[str, Any]) -> AIMessage:
    answer = value.get("answer")
    if isinstance(answer, str):
        return AIMessage(content=answer)
    if isinstance(answer, AIMessageChunk):  # a stream, added up
        return cast("AIMessage", message_chunk_to_message(answer))
    if isinstance(answer, AIMessage):
        return answer
    raise InputError(f"answer is a {type(answer).__name__}; expected text or an AIMessage.")


def _model_of(message: AIMessage) -> str | None:
    metadata = message.response_metadata
    name = metadata.get("model_name") or metadata.get("model")
    return None if name is None else str(name)
