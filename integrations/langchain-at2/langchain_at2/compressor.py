"""The compressor for LangChain's ``ContextualCompressionRetriever``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.runnables import RunnableLambda
from pydantic import ConfigDict, Field

from langchain_at2.held import HoldsReader
from langchain_at2.inputs import check_documents
from langchain_at2.ranking import most_used, scored_copies


class AT2DocumentCompressor(HoldsReader, BaseDocumentCompressor):
    """Drafts an answer and keeps the documents that it used most, most used first.

    Each document kept is a copy with the draft's score in ``metadata["relevance_score"]``.
    Documents that the model did not see, because they are empty or did not fit, come last and score
    0, or what the last of the others does where that is less.

    Attributes:
        reader: The local model that drafts the answer; or what has loaded it, as for
            :class:`AT2CitedAnswer`.
        top_n: How many documents to keep at most; ``None`` for any number.
        score_threshold: Score below which documents are not kept; unitless, on the scale that the
            reader's estimator has. ``None`` for no such bound.
        reader_options: Options of ``reader.rank``, such as ``max_new_tokens`` of the draft; with
            ``{"rank_by": "question"}`` none is made.
    """

    _call = "rank"

    top_n: int | None = Field(default=3, ge=1)
    score_threshold: float | None = None

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Return copies of the documents used most, most used first.

        Args:
            documents: What a retriever returned; never changed. For none, none are returned.
            query: The question that the draft answers.
            callbacks: Callbacks of the run that this call is part of.

        Raises:
            InputError: If the query is blank, or ``documents`` is no list of documents.
            ContextOverflowError: If they do not fit the model's context.
        """
        value = {"documents": documents, "query": query}
        return self._runnable.invoke(value, {"callbacks": callbacks})

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Do what :meth:`compress_documents` does, with the model in a thread of its own.

        Args:
            documents: As for :meth:`compress_documents`.
            query: As for :meth:`compress_documents`.
            callbacks: As for :meth:`compress_documents`.
        """
        value = {"documents": documents, "query": query}
        return await self._runnable.ainvoke(value, {"callbacks": callbacks})

    @property
    def _runnable(self) -> RunnableLambda[dict[str, Any], list[Document]]:
        """The work as a run of its own, so that traces show it."""
        return RunnableLambda(self._compress, name=type(self).__name__)

    def _compress(self, value: dict[str, Any]) -> list[Document]:
        documents = check_documents(value["documents"], "documents")
        ranked = most_used(
            self.reader,
            documents,
            value["query"],
            top_n=self.top_n,
            score_threshold=self.score_threshold,
            options=self.reader_options,
        )
        return scored_copies(documents, ranked)
