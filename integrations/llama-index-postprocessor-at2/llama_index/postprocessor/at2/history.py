"""Earlier messages of a chat, as chat templates take them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.bridge.pydantic import BaseModel

from at2_rag import InputError

#: What LlamaIndex calls roles that chat templates call otherwise.
_ROLES = {
    MessageRole.FUNCTION: "tool",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
}


def history_of(messages: Any) -> Any:
    """Turn messages into what chat templates take, one into one.

    Calls of tools and their results keep names, arguments and ids.

    Args:
        messages: A list of LlamaIndex's chat messages. What is something else stays as it is, for
            the reader to take or to refuse.

    Raises:
        InputError: If the call of a tool is not of a known form.
    """
    if not isinstance(messages, Sequence):
        return messages
    return [_as_told(m) if isinstance(m, ChatMessage) else m for m in messages]


def _as_told(message: ChatMessage) -> dict[str, Any]:
    calls = _calls_in(message)
    told: dict[str, Any] = {
        "role": _ROLES.get(message.role, message.role.value),
        # Templates tell a mere call by content that is none.
        "content": (message.content or None) if calls else message.content,
    }
    if calls:
        told["tool_calls"] = calls
    if told["role"] == "tool":
        given = {name: message.additional_kwargs.get(name) for name in ("name", "tool_call_id")}
        told |= {name: value for name, value in given.items() if value is not None}
    return told


def _calls_in(message: ChatMessage) -> list[dict[str, Any]]:
    """Return the calls in a message's blocks; in older messages, those beside them."""
    blocks = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    if blocks:
        return [_called(b.tool_call_id, b.tool_name, b.tool_kwargs) for b in blocks]
    beside = message.additional_kwargs.get("tool_calls") or ()
    return [_as_called(call) for call in beside]


def _as_called(call: Any) -> dict[str, Any]:
    """Return a call in the form that OpenAI has, as a mapping or as one of its objects."""
    plain = call.model_dump() if isinstance(call, BaseModel) else call
    try:
        return _called(plain.get("id"), plain["function"]["name"], plain["function"]["arguments"])
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(
            f"A message of the history has the call {call!r}; expected a ToolCallBlock, or a "
            "mapping of id and function, with name and arguments."
        ) from error


def _called(identifier: str | None, name: str, arguments: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": _arguments(arguments)}
    known = {} if identifier is None else {"id": identifier}
    return {**known, "type": "function", "function": function}


def _arguments(arguments: Any) -> Any:
    """Return arguments as a mapping where they are one in JSON, as templates want them."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments
