"""Thoughts in a message that is already there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from at2_rag import Answer, Citation, Reader, Statement

from langchain_at2.blocks import shifted

#: Between the texts of several reasoning blocks.
_BETWEEN = "\n\n"


def given_thoughts(
    blocks: Sequence[Mapping[str, Any]], reader: Reader, options: dict[str, Any]
) -> str | None:
    """Return what reasoning blocks say, if the reader's model can read it as thoughts of its own.

    Args:
        blocks: The content blocks of a message.
        reader: The reader that is to read the thoughts.
        options: Options of the reader for this call, by name.
    """
    markers, text = reader.thinking_markers(**options), reasoning_of(blocks)
    # What has the sign for the end of thoughts in it would be taken for thoughts and response.
    if markers is None or not text.strip() or markers.end.strip() in text:
        return None
    return text


def with_thoughts_placed(answer: Answer) -> Answer:
    """Return an answer whose thoughts count the characters of the text that they were given in.

    A reader counts from the first character that is no white space.

    Args:
        answer: The answer, as the reader cited what was given.
    """
    if answer.thoughts is None or answer.thoughts.given_start is None:
        return answer
    by = answer.thoughts.given_start
    thoughts = replace(
        answer.thoughts,
        statements=tuple(shifted(_with_sources_moved(answer.thoughts.statements, by), by)),
    )
    statements = tuple(_with_sources_moved(answer.statements, by))
    return replace(answer, statements=statements, thoughts=thoughts)


def reasoning_of(blocks: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of all reasoning blocks, with an empty line between.

    Args:
        blocks: The content blocks of a message.
    """
    texts = [block.get("reasoning") for block in blocks if block.get("type") == "reasoning"]
    return _BETWEEN.join(text for text in texts if isinstance(text, str) and text)


def _with_sources_moved(statements: Sequence[Statement], by: int) -> list[Statement]:
    """Return statements whose cited thoughts lie ``by`` characters later."""
    return [
        replace(statement, citations=tuple(_with_source_moved(c, by) for c in statement.citations))
        for statement in statements
    ]


def _with_source_moved(citation: Citation, by: int) -> Citation:
    if citation.kind != "thought":
        return citation
    start, end = citation.source_start + by, citation.source_end + by
    return replace(citation, source_start=start, source_end=end)
