"""A response synthesizer whose citations come from the model's attention."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy, deepcopy
from dataclasses import asdict
from typing import Any

import llama_index.core.instrumentation as instrument
from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.instrumentation.events.synthesis import (
    SynthesizeEndEvent,
    SynthesizeStartEvent,
)
from llama_index.core.llms import LLM
from llama_index.core.prompts.mixin import PromptDictType
from llama_index.core.response_synthesizers import BaseSynthesizer
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle, QueryType, TextNode
from llama_index.core.types import RESPONSE_TEXT_TYPE
from llama_index.postprocessor.at2.checks import check_prune_to, check_reader
from llama_index.postprocessor.at2.cited import CitedResponse
from llama_index.postprocessor.at2.history import history_of
from llama_index.postprocessor.at2.jobs import Job
from llama_index.postprocessor.at2.nodes import passages_of
from llama_index.postprocessor.at2.prompts import ReaderPrompt, with_template
from llama_index.postprocessor.at2.responses import (
    AT2AsyncStreamingResponse,
    AT2Response,
    AT2StreamingResponse,
)
from llama_index.postprocessor.at2.stand_in import ReaderLLM

from at2_rag import AnswerOptions, Passage, Reader

dispatcher = instrument.get_dispatcher(__name__)  # type: ignore[attr-defined]  # re-exported without saying so

_PROMPT = "text_qa_template"


class AT2Synthesizer(BaseSynthesizer):
    """Answers with a reader, and cites the nodes that made the model say each sentence.

    The response's text has ``[1][2]`` behind each sentence. Numbers count nodes in the order in
    which they are first cited, and ``response.source_nodes[i]`` is number ``i + 1``: the very node
    that was retrieved, with its score for the whole answer. Nodes that are not cited are not there.
    ``response.metadata`` has the nodes' metadata by node id, and ``response.at2`` the rest, in
    plain JSON: ``["citations"]`` says which sentences of the nodes were used, a
    :class:`CitationRecord` each, ``["statements"]`` holds each sentence of the answer
    (:class:`StatementRecord`), ``["thoughts"]`` what a reasoning model thought before
    (:class:`ThoughtsRecord`, or ``None``), and then there are the model, the estimator, tokens, and
    the ids of the nodes that were kept and dropped, and of those that were shortened, with how many
    characters of each were read.

    A streaming response's ``source_nodes``, ``metadata`` and ``at2`` fill as its text is read: a
    sentence's entries are there as soon as its markers are. Until the end, the nodes that may yet
    be cited stand behind the cited ones. Scores of nodes, the model and so on come last. Closing
    its generator (``response_gen.close()``, or ``aclose()`` of ``async_response_gen()``) stops the
    model.

    Args:
        reader: The reader that answers; no other LLM is asked. Or a ``HuggingFaceLLM`` or pipeline
            of transformers, whose model it is to use.
        prune_to: How many nodes to answer from again, if there are more: those that a first draft
            used most; ``None`` to answer once.
        options: Settings of the reader or options of ``model.generate`` for all responses, by
            name, such as ``{"max_citations": 2}``; and ``history``, LlamaIndex's chat messages.
        metadata_mode: Which metadata the model reads above a node's text; ``NONE`` for titles.
        streaming: Whether to return streaming responses.
        callback_manager: LlamaIndex's callbacks, which are told of each question and answer.
        empty_response: What to say where there is nothing to read, unless ``on_empty`` is among the
            options: ``"answer"`` has the reader answer without nodes, ``"error"`` raises.

    Raises:
        TypeError: If ``reader`` is no reader.
        ValueError: If ``prune_to`` or an option is out of range.
    """

    def __init__(
        self,
        reader: Reader | Any,
        *,
        prune_to: int | None = None,
        options: AnswerOptions | Mapping[str, Any] | None = None,
        metadata_mode: MetadataMode = MetadataMode.NONE,
        streaming: bool = False,
        callback_manager: CallbackManager | None = None,
        empty_response: str | None = None,
    ) -> None:
        reader = self._reader = check_reader(reader)
        told = _plain(options or {})
        reader.check_options("answer", told)  # said here, not when a query comes
        settings, _ = reader.settings.override(told)
        super().__init__(
            llm=ReaderLLM.of(reader),
            callback_manager=callback_manager,
            streaming=streaming,
            empty_response=empty_response,
        )
        self._prune_to = check_prune_to(prune_to)
        self._options = told
        self._metadata_mode = MetadataMode(metadata_mode)
        self._prompt = ReaderPrompt(settings.prompt, settings.system)
        self._template = self._prompt.as_template()

    @classmethod
    def class_name(cls) -> str:
        """Return the name used in serialisation."""
        return "AT2Synthesizer"

    def __deepcopy__(self, memo: dict[int, Any]) -> AT2Synthesizer:
        """Return a copy that shares the reader, whose weights it needs no copy of."""
        copied = copy(self)
        memo |= {id(self): copied, id(self._reader): self._reader}
        vars(copied).update(deepcopy(vars(self), memo))
        return copied

    @property
    def reader(self) -> Reader:
        """Return the reader."""
        return self._reader

    @property
    def llm(self) -> LLM:
        """Return what stands for the reader where LlamaIndex wants an LLM; it completes nothing."""
        return self._llm

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the reader and the callbacks, as plain types."""
        return {
            "class_name": self.class_name(),
            "model": self._reader.name,
            "prune_to": self._prune_to,
            "options": {
                **self._options,
                "prompt": asdict(self._prompt.message),
                "system": self._prompt.system,
            },
            "metadata_mode": self._metadata_mode.value,
            "streaming": self._streaming,
            "empty_response": self._empty_response,
        }

    @classmethod
    def from_dict(
        cls,
        data: Mapping[str, Any],
        reader: Reader | Any,
        callback_manager: CallbackManager | None = None,
    ) -> AT2Synthesizer:
        """Return a synthesizer like the one that :meth:`to_dict` was called on.

        Args:
            data: What :meth:`to_dict` returned; its ``model`` is not compared with the reader's.
            reader: The reader that answers, or what has its model loaded.
            callback_manager: LlamaIndex's callbacks, which are told of each question and answer.
        """
        fields = {key: value for key, value in data.items() if key not in ("class_name", "model")}
        fields["options"] = with_template(data["options"])
        return cls(reader, callback_manager=callback_manager, **fields)

    def synthesize(
        self,
        query: QueryType,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
        **response_kwargs: Any,
    ) -> RESPONSE_TYPE:
        """Answer from nodes.

        Args:
            query: The question to answer.
            nodes: The nodes that were retrieved, best first; never changed.
            additional_source_nodes: Nodes to put behind the cited ones in ``source_nodes``.
            response_kwargs: Options for this response alone, as ``options`` are for all responses.

        Raises:
            ValueError: If the question is empty, an option cannot be used, or the nodes do not fit
                the model's context; while streaming, at the first piece of text.
        """
        query = _as_bundle(query)
        job = self._job(query.query_str, nodes, additional_source_nodes or (), response_kwargs)
        with self._telling(query) as tell:
            response = self._respond(job)
            tell(response)
        return response

    async def asynthesize(
        self,
        query: QueryType,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
        **response_kwargs: Any,
    ) -> RESPONSE_TYPE:
        """Answer as :meth:`synthesize` does, with the model in a thread of its own.

        Args:
            query: The question to answer.
            nodes: The nodes that were retrieved, best first; never changed.
            additional_source_nodes: Nodes to put behind the cited ones in ``source_nodes``.
            response_kwargs: Options for this response alone, as ``options`` are for all responses.

        Raises:
            ValueError: As for :meth:`synthesize`.
        """
        query = _as_bundle(query)
        job = self._job(query.query_str, nodes, additional_source_nodes or (), response_kwargs)
        with self._telling(query) as tell:
            response = await self._arespond(job)
            tell(response)
        return response

    def get_response(
        self, query_str: str, text_chunks: Sequence[str], **response_kwargs: Any
    ) -> RESPONSE_TEXT_TYPE:
        """Return the answer's text with markers, or a generator of it.

        Args:
            query_str: The question to answer.
            text_chunks: Texts to answer from; numbered as nodes are.
            response_kwargs: Options for this response alone, as ``options`` are for all responses.
        """
        job = self._job(query_str, _as_nodes(text_chunks), (), response_kwargs)
        return job.stream() if self._streaming else job.write()

    async def aget_response(
        self, query_str: str, text_chunks: Sequence[str], **response_kwargs: Any
    ) -> RESPONSE_TEXT_TYPE:
        """Return what :meth:`get_response` does, with the model in a thread of its own.

        Args:
            query_str: The question to answer.
            text_chunks: Texts to answer from; numbered as nodes are.
            response_kwargs: Options for this response alone, as ``options`` are for all responses.
        """
        job = self._job(query_str, _as_nodes(text_chunks), (), response_kwargs)
        return job.astream() if self._streaming else await asyncio.to_thread(job.write)

    def _get_prompts(self) -> PromptDictType:
        return {_PROMPT: self._template}

    def _update_prompts(self, prompts: PromptDictType) -> None:
        if _PROMPT in prompts:
            self._prompt = self._prompt.updated(prompts[_PROMPT])
            self._template = prompts[_PROMPT]

    def _job(
        self,
        question: str,
        nodes: Sequence[NodeWithScore],
        additional: Sequence[NodeWithScore],
        options: Mapping[str, Any],
    ) -> Job:
        nodes = list(nodes)
        passages = passages_of(nodes, self._metadata_mode)
        arguments = {
            "question": question,
            "passages": passages,
            "prune_to": self._prune_to,
            **self._options,
            "prompt": self._prompt.message,
            "system": self._prompt.system,
            **_plain(options),
        }
        told = None if self._has_nothing_to_read(**arguments) else arguments
        cited = CitedResponse(nodes, additional)
        return Job(self._reader, told, cited, self._empty_response)

    def _has_nothing_to_read(
        self, passages: Sequence[Passage], question: str, **options: Any
    ) -> bool:
        """Whether nothing was retrieved, and nothing was said of what to do then."""
        if not all(passage.is_empty for passage in passages):
            return False
        told = "on_empty" in options or self._reader.settings.on_empty == "answer"
        return not told and not self._reader.has_sources((), **options)

    @contextmanager
    def _telling(self, query: QueryBundle) -> Iterator[Callable[[RESPONSE_TYPE], None]]:
        """Tell LlamaIndex's listeners of the beginning, and of the end."""
        dispatcher.event(SynthesizeStartEvent(query=query))
        with self._callback_manager.event(
            CBEventType.SYNTHESIZE, payload={EventPayload.QUERY_STR: query.query_str}
        ) as event:

            def tell(response: RESPONSE_TYPE) -> None:
                event.on_end(payload={EventPayload.RESPONSE: response})
                dispatcher.event(SynthesizeEndEvent(query=query, response=response))

            yield tell

    def _respond(self, job: Job) -> RESPONSE_TYPE:
        cited = job.cited
        if self._streaming:
            return AT2StreamingResponse(
                job.stream(), cited.source_nodes, cited.by_node, at2=cited.metadata
            )
        return AT2Response(job.write(), cited.source_nodes, cited.by_node, cited.metadata)

    async def _arespond(self, job: Job) -> RESPONSE_TYPE:
        cited = job.cited
        if self._streaming:
            return AT2AsyncStreamingResponse(
                job.astream(), cited.source_nodes, cited.by_node, cited.metadata
            )
        text = await asyncio.to_thread(job.write)
        return AT2Response(text, cited.source_nodes, cited.by_node, cited.metadata)


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as a reader takes them."""
    history = {"history": history_of(options["history"])} if "history" in options else {}
    return {**options, **history}


def _as_bundle(query: QueryType) -> QueryBundle:
    return QueryBundle(query) if isinstance(query, str) else query


def _as_nodes(texts: Sequence[str]) -> list[NodeWithScore]:
    return [NodeWithScore(node=TextNode(text=text)) for text in texts]
