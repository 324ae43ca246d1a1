"""A query engine to put in the place of LlamaIndex's ``CitationQueryEngine``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.indices.base import BaseIndex
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import MetadataMode
from llama_index.core.settings import Settings
from llama_index.postprocessor.at2.synthesizer import AT2Synthesizer

from at2_rag import AnswerOptions, Reader

_SENTENCES = "sentences within nodes are cited, and nodes are as the index has them"
_PROMPTS = "call update_prompts on the engine"
#: Arguments of CitationQueryEngine.from_args that have no place here, and why.
_ELSEWHERE = {
    "llm": "the reader answers",
    "retriever": "pass it in the place of the index",
    "response_synthesizer": "build a RetrieverQueryEngine with an AT2Synthesizer",
    "response_mode": "all nodes are read at once",
    "use_async": "call aquery",
    "multimodal": "the reader reads text",
    "citation_chunk_size": _SENTENCES,
    "citation_chunk_overlap": _SENTENCES,
    "text_splitter": _SENTENCES,
    "citation_qa_template": _PROMPTS,
    "citation_refine_template": _PROMPTS,
    "citation_chat_content_qa_template": _PROMPTS,
    "citation_chat_content_refine_template": _PROMPTS,
}


class AT2CitationQueryEngine(RetrieverQueryEngine):
    """Retrieves, answers with a reader, and cites what made the model say each sentence.

    Reads as ``CitationQueryEngine`` does: the response says ``…[1]``, and
    ``response.source_nodes[0]`` is reference 1. The numbers are not written by the model but made
    of its attention: they begin at 1, are in order, and always have their node. The nodes are those
    that were retrieved, not pieces of them; which sentences of a node were used is in
    ``response.at2["citations"]``. See :class:`AT2Synthesizer` for all that a response has.
    """

    @classmethod
    def class_name(cls) -> str:
        """Return the engine's name."""
        return "AT2CitationQueryEngine"

    @classmethod
    def from_args(  # type: ignore[override]  # CitationQueryEngine's arguments, not the base's
        cls,
        index_or_retriever: BaseIndex[Any] | BaseRetriever,
        reader: Reader | Any,
        *,
        prune_to: int | None = None,
        options: AnswerOptions | Mapping[str, Any] | None = None,
        node_postprocessors: Sequence[BaseNodePostprocessor] | None = None,
        metadata_mode: MetadataMode = MetadataMode.NONE,
        streaming: bool = False,
        callback_manager: CallbackManager | None = None,
        empty_response: str | None = None,
        **kwargs: Any,
    ) -> AT2CitationQueryEngine:
        """Build the engine.

        Args:
            index_or_retriever: The index or the retriever that nodes come from.
            reader: The reader that answers; no other LLM is asked. Or a ``HuggingFaceLLM`` or
                pipeline of transformers, whose model it is to use.
            prune_to: How many nodes to answer from again, if there are more: those that a first
                draft used most; ``None`` to answer once.
            options: Settings of the reader or options of ``model.generate``, by name.
            node_postprocessors: What is applied to the retrieved nodes, in order.
            metadata_mode: Which metadata the model reads above a node's text; ``NONE`` for titles.
            streaming: Whether to return streaming responses.
            callback_manager: LlamaIndex's callbacks; ``Settings.callback_manager`` if not given.
            empty_response: What to say where nothing was retrieved, as for :class:`AT2Synthesizer`.
            kwargs: Options of ``index.as_retriever``, such as ``similarity_top_k``.

        Raises:
            TypeError: If there is no index, retriever or reader, or an argument is not known here.
            ValueError: If an argument is out of range.
        """
        manager = callback_manager or Settings.callback_manager
        synthesizer = AT2Synthesizer(
            reader,
            prune_to=prune_to,
            options=options,
            metadata_mode=metadata_mode,
            streaming=streaming,
            callback_manager=manager,
            empty_response=empty_response,
        )
        retriever = _as_retriever(index_or_retriever, kwargs)
        return cls(retriever, synthesizer, list(node_postprocessors or ()), manager)

    def with_retriever(self, retriever: BaseRetriever) -> AT2CitationQueryEngine:
        """Return the same engine over another retriever.

        Args:
            retriever: The retriever that nodes come from.
        """
        return type(self)(
            retriever, self._response_synthesizer, self._node_postprocessors, self.callback_manager
        )


def _as_retriever(source: object, kwargs: dict[str, Any]) -> BaseRetriever:
    for name in kwargs.keys() & _ELSEWHERE.keys():
        raise TypeError(f"AT2CitationQueryEngine takes no {name}: {_ELSEWHERE[name]}.")
    if isinstance(source, BaseIndex):
        return source.as_retriever(**kwargs)
    if not isinstance(source, BaseRetriever):
        raise TypeError(
            f"index_or_retriever is a {type(source).__name__}; expected an index or a retriever of "
            "LlamaIndex."
        )
    if kwargs:
        raise TypeError(
            f"Unknown argument(s) {', '.join(kwargs)}: a retriever is already built; give them to "
            "it, or pass an index."
        )
    return source
