"""What the runnables are called with, checked and turned into what a reader wants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Required

from at2_rag import InputError, Passage
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage
from typing_extensions import TypedDict

from langchain_at2.documents import documents_to_passages, without_repeated_ids
from langchain_at2.history import TemplateMessage, read_history

_DOCUMENT_KEYS = ("context", "documents")
#: The second of each is what ``create_retrieval_chain`` calls it.
_QUESTION_KEYS = ("question", "input")
_HISTORY_KEYS = ("history", "chat_history")


class AnswerInput(TypedDict, total=False):
    """A question and the documents to answer it from, under either name.

    Attributes:
        question: What the model is to answer; a message will do as well.
        context: The documents, best first, as retrieval chains name them.
        documents: The documents, as graphs name them; one of the two is to be given.
        history: Earlier messages of the chat, calls of tools and their results among them.
    """

    question: Required[str | BaseMessage]
    context: list[Document]
    documents: list[Document]
    history: list[BaseMessage]


class ChainInput(TypedDict, total=False):
    """The same by the names that ``create_retrieval_chain`` has for it.

    Attributes:
        input: What the model is to answer; not looked at where there is a ``question``.
        context: The documents, best first.
        chat_history: Earlier messages of the chat; not looked at where there is a ``history``.
    """

    input: Required[str]
    context: Required[list[Document]]
    chat_history: list[BaseMessage]


class CiteInput(AnswerInput, total=False):
    """A question and documents as in :class:`AnswerInput`, with an answer made elsewhere.

    Attributes:
        answer: The answer's text, or the message that a chat model returned.
    """

    answer: Required[str | AIMessage]


@dataclass(frozen=True)
class Request:
    """A checked input.

    Attributes:
        question: What the model is to answer.
        passages: The documents as passages, with the ids that the documents have.
        history: Earlier messages, as chat templates take them.
    """

    question: str
    passages: tuple[Passage, ...]
    history: tuple[TemplateMessage, ...]

    @property
    def readable_passages(self) -> list[Passage]:
        """The passages as a reader takes them: no id twice."""
        return without_repeated_ids(self.passages)


def read_request(value: Any) -> Request:
    """Check an input and turn it into a request.

    Args:
        value: What a runnable was called with: an :class:`AnswerInput`; other keys are ignored.

    Raises:
        InputError: If something is missing or of another type.
    """
    if not isinstance(value, Mapping):
        raise InputError(
            f"The input is a {type(value).__name__}; expected a dict with 'question' and "
            "'context' (or 'documents')."
        )
    asked = next((key for key in _QUESTION_KEYS if key in value), None)
    if asked is None:
        raise InputError(
            f"The input has the keys {list(value)}; expected 'question' or 'input' among them."
        )
    passages = documents_to_passages(_documents(value))
    history = next((value[key] for key in _HISTORY_KEYS if value.get(key)), ())
    return Request(text_of_question(value[asked]), tuple(passages), read_history(history))


def text_of_question(question: Any) -> Any:
    """Return the text of a message, and anything else as it is, for the reader to take or refuse.

    Args:
        question: Text, a message, or what should be one of them.
    """
    return str(question.text) if isinstance(question, BaseMessage) else question


def _documents(value: Mapping[str, Any]) -> list[Document]:
    given = [key for key in _DOCUMENT_KEYS if value.get(key) is not None]
    if len(given) != 1:
        raise InputError(
            f"The input has the keys {list(value)}; expected documents under exactly one of "
            "'context' and 'documents'."
        )
    return check_documents(value[given[0]], given[0])


def check_documents(documents: Any, name: str) -> list[Document]:
    """Return documents as a list, gone through once.

    Args:
        documents: What should be documents.
        name: What to call the documents in the error.

    Raises:
        InputError: If it is anything but documents.
    """
    if isinstance(documents, str | Mapping | Document) or not isinstance(documents, Iterable):
        raise InputError(
            f"{name} is a {type(documents).__name__}; expected a list of Documents, as a "
            "retriever returns it, not yet formatted as text."
        )
    found = list(documents)
    for index, document in enumerate(found):
        if not isinstance(document, Document):
            raise InputError(
                f"{name}[{index}] is a {type(document).__name__}; expected a Document: "
                "Document(page_content=…)."
            )
    return found
