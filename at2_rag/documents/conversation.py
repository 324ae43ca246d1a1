"""A conversation around a question, and which of its messages are documents to cite."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from at2_rag.documents.passages import Passage, SourceKind, check_text
from at2_rag.errors import InputError

Message = Mapping[str, Any]

#: The id of the system prompt's document.
SYSTEM_ID = "system"

#: Of the roles whose messages are something else than messages.
_KINDS: dict[str, SourceKind] = {
    "tool": "tool",
    "function": "tool",
    "ipython": "tool",
    "system": "system",
    "developer": "system",
}


#: What the roles of chat templates are called; some templates know others besides.
_ROLES = ("user", "assistant", *_KINDS)

#: What they are called elsewhere.
_CALLED_OTHERWISE = {"human": "user", "ai": "assistant", "bot": "assistant"}


@dataclass(frozen=True)
class Conversation:
    """What is said around the user's message.

    Attributes:
        history: The messages of the chat, in order; the one at ``place`` is the user's, if it is
            among them.
        system: System prompt, first of all messages; ``None`` for none.
        place: Index in ``history`` of the message that the user's message takes the place of; how
            many messages there are, where it comes behind them all.
    """

    history: tuple[Message, ...]
    system: str | None
    place: int

    @classmethod
    def about(
        cls, question: str, history: Sequence[Message] = (), system: str | None = None
    ) -> Conversation:
        """Return the conversation around a question.

        The user's message comes last, with one exception: behind the result of a tool that was
        called for the very question, the model is to answer and not to be asked again. So where
        ``history`` ends with a tool's result, and its last user message is the question, the user's
        message is that one.

        Args:
            question: What the user asks.
            history: Earlier messages, each with ``role`` and ``content``, and with anything else
                that a chat template looks at.
            system: System prompt, to come first of all messages; ``None`` for none.

        Raises:
            InputError: If a message is malformed.
        """
        messages = checked_history(history)
        return cls(messages, system, _place_of(question, messages))

    def messages(self, content: str) -> list[dict[str, Any]]:
        """Return all messages but the system prompt, with ``content`` as the user's."""
        before, behind = self.history[: self.place], self.history[self.place + 1 :]
        return [*map(dict, before), {"role": "user", "content": content}, *map(dict, behind)]

    def documents(self, kinds: Collection[SourceKind]) -> tuple[Passage, ...]:
        """Return the system prompt and the messages that are of these kinds and have text.

        Those of no other kind are messages, whatever their role. The user's is never among them.
        """
        found = [self._document(index) for index in range(len(self.history)) if index != self.place]
        if self.system is not None:
            metadata = {"role": "system", "history_index": None}
            found.insert(0, Passage(self.system, None, SYSTEM_ID, None, metadata, "system"))
        return tuple(p for p in found if p.kind in kinds and not p.is_empty)

    def with_texts(self, texts: Mapping[str | None, str]) -> Conversation:
        """Return the same with other texts, by the ids of their documents."""
        history = tuple(
            {**message, "content": texts[_id(index)]} if _id(index) in texts else message
            for index, message in enumerate(self.history)
        )
        return replace(self, history=history, system=texts.get(SYSTEM_ID, self.system))

    @property
    def ends_in_tools(self) -> bool:
        """Whether the user's message is not the last one."""
        return self.place < len(self.history)

    def with_last_text(self, text: str) -> Conversation:
        """Return the same with another text as the last message of the history."""
        *before, last = self.history
        return replace(self, history=(*before, {**last, "content": text}))

    def _document(self, index: int) -> Passage:
        message = self.history[index]
        kind = _KINDS.get(message["role"], "message")
        return Passage(
            message.get("content") or "",
            self._tool_name(message) if kind == "tool" else None,
            _id(index),
            metadata={"role": message["role"], "history_index": index},
            kind=kind,
        )

    def _tool_name(self, message: Message) -> str | None:
        """Return the name of the tool that a message is from, told in it or in the call."""
        calls = [call for earlier in self.history for call in earlier.get("tool_calls") or ()]
        told = [message.get("name")]
        told += [
            call.get("function", {}).get("name")
            for call in calls
            if "tool_call_id" in message and call.get("id") == message["tool_call_id"]
        ]
        return next((name for name in told if name and isinstance(name, str)), None)


def is_instruction(message: Message) -> bool:
    """Tell whether a message tells the model what to do, as a system prompt does."""
    return _KINDS.get(message["role"]) == "system"


def _id(index: int) -> str:
    return f"history[{index}]"


def _place_of(question: str, history: Sequence[Message]) -> int:
    if history and _KINDS.get(history[-1]["role"]) == "tool":
        asked = [index for index, message in enumerate(history) if message["role"] == "user"]
        if asked and history[asked[-1]]["content"].strip() == question.strip():
            return asked[-1]
    return len(history)


def checked_history(history: Sequence[Message]) -> tuple[Message, ...]:
    """Return copies of messages that a conversation can hold.

    Raises:
        InputError: If one has no role or no content and calls no tool, they are no strings, or a
            role is all but the name of a known one.
    """
    if not isinstance(history, Sequence):
        raise InputError(f"history is {history!r}; expected a list of messages.")
    for index, message in enumerate(history):
        _check_message(_id(index), message)
    return tuple(dict(message) for message in history)


def _check_message(name: str, message: Message) -> None:
    if not isinstance(message, Mapping) or "role" not in message:
        raise InputError(f"{name} is {message!r}; expected a mapping with role and content.")
    if not isinstance(message["role"], str):
        raise _wrong_type(f"{name}['role']", message["role"], "a string")
    _check_role(f"{name}['role']", message["role"])
    calls = message.get("tool_calls")
    if calls is not None and not (
        isinstance(calls, list | tuple) and all(isinstance(call, Mapping) for call in calls)
    ):
        raise _wrong_type(f"{name}['tool_calls']", calls, "a list of mappings")
    if calls and message.get("content") is None and message["role"] != "user":
        return  # which is how a call without a word beside it is written
    if "content" not in message:
        raise InputError(f"{name} is {message!r}; expected a mapping with role and content.")
    if not isinstance(message["content"], str):
        expected = "a string"
        if _KINDS.get(message["role"]) == "tool":
            expected = "a string; json.dumps makes one of a tool's result"
        elif message["content"] is None:
            expected = "a string, or tool_calls beside it"
        raise _wrong_type(f"{name}['content']", message["content"], expected)
    check_text(f"{name}['content']", message["content"])


def _check_role(name: str, role: str) -> None:
    """Raise ``InputError`` for a misspelt role, which templates pass over without a word."""
    meant = [_CALLED_OTHERWISE[role.casefold()]] if role.casefold() in _CALLED_OTHERWISE else []
    meant = meant or get_close_matches(role.casefold(), _ROLES, 1, 0.75)
    if meant and role not in _ROLES:
        raise InputError(
            f"{name} is {role!r}; expected one of {', '.join(_ROLES)}, or what else the chat "
            f"template knows. Did you mean {meant[0]}?"
        )


def _wrong_type(name: str, value: Any, expected: str) -> InputError:
    return InputError(f"{name} is a {type(value).__name__}; expected {expected}.")
