"""A name for the reader where LlamaIndex wants an LLM."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.llms.types import (
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.bridge.pydantic import Field
from llama_index.core.constants import DEFAULT_CONTEXT_WINDOW
from llama_index.core.llms import CustomLLM

from at2_rag import Reader


class ReaderLLM(CustomLLM):
    """Tells the reader's name and sizes, so that no other LLM has to be configured.

    It completes nothing: the synthesizer asks the reader itself.
    """

    model_name: str = Field(description="The reader's name.")
    context_window: int = Field(description="The model's context, in tokens.")
    num_output: int = Field(description="Longest answer, in tokens.")

    @classmethod
    def of(cls, reader: Reader) -> ReaderLLM:
        """Return the stand-in for a reader."""
        config = reader.model.config.get_text_config()
        return cls(
            model_name=reader.name,
            context_window=getattr(config, "max_position_embeddings", DEFAULT_CONTEXT_WINDOW),
            num_output=reader.settings.max_new_tokens,
        )

    @classmethod
    def class_name(cls) -> str:
        """Return the name used in serialisation."""
        return "AT2ReaderLLM"

    @property
    def metadata(self) -> LLMMetadata:
        """Return name and sizes."""
        return LLMMetadata(
            context_window=self.context_window,
            num_output=self.num_output,
            model_name=self.model_name,
        )

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Refuse.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            f"{self.model_name} answers through AT2Synthesizer; as an LLM it completes nothing. "
            "Set Settings.llm, or pass llm=, for what needs one."
        )

    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        """Refuse.

        Raises:
            NotImplementedError: Always.
        """
        return self.complete(prompt, formatted, **kwargs)  # type: ignore[return-value]
