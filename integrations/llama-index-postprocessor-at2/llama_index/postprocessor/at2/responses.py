"""LlamaIndex's responses, which also tell what the reader knows."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from llama_index.core.base.llms.types import CitationBlock
from llama_index.core.base.response.schema import (
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.schema import NodeWithScore
from llama_index.postprocessor.at2.records import citation_block


class _Told:
    """What all responses have besides LlamaIndex's own.

    Attributes:
        at2: What the reader knows of the answer, in plain JSON.
    """

    at2: dict[str, Any]

    @property
    def citation_blocks(self) -> list[CitationBlock]:
        """Return the citations as LlamaIndex's content blocks."""
        return [citation_block(record) for record in self.at2.get("citations", ())]


@dataclass
class AT2Response(_Told, Response):
    """A response with citations.

    Attributes:
        at2: What the reader knows of the answer, in plain JSON: ``citations``, ``statements``,
            ``thoughts``, and the model, the estimator, tokens, and so on.
    """

    at2: dict[str, Any] = field(default_factory=dict)


@dataclass
class AT2StreamingResponse(_Told, StreamingResponse):
    """A response whose source nodes, metadata and citations fill as its text is read.

    Attributes:
        at2: As for :class:`AT2Response`; the model, tokens and so on come last.
    """

    at2: dict[str, Any] = field(default_factory=dict)

    def get_response(self) -> AT2Response:
        """Return the whole response, once it is there."""
        whole = super().get_response()
        return AT2Response(whole.response, self.source_nodes, whole.metadata, self.at2)


class AT2AsyncStreamingResponse(_Told, AsyncStreamingResponse, Response):
    """The same, read asynchronously; closing its generator closes the one that it was made of.

    LlamaIndex's own leaves that one waiting, with the model at work behind it, for as long as the
    response is kept. And it is no ``Response``, the only kind whose source nodes chat engines take.

    Args:
        response_gen: What yields the text.
        source_nodes: The source nodes, which fill meanwhile.
        metadata: The nodes' metadata by node id, which fill meanwhile.
        at2: As for :class:`AT2StreamingResponse`.
    """

    def __init__(
        self,
        response_gen: AsyncGenerator[str, None],
        source_nodes: list[NodeWithScore],
        metadata: dict[str, Any],
        at2: dict[str, Any],
    ) -> None:
        super().__init__(response_gen, source_nodes, metadata)
        self.at2 = at2

    @property
    def response(self) -> str | None:  # type: ignore[override]  # which is to be set elsewhere
        """The text, once it has been read."""
        return self.response_txt

    async def async_response_gen(self) -> AsyncGenerator[str, None]:
        """Yield the text as it comes."""
        async for text in super().async_response_gen():
            try:
                yield text
            except GeneratorExit:
                await self.response_gen.aclose()
                raise

    async def get_response(self) -> AT2Response:
        """Return the whole response, once it is there."""
        whole = await super().get_response()
        return AT2Response(whole.response, self.source_nodes, whole.metadata, self.at2)
