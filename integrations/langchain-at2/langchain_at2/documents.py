"""Documents and passages: the same things, as LangChain and as the reader call them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any
from uuid import UUID

from at2_rag import Passage
from langchain_core.documents import Document

#: Where the metadata of documents have an address, best first; loaders call it ``source``.
_URL_KEYS = ("url", "source")


def documents_to_passages(documents: Iterable[Document]) -> list[Passage]:
    """Turn documents into passages; nothing of the documents is changed.

    The title is ``metadata["title"]``, the address ``metadata["url"]`` or else ``["source"]``, and
    the id is the document's own or else ``metadata["id"]``. Whatever of these is no text is left
    out.

    Args:
        documents: The documents to turn into passages.
    """
    return [_to_passage(document) for document in documents]


def passages_to_documents(passages: Iterable[Passage]) -> list[Document]:
    """Turn passages into documents; :func:`documents_to_passages` turns them back.

    Args:
        passages: The passages to turn into documents; title and address go to the metadata that do
            not have them.
    """
    return [_to_document(passage) for passage in passages]


def without_repeated_ids(passages: Sequence[Passage]) -> list[Passage]:
    """Leave out ids that several passages share, since a reader wants each only once.

    Retrievers do return a document twice, and splitters give all chunks the id of their page.

    Args:
        passages: The passages, whose order stays.
    """
    counts = Counter(passage.id for passage in passages)
    return [p if counts[p.id] == 1 else replace(p, id=None) for p in passages]


def _to_passage(document: Document) -> Passage:
    metadata = dict(document.metadata)
    return Passage(
        document.page_content,
        title=_text(metadata.get("title")),
        id=_identifier(document.id) or _identifier(metadata.get("id")),
        url=next(filter(None, (_text(metadata.get(key)) for key in _URL_KEYS)), None),
        metadata=metadata,
    )


def _to_document(passage: Passage) -> Document:
    metadata: dict[str, Any] = dict(passage.metadata)
    if passage.title and not _text(metadata.get("title")):
        metadata["title"] = passage.title
    if passage.url and not _has_url(metadata):
        metadata["url"] = passage.url
    return Document(page_content=passage.text, id=passage.id, metadata=metadata)


def _has_url(metadata: Mapping[str, Any]) -> bool:
    return any(_text(metadata.get(key)) for key in _URL_KEYS)


def _text(value: object) -> str | None:
    """Return a value that is text or a path, and not blank, as text."""
    if not isinstance(value, str | PathLike):
        return None
    text = str(value)
    return text if text.strip() else None


def _identifier(value: object) -> str | None:
    if isinstance(value, str | int | UUID) and not isinstance(value, bool):
        return str(value) or None
    return None
