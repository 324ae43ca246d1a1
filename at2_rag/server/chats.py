"""From a chat completion's messages to a question, passages and history."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from at2_rag.documents.passages import Passage
from at2_rag.server.asked import Asked
from at2_rag.server.documents import passages_of
from at2_rag.server.limits import Limits
from at2_rag.server.problems import Problem
from at2_rag.server.wire import ChatRequest

_TOOLS = ("tool", "function")

#: How Open WebUI writes what it has retrieved into the user's message or the system prompt.
_CONTEXT = re.compile(r"<context>\s*(<source\b.*?)\s*</context>", re.DOTALL)
_SOURCE = re.compile(r"<source\b([^>]*)>(.*?)</source>", re.DOTALL)
_NAME = re.compile(r'\bname="([^"]*)"')


@dataclass(frozen=True)
class Talk:
    """What a chat completion's messages say.

    Attributes:
        question: The user's last message, without passages that were written into it.
        place: Index of that message.
        messages: All messages, with text alone as content.
        passages: Passages that were written into messages.
    """

    question: str
    place: int
    messages: list[dict[str, Any]]
    passages: list[Passage]

    @property
    def history(self) -> list[dict[str, Any]]:
        """All messages but the question; with it, where tools were called for it."""
        if self.place == len(self.messages) - 1:
            return self.messages[:-1]
        asked = {**self.messages[self.place], "content": self.question}
        return [*self.messages[: self.place], asked, *self.messages[self.place + 1 :]]


def talk_of(messages: Sequence[Mapping[str, Any]]) -> Talk:
    """Return what messages say.

    Args:
        messages: The messages of the request.

    Raises:
        Problem: If one has something else than text, or the last is neither a question nor the
            result of a tool that was called for one.
    """
    plain = [_plain(message, f"messages[{i}]") for i, message in enumerate(messages)]
    users = [i for i, message in enumerate(plain) if message["role"] == "user"]
    if not users or plain[-1]["role"] not in ("user", *_TOOLS):
        raise Problem(
            400,
            "The last message is no question; expected one with the role user, or the results of "
            "tools behind it.",
            "invalid_value",
            "messages",
        )
    place = users[-1]
    if not plain[place]["content"].strip():
        name = f"messages[{place}]"
        told = f"{name} says {plain[place]['content']!r}; expected a question."
        raise Problem(400, told, "invalid_value", name)
    return _with_context(Talk(plain[place]["content"], place, plain, []))


def asked_of(request: ChatRequest, limits: Limits) -> Asked:
    """Return what a chat completion asks of a reader.

    Args:
        request: The request for a chat completion.
        limits: The server's bounds.

    Raises:
        Problem: If messages or documents cannot be used.
    """
    _refuse_several(request)
    talk = talk_of(request.messages)
    documents = passages_of(request.documents or [], limits, "documents")
    return Asked(
        talk.question,
        [*documents, *talk.passages],
        list(talk.history),
        {"on_empty": "answer", **kinds_of(talk), **_generation(request, limits)},
        request.at2.prune_to,
        request.seed if request.seed is not None else request.at2.seed,
    )


def _plain(message: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a message whose content is text."""
    if not isinstance(message.get("role"), str):
        raise Problem(400, f"{name} has no role; expected such as user.", "invalid_value", name)
    message = _with_calls_read(message)
    content = message.get("content")
    if isinstance(content, list):
        return {**message, "content": "".join(_text(part, name) for part in content)}
    if content is None and message["role"] == "assistant":
        return {**message, "content": ""}
    if not isinstance(content, str):
        told = f"{name} has no text; expected a string, or parts with text, as content."
        raise Problem(400, told, "invalid_value", name)
    return dict(message)


def _with_calls_read(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a message whose calls of tools have arguments as chat templates expect them.

    Clients send them as JSON in a string; what is no JSON stays as it is.
    """
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return message
    return {**message, "tool_calls": [_read_call(call) for call in calls]}


def _read_call(call: Any) -> Any:
    try:
        arguments = json.loads(call["function"]["arguments"])
    except (TypeError, KeyError, ValueError):
        return call
    return {**call, "function": {**call["function"], "arguments": arguments}}


def _text(part: object, name: str) -> str:
    text = part.get("text") if isinstance(part, Mapping) else None
    if not isinstance(text, str):
        told = f"{name} has a part that is no text; expected text alone, which this model reads."
        raise Problem(400, told, "invalid_value", name)
    return text


def _with_context(talk: Talk) -> Talk:
    """Return the talk with passages that a front end wrote into its messages taken out."""
    for index in (talk.place, *range(talk.place)):
        content = talk.messages[index]["content"]
        found = _CONTEXT.search(content)
        role = talk.messages[index]["role"]
        if found is None or (index != talk.place and role not in ("system", "developer")):
            continue
        passages = [_source(attributes, text) for attributes, text in _SOURCE.findall(found[1])]
        behind, before = content[found.end() :].strip(), content[: found.start()].strip()
        if index == talk.place:
            return replace(talk, question=behind or before, passages=passages)
        messages = [*talk.messages]
        messages[index] = {**messages[index], "content": behind}
        kept = [m for m in messages if m is not messages[index] or behind]
        moved = talk.place - (len(messages) - len(kept))
        return replace(talk, messages=kept, passages=passages, place=moved)
    return talk


def _source(attributes: str, text: str) -> Passage:
    name = _NAME.search(attributes)
    return Passage(text.strip(), title=name[1] if name and name[1] else None)


def kinds_of(talk: Talk) -> dict[str, Any]:
    """Return what else than passages is cited: tools' results, where there are any.

    Args:
        talk: What the messages say.
    """
    if any(message["role"] in _TOOLS for message in talk.messages):
        return {"source_kinds": ("passage", "thought", "tool")}
    return {}


def _generation(request: ChatRequest, limits: Limits) -> dict[str, Any]:
    own = request.at2.settings(limits)
    longest = request.max_completion_tokens or request.max_tokens
    if longest is not None:
        own["max_new_tokens"] = min(longest, limits.new_tokens)
    given = {"temperature": request.temperature, "top_p": request.top_p}
    told = {name: value for name, value in given.items() if value is not None}
    sampling = request.at2.model_copy(update=told).sampling()
    stop = {} if request.stop is None else {"stop_strings": request.stop}
    return {**own, **sampling, **stop}


def _refuse_several(request: ChatRequest) -> None:
    if request.n not in (None, 1):
        raise Problem(400, f"n is {request.n}; expected 1. Ask again for another.", None, "n")
