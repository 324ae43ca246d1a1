"""Chat templates: messages to text, with the last message's content at a known place."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from at2_rag.errors import InputError

logger = logging.getLogger(__name__)

Message = Mapping[str, Any]


def render_chat(
    tokenizer: PreTrainedTokenizerBase,
    content: str,
    history: Sequence[Message] = (),
    system: str | None = None,
) -> tuple[str, int]:
    """Return the chat prompt and the offset of ``content`` in it.

    The template is rendered around a marker that the content then replaces, so a template that
    trims or rewrites contents does not move or change it.

    Args:
        tokenizer: Its chat template is used.
        content: The user's message, kept as it is.
        history: Earlier messages, each with ``role`` and ``content``.
        system: System prompt, first of all messages.

    Raises:
        InputError: If a message is malformed, or the template loses or repeats the content.
    """
    messages = _checked(history)
    markers = _markers_not_in(f"{messages} {system} {tokenizer.chat_template}")
    marker = next(markers)
    messages = [*messages, {"role": "user", "content": marker}]
    text = _apply(tokenizer, messages, system, next(markers))
    if text.count(marker) != 1:
        raise InputError(
            f"The chat template shows the user's message {text.count(marker)} times; expected "
            "once. Set tokenizer.chat_template to one that keeps message contents."
        )
    offset = text.index(marker)
    return text[:offset] + content + text[offset + len(marker) :], offset


def render_plain(
    content: str, history: Sequence[Message] = (), system: str | None = None
) -> tuple[str, int]:
    """Return a plain-text prompt for models without a chat template, and the content's offset."""
    lines = [system] if system else []
    lines += [f"{m['role'].capitalize()}: {m['content']}" for m in _checked(history)]
    before = "".join(f"{line}\n\n" for line in lines)
    return f"{before}{content}\n\nAnswer:", len(before)


def _checked(history: Sequence[Message]) -> list[dict[str, Any]]:
    if not isinstance(history, Sequence):
        raise InputError(f"history is {history!r}; expected a list of messages.")
    for index, message in enumerate(history):
        if not isinstance(message, Mapping) or not {"role", "content"} <= message.keys():
            raise InputError(
                f"history[{index}] is {message!r}; expected a mapping with role and content."
            )
        for key in ("role", "content"):
            if not isinstance(message[key], str):
                raise InputError(
                    f"history[{index}][{key!r}] is a {type(message[key]).__name__}; "
                    "expected a string."
                )
    return [dict(message) for message in history]


def _markers_not_in(text: str) -> Iterator[str]:
    """Yield markers that no template changes: digits have no case and need no escaping.

    Each has a single 7, in front, so that digits around it cannot make it ambiguous.
    """
    markers = (f"7{number:016b}" for number in count())
    return (marker for marker in markers if marker not in text)


def _apply(
    tokenizer: PreTrainedTokenizerBase,
    messages: list[dict[str, Any]],
    system: str | None,
    marker: str,
) -> str:
    def apply(chat: list[dict[str, Any]]) -> str:
        text: str = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        return text

    def shows_system() -> bool:
        try:
            return marker in apply([{"role": "system", "content": marker}, *messages])
        except TemplateError:
            return False

    try:
        if system is None:
            return apply(messages)
        if shows_system():
            return apply([{"role": "system", "content": system}, *messages])
        # Templates without a system role raise (Gemma) or leave it out; the convention then is
        # to put the instructions in front of the first user message.
        return apply(_in_first_user_message(system, messages))
    except TemplateError as error:
        roles = [message["role"] for message in messages]
        raise InputError(
            f"The chat template refuses messages with the roles {roles}: {error}"
        ) from error


def _in_first_user_message(system: str, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    first = next(i for i, message in enumerate(messages) if message["role"] == "user")
    merged = {**messages[first], "content": f"{system}\n\n{messages[first]['content']}"}
    return [*messages[:first], merged, *messages[first + 1 :]]
