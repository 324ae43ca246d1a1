"""What holds for every cited message."""

from copy import deepcopy

import pytest

from langchain_at2 import citations_of, references_text


def check_message(message, documents):
    """The citations of a message tell the truth about its text and about the documents."""
    citations = citations_of(message)
    (block,) = (b for b in message.content_blocks if b["type"] == "text")
    spans = {(s["start"], s["end"]) for s in message.response_metadata["at2"]["statements"]}
    numbers = []
    for citation in citations:
        extras = citation["extras"]
        document = documents[extras["passage_index"]]
        start, end = extras["source_start"], extras["source_end"]
        assert document.page_content[start:end] == citation["cited_text"]
        assert (citation["start_index"], citation["end_index"]) in spans
        assert extras.get("document_id") == document.id
        assert citation.get("title") == document.metadata.get("title")
        numbers.append(extras["number"])
    assert len({citation["id"] for citation in citations}) == len(citations)
    first_uses = list(dict.fromkeys(numbers))
    assert first_uses == list(range(1, len(first_uses) + 1))
    assert len(references_text(message).splitlines()) == len(first_uses)
    for start, end in spans:
        statement = block["text"][start:end]
        assert statement
        assert statement == statement.strip()
    return block["text"]


def check_same(message, other):
    """Two messages differ at most in the last digits of scores.

    The model computes these in another order in a batch, or when it is asked for them halfway.
    """
    scores = [[c["extras"]["score"] for c in citations_of(m)] for m in (message, other)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)
    assert _without_scores(message) == _without_scores(other)


def _without_scores(message):
    bare = deepcopy(message)
    for citation in citations_of(bare):
        del citation["extras"]["score"]
    return bare
