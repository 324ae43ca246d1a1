"""A reranker: nodes by how much the model used them in an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import llama_index.core.instrumentation as instrument
from llama_index.core.bridge.pydantic import ConfigDict, Field, PrivateAttr
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from llama_index.postprocessor.at2.checks import check_reader
from llama_index.postprocessor.at2.held import HeldReader
from llama_index.postprocessor.at2.nodes import passages_of
from llama_index.postprocessor.at2.prompts import with_template

from at2_rag import Reader

dispatcher = instrument.get_dispatcher(__name__)  # type: ignore[attr-defined]  # re-exported without saying so


class AT2Postprocessor(BaseNodePostprocessor):
    """Keeps the nodes that the model used most when it drafted an answer.

    Costs one answer of the reader's model. A score is the attention-based score of the whole node
    for the whole draft: unitless, and comparable within one call only. Nodes that the reader did
    not read, being empty or left out for want of room, have no score and come last.

    The reader is not serialised: ``from_dict(data, reader=…)`` needs one, and so does what comes
    out of a pickle, as its ``reader``.

    Args:
        reader: The reader that drafts the answer, by its own settings; or a ``HuggingFaceLLM`` or
            pipeline of transformers, whose model it is to use.
        top_n: How many nodes to return at most.
        score_threshold: Score below which nodes are left out, and those without a score as well;
            ``None`` for no such bound.
        keep_retrieval_score: Whether to put the old score into the metadata of a copy of the node.
        metadata_mode: Which metadata the model reads above a node's text; ``NONE`` for titles.
        options: Options of ``Reader.answer`` for the draft, by name, such as
            ``max_new_tokens``; with ``score_by="gradient"`` scores are nats.
        kwargs: Fields of the base class, such as ``callback_manager``.

    Raises:
        TypeError: If ``reader`` is no reader.
        ValueError: If a field is out of range.
        InputError: If a setting among ``options`` cannot be used.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    top_n: int = Field(default=3, ge=1, description="Most nodes to return.")
    score_threshold: float | None = Field(
        default=None, description="Nodes scored below, or not at all, are left out."
    )
    keep_retrieval_score: bool = Field(
        default=False,
        description="Whether to keep the retrieval score in the metadata of a copy of the node.",
    )
    metadata_mode: MetadataMode = Field(
        default=MetadataMode.NONE,
        description="Which metadata the model reads above a node's text; 'none' for titles.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the reader for the draft, by name."
    )
    _held: HeldReader = PrivateAttr()

    def __init__(
        self,
        reader: Reader | Any,
        top_n: int = 3,
        score_threshold: float | None = None,
        keep_retrieval_score: bool = False,
        metadata_mode: MetadataMode = MetadataMode.NONE,
        options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        fields: dict[str, Any] = {
            "top_n": top_n,
            "score_threshold": score_threshold,
            "keep_retrieval_score": keep_retrieval_score,
            "metadata_mode": metadata_mode,
            "options": with_template(options or {}),
        }
        super().__init__(**fields, **kwargs)
        self._held = HeldReader(check_reader(reader))
        self.reader.check_options("rank", self.options)  # said here, not when a query comes

    @classmethod
    def class_name(cls) -> str:
        """Return the name used in serialisation."""
        return "AT2Postprocessor"

    @property
    def reader(self) -> Reader:
        """Return the reader that drafts answers."""
        return self._held.get()

    @reader.setter
    def reader(self, reader: Reader) -> None:
        self._held.set(reader)

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise ValueError(
                "No query was given; expected query_str or query_bundle, which the draft answers."
            )
        nodes = list(nodes)
        if not nodes:
            return []
        ranked: list[NodeWithScore] = []
        start = ReRankStartEvent(
            query=query_bundle, nodes=nodes, top_n=self.top_n, model_name=self.reader.name
        )
        dispatcher.event(start)
        try:
            with self.callback_manager.event(
                CBEventType.RERANKING,
                payload={
                    EventPayload.NODES: nodes,
                    EventPayload.MODEL_NAME: self.reader.name,
                    EventPayload.QUERY_STR: query_bundle.query_str,
                    EventPayload.TOP_K: self.top_n,
                },
            ) as event:
                ranked = self._rank(nodes, query_bundle.query_str)
                event.on_end(payload={EventPayload.NODES: ranked})
        finally:
            dispatcher.event(ReRankEndEvent(nodes=ranked))
        return ranked

    def _rank(self, nodes: list[NodeWithScore], question: str) -> list[NodeWithScore]:
        scores = self._scores(nodes, question)
        order = list(scores)
        if self.score_threshold is None:
            order += [index for index in range(len(nodes)) if index not in scores]
        else:
            order = [index for index in order if scores[index] >= self.score_threshold]
        return [self._scored(nodes[index], scores.get(index)) for index in order[: self.top_n]]

    def _scores(self, nodes: list[NodeWithScore], question: str) -> dict[int, float]:
        """Return the score of each node that was read, highest first."""
        passages = passages_of(nodes, self.metadata_mode)
        if all(passage.is_empty for passage in passages):
            return {}
        return dict(self.reader.rank(question, passages, **self.options))

    def _scored(self, item: NodeWithScore, score: float | None) -> NodeWithScore:
        update: dict[str, Any] = {"score": score}
        if self.keep_retrieval_score:
            metadata = {**item.node.metadata, "retrieval_score": item.score}
            update["node"] = item.node.model_copy(update={"metadata": metadata})
        return item.model_copy(update=update)
