"""An answer as a message, at once or in chunks that add up to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from at2_rag import Answer, Passage, Statement, Verification
from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message
from langchain_core.messages.content import (
    Citation,
    ReasoningContentBlock,
    TextContentBlock,
    create_reasoning_block,
    create_text_block,
)

from langchain_at2.annotations import annotate, block_id
from langchain_at2.metadata import describe_answer, describe_statement, usage

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

    Thoughts become a reasoning block in front of the text.

    Args:
        answer: The answer, as a reader returned it.
        inline_markers: Whether to put ``[1][2]`` behind the statements. The annotations then count
            the characters of the marked text, and still cover the statements alone.
        verification: Evidence for the citations, to put into
            ``response_metadata["at2"]["verification"]``; ``None`` for none.
        passages: The passages whose ids, titles and addresses to tell; ``None`` for the answer's
            own.
    """
    if passages is None:
        passages = [passage for passage in answer.passages if passage.kind == "passage"]
    writer = MessageWriter(answer.question, passages, inline_markers)
    chunks = [*writer.add_thoughts(answer.thoughts.text if answer.thoughts else "")]
    chunks += writer.add_text(answer.text)
    for statement in answer.statements:
        chunks += writer.add_statement(statement)
    chunks.append(writer.end(answer, verification))
    return cast("AIMessage", message_chunk_to_message(chunks[0] + chunks[1:]))


class MessageWriter:
    """Writes one message in chunks; used once.

    Thoughts, if there are any, become the first block, and the text the one behind it.

    With inline markers the text comes a statement at a time, since its marks belong right behind
    it; else it goes on as it comes.

    Args:
        question: What was asked of the passages.
        passages: The passages that were asked about, with their own ids.
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
        self._place = 0  # of the text among the blocks

    def add_thoughts(self, delta: str) -> Iterator[AIMessageChunk]:
        """Take the next piece of the thoughts, and yield it.

        Args:
            delta: The next piece of the thoughts, of any length; all of it comes before the
                answer's first.
        """
        if delta:
            self._place = 1
            block = create_reasoning_block(delta, id=f"{self._id}_thoughts", index=0)
            yield _chunk_of(block)

    def add_text(self, delta: str) -> Iterator[AIMessageChunk]:
        """Take the next piece of the answer's text, and yield what can go out.

        Args:
            delta: The next piece of the text, of any length.
        """
        self._text += delta
        if not self._inline and delta:
            yield self._chunk(self._take(len(self._text)))

    def add_statement(self, statement: Statement) -> Iterator[AIMessageChunk]:
        """Take a statement that has ended, and yield its citations.

        Args:
            statement: The next statement, whose text has been added.
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
            identifier = f"{self._id}_{self._count}"
            annotations.append(annotate(citation, self._passages, (start, end), identifier))
        if text or annotations:
            yield self._chunk(text, annotations)

    def end(self, answer: Answer, verification: Verification | None) -> AIMessageChunk:
        """Return the last chunk: what is left of the text, tokens and metadata.

        Args:
            answer: The whole answer, as the reader returned it.
            verification: Evidence for the answer's citations; ``None`` for none.
        """
        last = self._chunk(self._take(len(self._text)))
        last.chunk_position = "last"
        last.usage_metadata = usage(answer)
        last.response_metadata |= {
            "model_name": answer.model,
            "finish_reason": "length" if answer.truncated else "stop",
            "at2": describe_answer(answer, self._statements, self._passages, verification),
        }
        return last

    def _take(self, end: int) -> str:
        text = self._text[self._sent : end]
        self._sent = max(self._sent, end)
        return text

    def _chunk(self, text: str, annotations: Sequence[Citation] = ()) -> AIMessageChunk:
        # Chunks merge where the index is the same; annotations have none, so that they add up.
        return _chunk_of(
            create_text_block(text, id=self._id, annotations=[*annotations], index=self._place)
        )


def _chunk_of(block: TextContentBlock | ReasoningContentBlock) -> AIMessageChunk:
    return AIMessageChunk(content=[dict(block)], response_metadata=dict(STANDARD_CONTENT))
