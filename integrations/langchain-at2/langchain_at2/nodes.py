"""Nodes for LangGraph: runnables from a state to an update of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from at2_rag import AnswerOptions, InputError, Reader
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from langchain_at2.annotations import references_text
from langchain_at2.citer import AT2Citer, CiterOptions
from langchain_at2.compressor import AT2DocumentCompressor
from langchain_at2.inputs import check_documents, text_of_question
from langchain_at2.ranking import most_used, scored_copies

Node = Runnable[Any, dict[str, Any]]


def prune_node(
    reader: Reader,
    *,
    top_n: int | None = 3,
    score_threshold: float | None = None,
    question_key: str = "question",
    documents_key: str = "documents",
    output_key: str | None = None,
    **reader_options: Unpack[AnswerOptions],
) -> Node:
    """Return a node that keeps the documents that a draft of the answer used most.

    The documents keep their order; each is a copy with ``metadata["relevance_score"]``.

    Args:
        reader: The local model that drafts the answer; or what has loaded it, as for
            :class:`AT2CitedAnswer`.
        top_n: How many documents to keep at most; ``None`` for any number.
        score_threshold: Score below which documents are not kept; ``None`` for no such bound.
        question_key: Where the state has the question: text, a message, or a list of messages
            whose last human one it is.
        documents_key: Where the state has the documents.
        output_key: Where the kept documents go in the state; ``None`` for where the documents were.
        reader_options: Options of ``reader.rank``, such as ``max_new_tokens`` of the draft; with
            ``rank_by="question"`` none is made.
    """
    # The compressor checks the options once, here, and not when the graph runs.
    options = AT2DocumentCompressor(
        reader=reader,
        top_n=top_n,
        score_threshold=score_threshold,
        reader_options=dict(reader_options),
    )

    def prune(state: Any) -> dict[str, Any]:
        documents = check_documents(_value(state, documents_key), documents_key)
        ranked = most_used(
            options.reader,
            documents,
            _question(state, question_key),
            top_n=options.top_n,
            score_threshold=options.score_threshold,
            options=options.reader_options,
        )
        return {output_key or documents_key: scored_copies(documents, sorted(ranked))}

    return RunnableLambda(prune, name="AT2Prune")


def cite_node(
    reader: Reader,
    *,
    question_key: str = "question",
    documents_key: str = "documents",
    answer_key: str = "answer",
    history_key: str | None = None,
    output_key: str | None = None,
    references_key: str = "references",
    supported_key: str = "supported",
    unsupported_key: str = "unsupported",
    **options: Unpack[CiterOptions],
) -> Node:
    """Return a node that cites the answer that the state has.

    It updates four keys; a graph takes those that its state declares:

    - the answer, as a message with citations;
    - the references, as numbered text;
    - ``supported``: ``False`` if there is an unsupported statement, ``True`` if all statements are
      known to be supported, ``None`` if the reader's estimator cannot tell, or the answer says
      only that it is not known;
    - ``unsupported``: the statements that are not supported, or that nothing was cited for; a
      refusal such as "The passages do not say." is none of them.

    Args:
        reader: The local model that scores the sources; or what has loaded it, as for
            :class:`AT2CitedAnswer`.
        question_key: As for :func:`prune_node`.
        documents_key: As for :func:`prune_node`.
        answer_key: Where the state has the answer: text, a message, or a list of messages that
            ends with it, which is then replaced.
        history_key: Where the state has earlier messages, if it has; they may be under the same
            key as question and answer. Results of tools among them are cited with
            ``reader_options={"source_kinds": ("passage", "tool")}``.
        output_key: Where the cited answer goes in the state; ``None`` for where the answer was.
        references_key: Where the references go in the state.
        supported_key: Where the verdict goes in the state, whether all statements are supported.
        unsupported_key: Where the unsupported statements go in the state.
        options: Options of ``AT2Citer``, by name.
    """
    citer = AT2Citer(reader=reader, **options)

    def cite(state: Any, config: RunnableConfig) -> dict[str, Any]:
        given = _value(state, answer_key)
        earlier, answer = (given[:-1], given[-1]) if _is_list(given) and given else ((), given)
        history = () if history_key is None else _value(state, history_key)
        if _is_list(history) and history_key == answer_key:
            history = earlier
        if _is_list(history) and history_key == question_key:
            history = _without_question(history)
        message = citer.invoke(
            {
                "question": _question(state, question_key),
                "documents": _value(state, documents_key),
                "answer": answer,
                "history": history,
            },
            config,
        )
        unsupported = _unsupported(message)
        return {
            output_key or answer_key: [*earlier, message] if _is_list(given) else message,
            references_key: references_text(message),
            supported_key: _supported(message, unsupported),
            unsupported_key: unsupported,
        }

    return RunnableLambda(cite, name="AT2Cite")


def _value(state: Any, key: str) -> Any:
    """Return what a state has under a key; states are dicts, dataclasses or pydantic models."""
    missing = object()
    found = state.get(key, missing) if isinstance(state, Mapping) else getattr(state, key, missing)
    if found is missing:
        names = list(state if isinstance(state, Mapping) else vars(state))
        raise InputError(
            f"The state has no {key!r} but {names}; expected it there. Name the keys of your "
            "state when you make the node, such as question_key=…"
        )
    return found


def _question(state: Any, key: str) -> Any:
    """Return the text of a question; anything else is left to the reader to refuse."""
    value = _value(state, key)
    if _is_list(value):
        value = next((m for m in reversed(value) if isinstance(m, HumanMessage)), None)
    return text_of_question(value)


def _without_question(messages: Sequence[Any]) -> Sequence[Any]:
    """Return messages without a question that ends them; behind it tools may have been called."""
    return messages[:-1] if messages and isinstance(messages[-1], HumanMessage) else messages


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _unsupported(message: AIMessage) -> list[str]:
    text = str(message.text)
    return [
        text[statement["start"] : statement["end"]]
        for statement in _claims(message)
        if statement["supported"] is False or not statement["citations"]
    ]


def _supported(message: AIMessage, unsupported: Sequence[str]) -> bool | None:
    if unsupported:
        return False
    claims = _claims(message)
    return True if claims and all(statement["supported"] for statement in claims) else None


def _claims(message: AIMessage) -> list[dict[str, Any]]:
    """Return what is known of the statements that say more than that the answer is not there."""
    statements = message.response_metadata["at2"]["statements"]
    return [statement for statement in statements if not statement["refusal"]]
