"""Citations as LangChain's standard annotations, and back as a list of references."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, cast

from at2_rag import Answer, Passage
from at2_rag import Citation as At2Citation
from at2_rag.answer.remarks import also_in_words
from langchain_core.messages import AIMessage
from langchain_core.messages.content import Citation, create_citation

#: Ids begin like this. LangChain takes ``lc_`` for ids that no provider has given.
ID_PREFIX = "lc_at2_"


def block_id(question: str, passages: Sequence[Passage]) -> str:
    """Return an id for the text that answers a question, the same whenever it is asked again.

    A stream knows no more when it begins, and its chunks have to agree on the id.

    Args:
        question: What is asked of the passages.
        passages: What the question is answered from.
    """
    parts = repr((question, [(passage.title, passage.text) for passage in passages]))
    return ID_PREFIX + hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def annotate(
    citation: At2Citation, documents: Sequence[Passage], span: tuple[int, int], identifier: str
) -> Citation:
    """Return a citation as an annotation of a text content block.

    Args:
        citation: The citation, as the reader has it.
        documents: The documents that were asked about, with their own ids.
        span: Characters of the statement in the block's text.
        identifier: The id that the annotation gets.
    """
    source = source_of(citation, documents)
    return create_citation(
        url=source.url,
        title=source.title,
        start_index=span[0],
        end_index=span[1],
        cited_text=citation.text,
        id=identifier,
        number=citation.number,
        kind=citation.kind,
        document_id=source.id,
        passage_index=document_index(citation),
        source_start=citation.source_start,
        source_end=citation.source_end,
        score=citation.score,
        effect=citation.effect,
        via=citation.via,
        via_thought=citation.via_thought,
        also_in=describe_copies(citation, documents),
        metadata=plain_metadata(source) or None,
    )


def describe_copies(citation: At2Citation, documents: Sequence[Passage]) -> list[dict[str, Any]]:
    """Return where else a source stands, in JSON types.

    Args:
        citation: The citation, as the reader has it.
        documents: The documents that were asked about, with their own ids.
    """
    return [
        {
            "passage_index": copy.passage_index if copy.passage_index < len(documents) else None,
            "document_id": _at(copy.passage_index, documents).id,
            "title": _at(copy.passage_index, documents).heading,
            "source_start": copy.start,
            "source_end": copy.end,
            "cited_text": copy.text,
        }
        for copy in citation.also_in
    ]


def _at(index: int, documents: Sequence[Passage]) -> Passage:
    """Return a document; without a word where a message or the like has that index."""
    return documents[index] if index < len(documents) else Passage("")


def document_index(citation: At2Citation) -> int | None:
    """Return the index of the cited document; ``None`` if something else is cited.

    Args:
        citation: The citation, as the reader has it. It counts thoughts, messages and the like
            behind the documents, where a list of documents has nothing.
    """
    return citation.passage_index if citation.kind == "passage" else None


def source_of(citation: At2Citation, documents: Sequence[Passage]) -> Passage:
    """Return what to tell of a citation's source: its title, id and address.

    Args:
        citation: The citation, as the reader has it.
        documents: The documents that were asked about, with their own ids.
    """
    index = document_index(citation)
    if index is not None:
        return documents[index]
    return Passage("", title=citation.title or citation.kind, id=citation.passage_id)


def plain_metadata(source: Passage) -> dict[str, Any]:
    """Return copies of those metadata of a source that JSON can hold."""
    found: dict[str, Any] = {}
    for key, value in source.metadata.items():
        try:
            found[str(key)] = json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError, RecursionError):  # handles, sets, dates, not a number
            continue
    return found


def is_own(annotation: Any) -> bool:
    """Tell whether an annotation is a citation of this package."""
    return isinstance(annotation, dict) and str(annotation.get("id")).startswith(ID_PREFIX)


def citations_of(message: AIMessage) -> list[Citation]:
    """Return the citations that this package has put into a message, in order.

    Args:
        message: Any message, of this package or not.
    """
    return [
        cast("Citation", annotation)
        for block in message.content
        if isinstance(block, dict)
        for annotation in block.get("annotations") or ()
        if is_own(annotation)
    ]


def references_text(cited: AIMessage | Answer) -> str:
    """Return the numbered sources of a message or an answer, a line each.

    Args:
        cited: What a runnable of this package, or a reader, returned. ``""`` without citations.
    """
    if isinstance(cited, Answer):
        return cited.references
    first: dict[int, Citation] = {}
    for citation in citations_of(cited):
        first.setdefault(citation["extras"]["number"], citation)
    carets = cited.response_metadata.get("at2", {}).get("carets", 0)
    return "\n".join(_lines(first.items(), carets))


def _lines(numbered: Iterable[tuple[int, Citation]], carets: int) -> Iterable[str]:
    for number, citation in sorted(numbered, key=lambda item: item[0]):
        extras = citation["extras"]
        metadata = extras.get("metadata", {})
        heading = Passage("", citation.get("title"), metadata=metadata).heading
        title = f"{heading}: " if heading else ""
        kind = extras["kind"]
        if kind not in ("passage", citation.get("title")):
            title = f"{kind}: {title}"
        own = extras.get("passage_index"), heading or extras.get("document_id")
        copies = [
            (copy["passage_index"], copy["title"] or copy["document_id"])
            for copy in extras.get("also_in", ())
            if copy["passage_index"] is not None
        ]
        told = [*also_in_words(own, copies), *([citation["url"]] if citation.get("url") else [])]
        where = f" ({', '.join(told)})" if told else ""
        mark = f"[{'^' * carets}{number}]"
        yield f"{mark} {title}{' '.join(citation['cited_text'].split())}{where}"
