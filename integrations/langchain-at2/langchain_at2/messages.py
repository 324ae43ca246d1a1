"""An answer as a message, at once or in chunks that add up to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from at2_rag import Answer, Marking, MarkPlace, Passage, Reader, Statement, Verification
from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.content import (
    Citation,
    ReasoningContentBlock,
    TextContentBlock,
    create_reasoning_block,
    create_text_block,
)

from langchain_at2.annotations import annotate, block_id
from langchain_at2.metadata import describe_answer, describe_nothing, describe_statement, usage

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
        inline_markers: Whether to put ``[1][2]`` behind the statements, as ``answer.marked_text``
            has them. The annotations then count the characters of the marked text, and still cover
            the statements alone; what closes a row of a table is no part of its statement then.
        verification: Evidence for the citations, to put into
            ``response_metadata["at2"]["verification"]``; ``None`` for none.
        passages: The passages whose ids, titles and addresses to tell; ``None`` for the answer's
            own.
    """
    if passages is None:
        passages = [passage for passage in answer.passages if passage.kind == "passage"]
    writer = MessageWriter(answer.question, passages, inline_markers)
    chunks = [*writer.add_thoughts(answer.thoughts.text if answer.thoughts else "")]
    done = 0
    for statement in answer.statements:
        chunks += writer.add_text(answer.text[done : statement.end])
        chunks += writer.add_statement(statement)
        done = statement.end
    chunks += writer.add_text(answer.text[done:])
    chunks += writer.end(answer, verification)
    return cast("AIMessage", message_chunk_to_message(chunks[0] + chunks[1:]))


def uncited_chunk(
    question: str, passages: Sequence[Passage], text: str, reader: Reader
) -> AIMessageChunk:
    """Return a whole message that no model wrote: one where nothing was found to answer from.

    Args:
        question: What was asked.
        passages: The passages that were found, none of them with text.
        text: What the message says.
        reader: The reader that was not asked.
    """
    chunk = _chunk_of(
        create_text_block(text, id=block_id(question, passages), annotations=[], index=0)
    )
    chunk.chunk_position = "last"
    chunk.usage_metadata = UsageMetadata(input_tokens=0, output_tokens=0, total_tokens=0)
    chunk.response_metadata |= {
        "finish_reason": "stop",
        "at2": describe_nothing(reader.name, reader.estimator.kind),
    }
    return chunk


class MessageWriter:
    """Writes one message in chunks; used once.

    Thoughts, if there are any, become the first block, and the text the one behind it.

    The text goes on as it comes. With inline markers, statements have to be added right behind the
    last of their text; and where a mark belongs behind more than its statement, behind a link or
    into a row, the text waits for the end of the paragraph or table.

    Args:
        question: What was asked of the passages.
        passages: The passages that were asked about, with their own ids.
        inline_markers: As for :func:`answer_to_message`.
    """

    def __init__(self, question: str, passages: Sequence[Passage], inline_markers: bool) -> None:
        self._id = block_id(question, passages)
        self._passages = passages
        self._marking = Marking() if inline_markers else None
        self._ahead = False  # whether the text goes out ahead of its statements
        self._sent = 0  # characters of the text that have gone out
        self._shift = 0  # characters of marks that have gone out
        self._numbers: list[tuple[int, ...]] = []  # of each statement
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
        if delta and not self._ahead:
            yield from self._add(delta)

    def add_ahead(self, delta: str) -> Iterator[AIMessageChunk]:
        """Take a piece of the text that comes again with its statements, and yield what can go out.

        With inline markers that is nothing; without, the text is not put out again.

        Args:
            delta: The next piece of the text, of any length; all of it comes before the first that
                is added otherwise.
        """
        if delta and self._marking is None:
            self._ahead = True
            yield from self._add(delta)

    def add_statement(self, statement: Statement) -> Iterator[AIMessageChunk]:
        """Take a statement that has ended, and yield its citations.

        Args:
            statement: The next statement, whose text has been added.
        """
        yield from self._add(statement)

    def end(self, answer: Answer, verification: Verification | None) -> Iterator[AIMessageChunk]:
        """Yield the last chunks: what is left of the text, tokens and metadata.

        Args:
            answer: The whole answer, as the reader returned it.
            verification: Evidence for the answer's citations; ``None`` for none.
        """
        for piece in self._marking.finish() if self._marking else ():
            yield from self._write(piece)
        last = self._chunk("")
        last.chunk_position = "last"
        last.usage_metadata = usage(answer)
        last.response_metadata |= {
            "model_name": answer.model,
            "finish_reason": "length" if answer.truncated else "stop",
            "at2": describe_answer(answer, self._statements, self._passages, verification),
        }
        yield last

    def _add(self, event: str | Statement) -> Iterator[AIMessageChunk]:
        for piece in self._marking.add(event) if self._marking else [event]:
            yield from self._write(piece)

    def _write(self, piece: str | Statement | MarkPlace) -> Iterator[AIMessageChunk]:
        if isinstance(piece, str):
            self._sent += len(piece)
            yield self._chunk(piece)
        elif isinstance(piece, Statement):
            yield from self._cite(piece)
        elif marks := piece.marks(n for index in piece.statements for n in self._numbers[index]):
            self._shift += len(marks)
            yield self._chunk(marks)

    def _cite(self, statement: Statement) -> Iterator[AIMessageChunk]:
        """Yield a statement's citations; it ends before marks that stand within it."""
        place = statement.start + self._shift, min(statement.end, self._sent) + self._shift
        self._statements.append(describe_statement(statement, *place))
        self._numbers.append(statement.numbers)
        annotations = []
        for citation in statement.citations:
            self._count += 1
            identifier = f"{self._id}_{self._count}"
            annotations.append(annotate(citation, self._passages, place, identifier))
        if annotations:
            yield self._chunk("", annotations)

    def _chunk(self, text: str, annotations: Sequence[Citation] = ()) -> AIMessageChunk:
        # Chunks merge where the index is the same; annotations have none, so that they add up.
        return _chunk_of(
            create_text_block(text, id=self._id, annotations=[*annotations], index=self._place)
        )


def _chunk_of(block: TextContentBlock | ReasoningContentBlock) -> AIMessageChunk:
    return AIMessageChunk(content=[dict(block)], response_metadata=dict(STANDARD_CONTENT))
