"""Documents as clients write them, as passages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from at2_rag.documents.passages import Passage
from at2_rag.errors import InputError
from at2_rag.server.limits import Limits
from at2_rag.server.problems import Problem

#: What a document's text and the rest of a passage are called: by this library, Cohere, and those
#: whose chat templates are given documents.
_TEXT = ("text", "content", "contents", "snippet")
_TITLE = ("title", "name")
_ID = ("id", "doc_id", "document_id")
_URL = ("url", "source")


def passages_of(documents: Sequence[object], limits: Limits, name: str) -> list[Passage]:
    """Return documents as passages.

    A document is a string, or a mapping with its text as ``text``, ``content``, ``contents`` or
    ``snippet``, and perhaps ``title``, ``id``, ``url`` and ``metadata``; these may lie in ``data``,
    as Cohere has it, which may also be the text. What else is there goes into the metadata.

    Args:
        documents: What the request brings.
        limits: How many there may be.
        name: What the request calls them.

    Raises:
        Problem: If there are too many, or one is something else.
    """
    if len(documents) > limits.documents:
        raise Problem(
            400,
            f"{name} are {len(documents)}; expected {limits.documents} at most. Send those that "
            "the question is about.",
            "too_many_documents",
            name,
        )
    return [_passage(document, f"{name}[{i}]") for i, document in enumerate(documents)]


def _passage(document: object, name: str) -> Passage:
    if isinstance(document, str):
        return Passage(document)
    if not isinstance(document, Mapping):
        told = f"{name} is a {type(document).__name__}; expected a string, or an object with text."
        raise Problem(400, told, "invalid_value", name)
    fields = _flat(document)
    text = _take(fields, _TEXT)
    if text is None:
        told = f"{name} has {', '.join(map(str, document)) or 'nothing'}; expected text in it."
        raise Problem(400, told, "invalid_value", name)
    title, id_, url = (_take(fields, names) for names in (_TITLE, _ID, _URL))
    metadata = fields.pop("metadata", None) or {}
    try:
        return Passage(
            text, title, None if id_ is None else str(id_), url, {**_mapping(metadata), **fields}
        )
    except InputError as error:
        raise Problem(400, f"{name}: {error}", "invalid_value", name) from error


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document's fields, with those of Cohere's ``data`` among them."""
    fields = dict(document)
    data = fields.get("data")
    if isinstance(data, Mapping):
        return {**fields.pop("data"), **fields}
    if isinstance(data, str) and not set(_TEXT) & fields.keys():
        fields["text"] = fields.pop("data")
    return fields


def _take(fields: dict[str, Any], names: Sequence[str]) -> Any:
    """Take out the first field that is there, and has something in it."""
    name = next((name for name in names if fields.get(name) is not None), None)
    return None if name is None else fields.pop(name)


def _mapping(metadata: object) -> Mapping[str, Any]:
    if not isinstance(metadata, Mapping):
        raise InputError(f"metadata is a {type(metadata).__name__}; expected an object.")
    return metadata
