"""Earlier messages of a chat, as chat templates take them."""

from __future__ import annotations

from typing import Any

from at2_rag import InputError
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
    convert_to_messages,
)

#: A message with ``role``, ``content`` and what else a template looks at.
TemplateMessage = dict[str, Any]

_ROLES: tuple[tuple[type[BaseMessage], str], ...] = (
    (HumanMessage, "user"),
    (AIMessage, "assistant"),
    (SystemMessage, "system"),
    (ToolMessage, "tool"),
)


def read_history(messages: Any) -> tuple[TemplateMessage, ...]:
    """Turn messages into what chat templates take, one into one.

    Calls of tools and their results keep names, arguments and ids. What an earlier message has of
    reasoning is left out, as chat templates do.

    Args:
        messages: Messages of a chat, or whatever LangChain makes messages of.

    Raises:
        InputError: If they are no messages, or one is of another kind or says nothing.
    """
    try:
        converted = convert_to_messages(messages)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise InputError(f"history cannot be read as messages: {error}") from error
    return tuple(_as_told(message, index) for index, message in enumerate(converted))


def _as_told(message: BaseMessage, index: int) -> TemplateMessage:
    text = str(message.text)
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    role = _role_of(message)
    if role is None or not (text.strip() or calls or _may_be_blank(message)):
        what = type(message).__name__ + ("" if text.strip() else " without text")
        raise InputError(
            f"history[{index}] is a {what}; expected human, AI, system, tool or chat messages "
            "with text, or with calls of tools. Leave it out."
        )
    # Templates tell a mere call by content that is none.
    told: TemplateMessage = {"role": role, "content": text if text.strip() or not calls else None}
    if calls:
        told["tool_calls"] = [_as_called(call) for call in calls]
    if isinstance(message, ToolMessage):
        told |= _known(name=message.name, tool_call_id=message.tool_call_id)
    return told


def _role_of(message: BaseMessage) -> str | None:
    if isinstance(message, ChatMessage):
        return message.role
    return next((role for kind, role in _ROLES if isinstance(message, kind)), None)


def _may_be_blank(message: BaseMessage) -> bool:
    """Tell whether it is the result of a tool that had nothing to say."""
    return isinstance(message, ToolMessage) and isinstance(message.content, str)


def _as_called(call: ToolCall) -> TemplateMessage:
    function = {"name": call["name"], "arguments": call["args"]}
    return {**_known(id=call["id"]), "type": "function", "function": function}


def _known(**values: str | None) -> TemplateMessage:
    return {name: value for name, value in values.items() if value is not None}
