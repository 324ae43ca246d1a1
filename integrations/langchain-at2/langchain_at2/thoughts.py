"""Thoughts in a message that is already there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from at2_rag import Answer, Citation, Reader, Statement, ThinkingMarkers
from at2_rag.prompt.thinking_markers import thinking_markers

from langchain_at2.blocks import shifted

#: Between the texts of several reasoning blocks.
_BETWEEN = "\n\n"


@dataclass(frozen=True)
class GivenThoughts:
    """What was thought before a text, where the reader's model can read it.

    Attributes:
        text: Of the reasoning blocks; ``None`` if there are none, or if they are not for this
            model.
        markers: What the model writes around thoughts; ``None`` if it does not think.
    """

    text: str | None
    markers: ThinkingMarkers | None

    @classmethod
    def of(
        cls, blocks: Sequence[Mapping[str, Any]], reader: Reader, options: dict[str, Any]
    ) -> GivenThoughts:
        """Return the thoughts of a message.

        Args:
            blocks: Its content blocks.
            reader: What is to read them.
            options: Of the reader, for this call.
        """
        settings, _ = reader.settings.override(options)
        markers = thinking_markers(reader.tokenizer, settings.thinking)
        text = reasoning_of(blocks)
        # What has the sign for the end of thoughts in it would be taken for thoughts and response.
        if markers is None or not text.strip() or markers.end.strip() in text:
            return cls(None, markers)
        return cls(text, markers)

    def placed(self, answer: Answer, text: str) -> Answer:
        """Return an answer whose thoughts count the characters of what was given.

        A reader counts from the first character that is no white space. Thoughts that stand in the
        text, within their markers, count that text.

        Args:
            answer: The reader's.
            text: The message's.
        """
        if answer.thoughts is None or self.markers is None:
            return answer
        inside = text.partition(self.markers.end.strip())[0] if self.text is None else self.text
        by = len(inside.rstrip()) - len(answer.thoughts.text)
        thoughts = replace(
            answer.thoughts,
            statements=tuple(shifted(_with_sources_moved(answer.thoughts.statements, by), by)),
        )
        statements = tuple(_with_sources_moved(answer.statements, by))
        return replace(answer, statements=statements, thoughts=thoughts)


def reasoning_of(blocks: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of all reasoning blocks, with an empty line between.

    Args:
        blocks: Of a message.
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
