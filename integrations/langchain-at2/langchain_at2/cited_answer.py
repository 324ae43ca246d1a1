"""Answering from documents, with citations."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, closing
from typing import Any, cast

from at2_rag import Answer, Event, Statement, Thinking, Verification, Writing
from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import run_in_executor
from pydantic import Field

from langchain_at2.base import ReaderRunnable
from langchain_at2.batching import answer_all
from langchain_at2.inputs import AnswerInput, ChainInput, Request, read_request
from langchain_at2.messages import MessageWriter, answer_to_message, uncited_chunk

_Configs = RunnableConfig | list[RunnableConfig] | None


class AT2CitedAnswer(ReaderRunnable):
    """Answers a question from documents, and cites what made the model say each statement.

    From ``{"question", "context" | "documents", "history"?}`` to an ``AIMessage``; ``input`` and
    ``chat_history``, as ``create_retrieval_chain`` has them, do as well. The message's text block
    has an annotation for each citation; ``response_metadata["at2"]`` has the scoring model, the
    estimator, tokens, the documents shown (``kept``) or left out (``dropped``), and what is known
    of each statement. What a reasoning model thinks is a reasoning block in front of the text.

    Attributes:
        prune_to: How many documents to answer from again: those that a first draft used most. With
            no more documents than that, and with ``None``, the model answers once.
        empty_response: What the message says where nothing was retrieved that could be cited; the
            model is not asked then. With ``on_empty`` among the reader's options, it is as that
            says: ``"answer"`` has the model answer without documents, ``"error"`` raises.
    """

    prune_to: int | None = Field(default=None, ge=1)
    empty_response: str = "No documents were found to answer from."

    @property
    def InputType(self) -> Any:
        """What :meth:`invoke` takes."""
        return AnswerInput | ChainInput

    def batch(
        self,
        inputs: list[dict[str, Any]],
        config: _Configs = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """Answer many questions, those of like length at a time.

        Args:
            inputs: Questions with documents and so on, each as for :meth:`invoke`.
            config: How the calls are run: one for all, or one for each.
            return_exceptions: Whether to return errors in their places instead of raising the
                first.
            kwargs: Options for this call alone, by name.
        """
        chosen = self._with(kwargs)
        return chosen._batch_with_config(
            chosen._run_all, inputs, config, return_exceptions=return_exceptions
        )

    async def abatch(
        self,
        inputs: list[dict[str, Any]],
        config: _Configs = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """Do what :meth:`batch` does, with the model in a thread.

        Args:
            inputs: As for :meth:`batch`.
            config: As for :meth:`batch`.
            return_exceptions: As for :meth:`batch`.
            kwargs: As for :meth:`batch`.
        """
        chosen = self._with(kwargs)

        async def run(values: list[dict[str, Any]]) -> list[AIMessage | Exception]:
            return await run_in_executor(None, chosen._run_all, values)

        return await chosen._abatch_with_config(
            run, inputs, config, return_exceptions=return_exceptions
        )

    def stream(
        self, input: dict[str, Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[AIMessageChunk]:
        """Yield thoughts and text as they come, and citations as soon as a statement ends.

        The chunks add up to what :meth:`invoke` returns. Citations that are proven, or scored by
        other means than attention, come when the text is there. With ``inline_markers``, text waits
        where its marks do: for these, and for the end of a paragraph that holds code or links, or
        of a table.

        Args:
            input: As for :meth:`invoke`.
            config: As for :meth:`invoke`.
            kwargs: As for :meth:`invoke`.
        """
        chosen = self._with(kwargs)
        chunks = chosen._transform_stream_with_config(iter([input]), chosen._chunks, config)
        yield from cast("Iterator[AIMessageChunk]", chunks)

    async def astream(
        self, input: dict[str, Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessageChunk]:
        """Yield what :meth:`stream` yields, with the model in a thread of its own.

        Args:
            input: As for :meth:`invoke`.
            config: As for :meth:`invoke`.
            kwargs: As for :meth:`invoke`.
        """
        chosen = self._with(kwargs)

        async def inputs() -> AsyncIterator[dict[str, Any]]:
            yield input

        chunks = chosen._atransform_stream_with_config(inputs(), chosen._achunks, config)
        async with aclosing(cast("AsyncGenerator[AIMessageChunk]", chunks)) as given:
            async for chunk in given:
                yield chunk

    def _run(self, value: dict[str, Any]) -> AIMessage:
        request = read_request(value)
        if (chunk := self._unanswered(request)) is not None:
            return cast("AIMessage", message_chunk_to_message(chunk))
        passages = request.readable_passages
        answer = self.reader.answer(request.question, passages, **self._arguments(request))
        return self._message(request, answer)

    def _run_all(self, values: list[dict[str, Any]]) -> list[AIMessage | Exception]:
        results: dict[int, AIMessage | Exception] = {}
        requests: dict[int, Request] = {}
        for index, value in enumerate(values):
            try:
                request = read_request(value)
                if (chunk := self._unanswered(request)) is None:
                    requests[index] = request
                else:
                    results[index] = cast("AIMessage", message_chunk_to_message(chunk))
            except Exception as error:
                results[index] = error
        answers = answer_all(self.reader, list(requests.values()), self._options)
        for (index, request), answer in zip(requests.items(), answers, strict=True):
            try:
                results[index] = (
                    answer if isinstance(answer, Exception) else self._message(request, answer)
                )
            except Exception as error:
                results[index] = error
        return [results[index] for index in range(len(values))]

    def _chunks(self, inputs: Iterator[dict[str, Any]]) -> Iterator[AIMessage]:
        for value in inputs:
            request = read_request(value)
            if (chunk := self._unanswered(request)) is not None:
                yield chunk
                continue
            writer = MessageWriter(request.question, request.passages, self.inline_markers)
            events = self.reader.stream(
                request.question, request.readable_passages, **self._arguments(request)
            )
            with closing(cast("Any", events)):
                for event in events:
                    proof = self._proof(event)
                    yield from _write(writer, event, proof)

    async def _achunks(self, inputs: AsyncIterator[dict[str, Any]]) -> AsyncIterator[AIMessage]:
        async for value in inputs:
            request = read_request(value)
            if (unanswered := self._unanswered(request)) is not None:
                yield unanswered
                continue
            writer = MessageWriter(request.question, request.passages, self.inline_markers)
            events = self.reader.astream(
                request.question, request.readable_passages, **self._arguments(request)
            )
            async with aclosing(cast("Any", events)):
                async for event in events:
                    proof = None
                    if self.verify and isinstance(event, Answer):
                        proof = await run_in_executor(None, self._proof, event)
                    for chunk in _write(writer, event, proof):
                        yield chunk

    def _unanswered(self, request: Request) -> AIMessageChunk | None:
        """Return the message for a request with nothing to answer from; ``None`` if it has."""
        if not all(passage.is_empty for passage in request.passages):
            return None
        options = self._arguments(request)
        if "on_empty" in options or self.reader.settings.on_empty == "answer":
            return None
        if self.reader.has_sources((), **options):
            return None
        return uncited_chunk(request.question, request.passages, self.empty_response, self.reader)

    def _proof(self, event: Event) -> Verification | None:
        return self._verification(event) if isinstance(event, Answer) else None

    def _message(self, request: Request, answer: Answer) -> AIMessage:
        return answer_to_message(
            answer,
            inline_markers=self.inline_markers,
            verification=self._verification(answer),
            passages=request.passages,
        )

    def _arguments(self, request: Request) -> dict[str, Any]:
        return {"history": request.history, **self._options}

    @property
    def _options(self) -> dict[str, Any]:
        return self._own_options | ({} if self.prune_to is None else {"prune_to": self.prune_to})


def _write(
    writer: MessageWriter, event: Event, proof: Verification | None
) -> Iterator[AIMessageChunk]:
    """Yield what an event of the reader's stream adds to the message."""
    if isinstance(event, Thinking):
        yield from writer.add_thoughts(event.text)
    elif isinstance(event, Writing):
        yield from writer.add_ahead(event.text)
    elif isinstance(event, str):
        yield from writer.add_text(event)
    elif isinstance(event, Statement):
        yield from writer.add_statement(event)
    else:
        yield from writer.end(event, proof)
