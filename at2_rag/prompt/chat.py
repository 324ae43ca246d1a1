"""Chat templates: messages to text, with what comes from outside at known places."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice, takewhile
from types import MappingProxyType
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from at2_rag.documents.conversation import SYSTEM_ID, Conversation, Message, is_instruction
from at2_rag.documents.passages import Passage
from at2_rag.errors import InputError
from at2_rag.prompt.template import PromptTemplate
from at2_rag.spans import Span


@dataclass(frozen=True)
class RenderedChat:
    """A conversation as text, up to where the answer begins.

    Attributes:
        text: The whole conversation, up to where the answer begins.
        content: Which characters of the text are the user's message.
        verbatim: Which characters of the text each document has that was put in as it is.
        ending: What the text ends in, behind the last message.
    """

    text: str
    content: Span
    verbatim: tuple[Span, ...]
    ending: str


def render_chat(
    tokenizer: PreTrainedTokenizerBase,
    content: str,
    conversation: Conversation,
    verbatim: Sequence[Passage] = (),
    options: Mapping[str, Any] = MappingProxyType({}),
) -> RenderedChat:
    """Return the chat prompt, and where ``content`` and all that is ``verbatim`` lie in it.

    The template is rendered around markers that these texts then replace, so a template that trims,
    escapes or rewrites contents does not move or change them. All other messages go through it as
    they are.

    Args:
        tokenizer: The tokenizer whose chat template is used.
        content: The user's message, kept as it is.
        conversation: What is said around the user's message.
        verbatim: Documents of the conversation to keep as they are, known by their ids; with other
            texts than the conversation has, these are put in.
        options: Options of the template, by name.

    Raises:
        InputError: If the template refuses the messages, or loses or repeats one to be kept.
    """

    def write(marked: Conversation, marker: str, unused: str) -> str:
        return _apply(tokenizer, marked.messages(marker), marked.system, unused, options)

    taken = f"{conversation} {tokenizer.chat_template} {dict(options)}"
    return _render(write, content, conversation, verbatim, taken)


#: What a plain-text prompt ends in, and what many a text has before that.
_ANSWER, _QUESTION = "Answer:", "Question:"

#: What a line of a template begins with, up to a colon that ends a heading: none of a web address
#: or of a time of day.
_HEADING = re.compile(r"^(?=[^\n:]*[^\W\d_])[^\n:{}]{1,60}:(?=\s|\{|$)", re.MULTILINE)


def render_plain(
    content: str, conversation: Conversation, verbatim: Sequence[Passage] = ()
) -> RenderedChat:
    """Return a plain-text prompt for models without a chat template, and what lies where in it.

    Args:
        content: The user's message, kept as it is.
        conversation: What is said around the user's message.
        verbatim: As for :func:`render_chat`.
    """

    def write(marked: Conversation, marker: str, _: str) -> str:
        lines = [marked.system] if marked.system else []
        messages = marked.messages(marker)
        lines += [marker if i == marked.place else _line(m) for i, m in enumerate(messages)]
        return "".join(f"{line}\n\n" for line in lines) + _ANSWER

    return _render(write, content, conversation, verbatim, f"{conversation}")


def plain_turns(template: PromptTemplate, conversation: Conversation) -> tuple[str, ...]:
    """Return what a model that continues :func:`render_plain` begins another turn with.

    Args:
        template: How the user's message is written.
        conversation: What is said around the user's message.
    """
    written = "\n".join((template.message, template.titled, template.untitled))
    said = [*_HEADING.findall(written), *map(_role, conversation.messages(""))]
    return tuple(f"\n{heading}" for heading in dict.fromkeys([*said, _QUESTION, _ANSWER]))


def _line(message: Message) -> str:
    said = [message["content"]] if message.get("content") else []
    if calls := message.get("tool_calls"):
        said.append(json.dumps(calls, ensure_ascii=False, default=str))
    return f"{_role(message)} {' '.join(said)}"


def _role(message: Message) -> str:
    return f"{message['role'].capitalize()}:"


def _render(
    write: Callable[[Conversation, str, str], str],
    content: str,
    conversation: Conversation,
    verbatim: Sequence[Passage],
    taken: str,
) -> RenderedChat:
    """Write a conversation with markers in it, and put texts in their places.

    Args:
        write: Writes a conversation, with a marker as the user's message and one that is nowhere.
        content: What replaces the user's message.
        conversation: What is said around the user's message.
        verbatim: Documents of the conversation that replace the other markers.
        taken: Text that a marker must not be found in.
    """
    unused, last, *markers = islice(_markers_not_in(taken), 3 + len(verbatim))
    marks = {document.id: mark for document, mark in zip(verbatim, markers[1:], strict=True)}
    text = write(conversation.with_texts(marks), markers[0], unused)
    if (shown := text.count(markers[0])) != 1:
        raise InputError(
            f"The chat template shows the user's message {shown} times; expected once. "
            "Set tokenizer.chat_template to one that keeps message contents."
        )
    for document, marker in zip(verbatim, markers[1:], strict=True):
        if (shown := text.count(marker)) != 1:
            raise _not_once(document, shown)
    ending = text.partition(markers[0])[2]
    if conversation.ends_in_tools:  # and what a tool said is not what the prompt ends in
        marked = write(conversation.with_last_text(last), markers[0], unused)
        ending = marked.rpartition(last)[2] if last in marked else ending
    texts = [content, *(document.text for document in verbatim)]
    return _with_texts(text, markers, texts, ending)


def _with_texts(
    text: str, markers: Sequence[str], texts: Sequence[str], ending: str
) -> RenderedChat:
    """Put a text in the place of each marker."""
    result, done = "", 0
    spans: dict[int, Span] = {}
    for position, index in sorted((text.index(mark), i) for i, mark in enumerate(markers)):
        result += text[done:position]
        spans[index] = (len(result), len(result) + len(texts[index]))
        result += texts[index]
        done = position + len(markers[index])
    content, *verbatim = (spans[index] for index in range(len(markers)))
    return RenderedChat(result + text[done:], content, tuple(verbatim), ending)


def _not_once(document: Passage, shown: int) -> InputError:
    name = "the system prompt" if document.id == SYSTEM_ID else document.id
    return InputError(
        f"The chat template shows {name} (role {document.metadata['role']}) {shown} times; "
        f"expected once, to know where it lies. Leave {document.kind!r} out of source_kinds, take "
        "the text out of this message, or set tokenizer.chat_template to one that keeps it."
    )


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
    unused: str,
    options: Mapping[str, Any],
) -> str:
    def rendered(chat: list[dict[str, Any]]) -> str:
        text: str = tokenizer.apply_chat_template(
            chat, tokenize=False, add_generation_prompt=True, **options
        )
        return text

    def apply(chat: list[dict[str, Any]]) -> str:
        try:
            return rendered(chat)
        except (TemplateError, TypeError):
            if all(message.get("content") is not None for message in chat):
                raise
            # A template that knows no calls adds up texts, and a call may have none beside it.
            return rendered([{**one, "content": one.get("content") or ""} for one in chat])

    def shows(arranged: list[dict[str, Any]], instructions: int) -> bool:
        try:
            return apply(arranged).count(unused) >= instructions
        except (TemplateError, TypeError):
            return False

    chat = messages if system is None else [{"role": "system", "content": system}, *messages]
    probe = [{**m, "content": unused} if is_instruction(m) else m for m in chat]
    instructions = sum(map(is_instruction, chat))
    _check_templates(tokenizer, options)
    try:
        for arrange in _ARRANGEMENTS if instructions else ():
            if shows(arrange(probe), instructions):
                return apply(arrange(chat))
        return apply(_in_user_messages(chat))
    except (TemplateError, TypeError) as error:  # the latter where it adds to None
        roles = [message["role"] for message in messages]
        raise InputError(
            f"The chat template refuses messages with the roles {roles}: {error}"
        ) from error


def _check_templates(tokenizer: PreTrainedTokenizerBase, options: Mapping[str, Any]) -> None:
    """Raise ``InputError`` where a tokenizer has several templates, and none is to be taken."""
    templates = tokenizer.chat_template
    if not isinstance(templates, Mapping) or options.get("chat_template") is not None:
        return
    if "default" not in templates and not ("tool_use" in templates and options.get("tools")):
        raise InputError(
            f"The tokenizer has the chat templates {sorted(templates)}; expected one called "
            '"default". Set tokenizer.chat_template to one of them.'
        )


def _as_given(chat: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return chat


def _in_one_system_message(chat: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return messages with all instructions that come first in one, and others as below."""
    first = list(takewhile(is_instruction, chat))
    texts = [message["content"] for message in first if message.get("content")]
    one = [{"role": "system", "content": "\n\n".join(texts)}] if texts else []
    return [*one, *_in_user_messages(chat[len(first) :])]


def _in_user_messages(chat: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return messages with each instruction in front of the user's next message, or of the last."""
    users = [index for index, message in enumerate(chat) if message["role"] == "user"]
    told: defaultdict[int, list[str]] = defaultdict(list)
    for index, message in enumerate(chat):
        if is_instruction(message) and message.get("content"):
            told[next((user for user in users if user > index), users[-1])].append(
                message["content"]
            )
    return [
        {**message, "content": "\n\n".join([*told[index], message["content"]])}
        if index in told
        else message
        for index, message in enumerate(chat)
        if not is_instruction(message)
    ]


#: Where instructions go, from the template's own way to one that every template has. Some raise at
#: a system role (Gemma 2), some leave it out, and some take it in front of all messages only (Gemma
#: 3); the convention then is to put the instructions in front of what the user says.
_ARRANGEMENTS = (_as_given, _in_one_system_message, _in_user_messages)
