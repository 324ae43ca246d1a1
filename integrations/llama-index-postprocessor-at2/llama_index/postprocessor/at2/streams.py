"""A streaming response that, left early, ends the generation behind it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from llama_index.core.base.response.schema import AsyncStreamingResponse


class ClosingAsyncResponse(AsyncStreamingResponse):
    """A streaming response whose generator, when closed, closes the one that it was made of.

    LlamaIndex's own leaves that one waiting, with the model at work behind it, for as long as the
    response is kept.
    """

    async def async_response_gen(self) -> AsyncGenerator[str, None]:
        """Yield the text as it comes."""
        async for text in super().async_response_gen():
            try:
                yield text
            except GeneratorExit:
                await self.response_gen.aclose()
                raise
