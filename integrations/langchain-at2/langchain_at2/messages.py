"""An answer as a message, at once or in chunks that add up to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from at2_rag import Answer, Passage, Statement
from at2_rag.verification import Verification
from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.content import Citation, create_text_block

from langchain_at2.annotations import annotate, block_id

#: Says that a message's content is a list of LangChain's standard blocks.
STANDARD_CONTENT = {"output_version": "v1"}


def answer_to_message(
    answer: Answer,
    *,
    inline_markers: bool = False,
    verification: Verification | None = None,
    passages: Sequence[Passage] | None = None,
) -> AIMessage:
    """Turn an answer into a message whose text carries its citations as annotations.

    Args:
        answer: Of a reader.
        inline_markers: Put ``[1][2]`` behind the statements. The annotations then count the
            characters of the marked text, and still cover the statements alone.
        verification: Goes to ``response_metadata["at2"]["verification"]``.
        passages: Those to take ids, titles and addresses from, instead of the answer's own.
    """
    writer = MessageWriter(
        answer.question, answer.passages if passages is None else passages, inline_markers
    )
    chunks = [*writer.add_text(answer.text)]
    for statement in answer.statements:
        chunks += writer.add_statement(statement)
    chunks.append(writer.end(answer, verification))
    return cast("AIMessage", message_chunk_to_message(chunks[0] + chunks[1:]))


class MessageWriter:
    """Writes one message in chunks; used once.

    With inline markers the text comes a statement at a time, since its marks belong right behind
    it; else it goes on as it comes.

    Args:
        question: The question.
        passages: The passages, with their ids.
        inline_markers: As for :func:`answer_to_message`.
    """

    def __init__(self, question: str, passages: Sequence[Passage], inline_markers: bool) -> None:
        self._id = block_id(question, passages)
        self._passages = passages
        self._inline = inline_markers
        self._text = ""
        self._sent = 0  # characters of the text that have gone out
        self._shift = 0  # characters of marks that have gone out
        self._count = 0
        self._statements: list[dict[str, Any]] = []

    def add_text(self, delta: str) -> Iterator[AIMessageChunk]:
        """Take the next piece of the answer's text, and yield what can go out.

        Args:
            delta: Text of any length.
        """
        self._text += delta
        if not self._inline and delta:
            yield self._chunk(self._take(len(self._text)))

    def add_statement(self, statement: Statement) -> Iterator[AIMessageChunk]:
        """Take a statement that has ended, and yield its citations.

        Args:
            statement: The next one, whose text has been added.
        """
        start, end = statement.start + self._shift, statement.end + self._shift
        text = ""
        if self._inline:
            mark = statement.marks
            text = self._take(statement.end) + mark
            self._shift += len(mark)
        self._statements.append(describe_statement(statement, start, end))
        annotations = []
        for citation in statement.citations:
            self._count += 1
            passage = self._passages[citation.passage_index]
            identifier = f"{self._id}_{self._count}"
            annotations.append(annotate(citation, passage, (start, end), identifier))
        if text or annotations:
            yield self._chunk(text, annotations)

    def end(self, answer: Answer, verification: Verification | None) -> AIMessageChunk:
        """Return the last chunk: what is left of the text, tokens and metadata.

        Args:
            answer: The whole answer.
            verification: Its verification, if there is one.
        """
        last = self._chunk(self._take(len(self._text)))
        last.chunk_position = "last"
        last.usage_metadata = usage(answer)
        last.response_metadata |= {
            "model_name": answer.model,
            "finish_reason": "length" if answer.truncated else "stop",
            "at2": describe_answer(answer, self._statements, verification),
        }
        return last

    def _take(self, end: int) -> str:
        text = self._text[self._sent : end]
        self._sent = max(self._sent, end)
        return text

    def _chunk(self, text: str, annotations: Sequence[Citation] = ()) -> AIMessageChunk:
        # Chunks merge where the index is the same; annotations have none, so that they add up.
        block = create_text_block(text, id=self._id, annotations=[*annotations], index=0)
        return AIMessageChunk(content=[dict(block)], response_metadata=dict(STANDARD_CONTENT))


def describe_statement(statement: Statement, start: int, end: int) -> dict[str, Any]:
    """Return what the metadata say about a statement, in JSON types.

    Args:
        statement: The statement.
        start: Its first character in the message's text.
        end: One past its last character there.
    """
    return {
        "start": start,
        "end": end,
        "supported": statement.supported,
        "citations": [citation.number for citation in statement.citations],
    }


def describe_answer(
    answer: Answer, statements: list[dict[str, Any]], verification: Verification | None
) -> dict[str, Any]:
    """Return ``response_metadata["at2"]``, in JSON types.

    Args:
        answer: The answer.
        statements: Each as :func:`describe_statement` returns it.
        verification: Its verification, if there is one.
    """
    described: dict[str, Any] = {
        "model": answer.model,
        "estimator": answer.estimator,
        "prompt_tokens": answer.prompt_tokens,
        "answer_tokens": answer.answer_tokens,
        "kept": list(answer.kept),
        "dropped": list(answer.dropped),
        "statements": statements,
    }
    if verification is not None:
        described["verification"] = verification.to_dict()
    return described


def usage(answer: Answer) -> UsageMetadata:
    """Return the tokens that an answer took, those of its draft included."""
    passes = [answer, *([answer.draft] if answer.draft else [])]
    read = sum(each.prompt_tokens for each in passes)
    written = sum(each.answer_tokens for each in passes)
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
