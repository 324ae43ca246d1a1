"""One question to a reader, and its answer with markers: whole, in pieces, or awaited in pieces."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Any

from llama_index.postprocessor.at2.cited import CitedResponse, events_of

from at2_rag import Reader


@dataclass(frozen=True)
class Job:
    """One question to the reader, and what becomes of the answer.

    Attributes:
        reader: The reader that answers.
        arguments: Arguments of ``reader.answer`` and ``reader.stream``; ``None`` if there is
            nothing to read.
        cited: What takes in the answer and numbers its nodes.
        empty_response: What is said where there is nothing to read.
    """

    reader: Reader
    arguments: Mapping[str, Any] | None
    cited: CitedResponse
    empty_response: str

    def write(self) -> str:
        """Answer, and return the text with markers."""
        if self.arguments is None:
            return self.empty_response
        for event in events_of(self.reader.answer(**self.arguments)):
            self.cited.add(event)
        return self.cited.text

    def stream(self) -> Generator[str, None, None]:
        """Answer, and yield the text with markers as it comes; closing it stops the model."""
        if self.arguments is None:
            yield self.empty_response
            return
        with closing(self.reader.stream(**self.arguments)) as events:
            for event in events:
                yield from self.cited.pieces(event)

    async def astream(self) -> AsyncGenerator[str, None]:
        """Yield what :meth:`stream` does, with the model in a thread of its own."""
        if self.arguments is None:
            yield self.empty_response
            return
        async with aclosing(self.reader.astream(**self.arguments)) as events:
            async for event in events:
                for text in self.cited.pieces(event):
                    yield text
