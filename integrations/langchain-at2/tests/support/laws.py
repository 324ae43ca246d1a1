"""What holds for every cited message."""

import json
from copy import deepcopy

from support.rounding import close

from langchain_at2 import citations_of, references_text


def check_message(message, documents, history=()):
    """The citations of a message tell the truth about its text and about what they cite."""
    citations = citations_of(message)
    (block,) = (b for b in message.content_blocks if b["type"] == "text")
    spans = {(s["start"], s["end"]) for s in message.response_metadata["at2"]["statements"]}
    numbers = []
    for citation in citations:
        extras = citation["extras"]
        told = {**extras, "title": citation.get("title"), "cited_text": citation["cited_text"]}
        check_source(told, message, documents, history)
        assert (citation["start_index"], citation["end_index"]) in spans
        numbers.append(extras["number"])
    assert len({citation["id"] for citation in citations}) == len(citations)
    first_uses = list(dict.fromkeys(numbers))
    assert first_uses == list(range(1, len(first_uses) + 1))
    assert len(references_text(message).splitlines()) == len(first_uses)
    for start, end in spans:
        statement = block["text"][start:end]
        assert statement
        assert statement == statement.strip()
    check_thoughts(message, documents, history)
    return block["text"]


def check_source(told, message, documents, history=()):
    """What is told of a source is true of a document, or of what else it says it is."""
    if told["kind"] == "passage":
        document = documents[told["passage_index"]]
        text = document.page_content
        assert told.get("document_id") == document.id
        assert told.get("title") == document.metadata.get("title")
    else:
        assert told.get("passage_index") is None
        assert told["title"]
        text = _other_texts(message, history)[told["document_id"]]
    assert text[told["source_start"] : told["source_end"]] == told["cited_text"]


def _other_texts(message, history):
    texts = {f"history[{index}]": str(earlier.text) for index, earlier in enumerate(history)}
    return {**texts, "thoughts": thoughts_in(message)}


def thoughts_in(message):
    """The text of the reasoning block, which comes first; "" without one."""
    kinds = [block["type"] for block in message.content_blocks]
    assert kinds in (["text"], ["reasoning", "text"])
    return message.content_blocks[0].get("reasoning", "")


def check_thoughts(message, documents, history=()):
    """Thoughts are in a block of their own, and told of like statements, their numbers too."""
    text, told = thoughts_in(message), message.response_metadata["at2"]["thoughts"]
    assert bool(text) == bool(told)
    if not told:
        return
    assert text == text.strip()
    sources = {source["number"]: source for source in told["sources"]}
    for source in told["sources"]:
        check_source(source, message, documents, history)
    for statement in told["statements"]:
        assert text[statement["start"] : statement["end"]].strip()
        assert set(statement["citations"]) <= set(sources)
    for citation in citations_of(message):
        extras = citation["extras"]
        assert 0 <= extras.get("via_thought", 0) < len(told["statements"])
        if source := sources.get(extras["number"]):  # a number means one source everywhere
            assert source["cited_text"] == citation["cited_text"]
            assert source["document_id"] == extras.get("document_id")
    json.dumps(told)


def check_same(message, other):
    """Two messages differ at most in the last digits of scores.

    The model computes these in another order in a batch, or when it is asked for them halfway.
    """
    scores = [[c["extras"]["score"] for c in citations_of(m)] for m in (message, other)]
    assert scores[0] == close(scores[1])
    assert _without_scores(message) == _without_scores(other)


def _without_scores(message):
    bare = deepcopy(message)
    for citation in citations_of(bare):
        del citation["extras"]["score"]
    return bare
