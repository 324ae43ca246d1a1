"""Citations put into the content blocks of a message that is already there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from at2_rag import InputError, Marking, MarkPlace, Passage, Statement
from langchain_core.messages import AIMessage
from langchain_core.messages.content import create_text_block

from langchain_at2.annotations import annotate, is_own
from langchain_at2.metadata import describe_statement

Block = dict[str, Any]


def text_of(blocks: Sequence[Block]) -> str:
    """Return the text of all text blocks, one behind the other.

    Args:
        blocks: The content blocks of a message.
    """
    return "".join(block["text"] for block in blocks if _is_text(block))


def standard_blocks(message: AIMessage) -> list[Block]:
    """Return a copy of a message's content as LangChain's standard blocks.

    Citations that this package has put in before are left out.

    Args:
        message: Any message with text.

    Raises:
        InputError: If there is no text to cite.
    """
    blocks: list[Block] = [dict(block) for block in deepcopy(message.content_blocks)]
    if not text_of(blocks).strip():
        kinds = ", ".join(str(block.get("type")) for block in blocks) or "none"
        raise InputError(
            f"answer is a message without text (its content blocks: {kinds}); expected text to "
            "cite. Let messages such as tool calls pass by."
        )
    for block in blocks:
        if _is_text(block) and block.get("annotations"):
            block["annotations"] = [a for a in block["annotations"] if not is_own(a)]
    return blocks


@dataclass(frozen=True)
class CitedBlocks:
    """Content blocks with citations, and where the statements lie in their joined text.

    Attributes:
        blocks: The content blocks, their text annotated with citations.
        statements: What the metadata say of each statement, in order.
    """

    blocks: list[Block]
    statements: list[dict[str, Any]]


def cite_blocks(
    blocks: Sequence[Block],
    statements: Sequence[Statement],
    documents: Sequence[Passage],
    *,
    identifier: str,
    inline_markers: bool,
    start: int = 0,
) -> CitedBlocks:
    """Annotate text blocks with the citations of the statements that end in them.

    A statement that began in an earlier block is annotated from the start of the block in which
    it ends, so that no citation is there twice.

    Args:
        blocks: The content blocks of a message, as :func:`standard_blocks` returns them.
        statements: The statements with their citations, in order.
        documents: The documents that were asked about, with their own ids.
        identifier: What the ids of blocks and annotations begin with.
        inline_markers: Whether to put ``[1][2]`` behind the statements.
        start: Where the text of the statements begins in :func:`text_of` the blocks, from which
            on they count.
    """
    text = text_of(blocks)[start:].rstrip()
    inserted = list(_insertions(text, statements, start)) if inline_markers else []
    statements = shifted(statements, start)
    marked = _Marked(inserted)
    cited: list[Block] = []
    begin = count = 0
    for block in blocks:
        if not _is_text(block):
            cited.append(block)
            continue
        end = begin + len(block["text"])
        inside = [s for s in statements if begin < s.end <= end]
        moved = _BlockInText(begin, end, marked)
        annotations = [moved.annotation(a) for a in block.get("annotations") or ()]
        for statement in inside:
            for citation in statement.citations:
                count += 1
                annotations.append(
                    annotate(citation, documents, moved.span(statement), f"{identifier}_{count}")
                )
        text = moved.text(block["text"])
        fresh = create_text_block(text, id=block.get("id") or identifier)
        cited.append({**block, **fresh, "annotations": annotations})
        begin = end
    return CitedBlocks(cited, [marked.describe(statement) for statement in statements])


def shifted(statements: Sequence[Statement], by: int) -> list[Statement]:
    """Return statements that lie ``by`` characters later.

    Args:
        statements: The statements to move.
        by: How many characters to move the statements by.
    """
    return [replace(s, start=s.start + by, end=s.end + by) for s in statements]


@dataclass(frozen=True)
class _Insertion:
    """Marks that are put into a text before one of its characters."""

    position: int
    text: str


def _insertions(text: str, statements: Sequence[Statement], start: int) -> Iterator[_Insertion]:
    """Yield the marks of a text that begins at a character of another."""
    for piece in Marking.of(text, statements).finish():
        if isinstance(piece, MarkPlace):
            numbers = (n for index in piece.statements for n in statements[index].numbers)
            if marks := piece.marks(numbers):
                yield _Insertion(piece.position + start, marks)


@dataclass(frozen=True)
class _Marked:
    """Where the characters of a text go when marks are put into it."""

    inserted: Sequence[_Insertion]

    def start(self, position: int) -> int:
        """Move the start of a span: behind the marks that stand there."""
        return position + sum(len(mark.text) for mark in self.inserted if mark.position <= position)

    def end(self, position: int) -> int:
        """Move the end of a span: before the marks that stand there."""
        return position + sum(len(mark.text) for mark in self.inserted if mark.position < position)

    def end_of(self, statement: Statement) -> int:
        """Return where a statement ends: before marks within it, as in a row of a table."""
        within = (m.position for m in self.inserted if statement.start < m.position)
        return min(statement.end, *within, statement.end)

    def describe(self, statement: Statement) -> dict[str, Any]:
        end = self.end(self.end_of(statement))
        return describe_statement(statement, self.start(statement.start), end)


@dataclass(frozen=True)
class _BlockInText:
    """One text block, characters ``begin`` to ``finish`` of the joined text."""

    begin: int
    finish: int
    marked: _Marked

    def span(self, statement: Statement) -> tuple[int, int]:
        end = self.marked.end_of(statement)
        return self._local_start(max(statement.start, self.begin)), self._local_end(end)

    def text(self, text: str) -> str:
        result, done = "", 0
        for mark in self.marked.inserted:
            if self.begin < mark.position <= self.finish:
                position = mark.position - self.begin
                result += text[done:position] + mark.text
                done = position
        return result + text[done:]

    def annotation(self, annotation: Any) -> Any:
        """Return somebody else's annotation, moved by the marks before it."""
        if not isinstance(annotation, dict):
            return annotation
        moved = dict(annotation)
        for key, move in (("start_index", self._local_start), ("end_index", self._local_end)):
            if isinstance(moved.get(key), int):
                moved[key] = move(moved[key] + self.begin)
        return moved

    def _local_start(self, position: int) -> int:
        return self.marked.start(position) - self._base

    def _local_end(self, position: int) -> int:
        return self.marked.end(position) - self._base

    @property
    def _base(self) -> int:
        # Marks at the end of the block before stand in that block.
        return self.marked.start(self.begin)


def _is_text(block: Block) -> bool:
    return block.get("type") == "text" and isinstance(block.get("text"), str)
