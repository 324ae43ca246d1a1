"""The reader's prompt as a LlamaIndex template, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.prompts import BasePromptTemplate, ChatPromptTemplate, PromptTemplate

import at2_rag

#: What LlamaIndex's users call the reader's fields.
_NAMES = {"{passages}": "context_str", "{question}": "query_str"}


@dataclass(frozen=True)
class ReaderPrompt:
    """What the model reads around passages and question.

    Attributes:
        message: How passages and question become the user's message.
        system: System prompt, in front of the conversation; ``None`` for none.
    """

    message: at2_rag.PromptTemplate
    system: str | None = None

    def as_template(self) -> BasePromptTemplate:
        """Return the same as a LlamaIndex template of ``{context_str}`` and ``{query_str}``."""
        text = self.message.message
        for field, name in _NAMES.items():
            text = text.replace(field, f"{{{name}}}")
        if self.system is None:
            return PromptTemplate(text)
        return ChatPromptTemplate(
            [
                ChatMessage(role=MessageRole.SYSTEM, content=self.system),
                ChatMessage(role=MessageRole.USER, content=text),
            ]
        )

    def updated(self, template: BasePromptTemplate) -> ReaderPrompt:
        """Return the prompt that a template asks for; how one passage is shown stays.

        The template is formatted once, with the reader's fields in place of its variables, so
        partial formatting and variable mappings hold.

        Args:
            template: A template with ``{context_str}`` and ``{query_str}`` once each, or the
                reader's names ``{passages}`` and ``{question}``: one text, or a chat of system
                messages and one user message.

        Raises:
            ValueError: If it is something else.
        """
        system, text = _read(template)
        try:
            message = replace(self.message, message=text)
        except at2_rag.InputError as error:
            raise ValueError(
                f"The template is {template.get_template()!r}; expected {{context_str}} and "
                "{query_str} once each."
            ) from error
        return ReaderPrompt(message, system)


def _read(template: BasePromptTemplate) -> tuple[str | None, str]:
    """Return a template's system prompt, if it has one, and its user message."""
    if not isinstance(template, BasePromptTemplate):
        raise ValueError(
            f"The template is a {type(template).__name__}; expected one of LlamaIndex: "
            'PromptTemplate("… {context_str} … {query_str} …").'
        )
    variables: dict[str, Any] = {name: field for field, name in _NAMES.items()}
    variables |= {field[1:-1]: field for field in _NAMES}
    messages = template.format_messages(**variables)
    system = [m.content or "" for m in messages if m.role == MessageRole.SYSTEM]
    others = [m for m in messages if m.role != MessageRole.SYSTEM]
    if len(others) != 1 or others[0].role != MessageRole.USER:
        raise ValueError(
            f"The template has messages of the roles {[m.role.value for m in messages]}; expected "
            "one of the user, and system messages before it."
        )
    return "\n\n".join(system) or None, others[0].content or ""


def with_template(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a reader's options whose template is one again, where it was written as JSON.

    Args:
        options: Options of the reader, by name.
    """
    prompt = options.get("prompt")
    template = {"prompt": at2_rag.PromptTemplate(**prompt)} if isinstance(prompt, Mapping) else {}
    return {**options, **template}
