"""An answer as a message: spans are right, chunks add up, whatever their sizes."""

import json
import pickle
from dataclasses import replace
from datetime import date
from itertools import pairwise

import pytest
from at2_rag import Citation
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.load import dumps, loads
from langchain_core.messages import message_chunk_to_message
from support.laws import check_message

from langchain_at2 import (
    AT2Citer,
    answer_to_message,
    citations_of,
    passages_to_documents,
    references_text,
)
from langchain_at2.messages import MessageWriter


def replay(answer, cuts, late, inline):
    """Write an answer with its text cut anywhere, and statements ``late`` characters later."""
    writer = MessageWriter(answer.question, answer.passages, inline)
    edges = [0, *sorted(cut % (len(answer.text) + 1) for cut in cuts), len(answer.text)]
    if inline:  # a statement comes right behind its text, or its mark would
        late, edges = 0, sorted([*edges, *(statement.end for statement in answer.statements)])
    waiting = list(answer.statements)
    chunks = []
    for start, end in pairwise(edges):
        chunks += writer.add_text(answer.text[start:end])
        while waiting and waiting[0].end + late <= end:
            chunks += writer.add_statement(waiting.pop(0))
    for statement in waiting:
        chunks += writer.add_statement(statement)
    return [*chunks, *writer.end(answer, None)]


@pytest.mark.parametrize("inline", [False, True])
@given(cuts=st.lists(st.integers(0, 1000), max_size=30), late=st.integers(0, 20))
def test_chunks_add_up_to_the_message_however_the_text_is_cut(answer, inline, cuts, late):
    chunks = replay(answer, cuts, late, inline)
    message = answer_to_message(answer, inline_markers=inline)
    assert message_chunk_to_message(chunks[0] + chunks[1:]) == message
    one_by_one = chunks[0]
    for chunk in chunks[1:]:
        one_by_one += chunk
    assert message_chunk_to_message(one_by_one) == message
    assert "".join(chunk.text for chunk in chunks) == message.text


def test_the_message_says_what_the_answer_says(answer):
    message = answer_to_message(answer)
    assert message.text == answer.text
    expected = [c for statement in answer.statements for c in statement.citations]
    assert expected
    for annotation, citation in zip(citations_of(message), expected, strict=True):
        assert annotation["cited_text"] == citation.text
        assert (annotation["start_index"], annotation["end_index"]) == (
            citation.start,
            citation.end,
        )
        assert annotation["extras"]["score"] == citation.score
    assert message.response_metadata["model_name"] == answer.model
    assert message.response_metadata["at2"]["estimator"] == answer.estimator
    assert message.usage_metadata == {
        "input_tokens": answer.prompt_tokens,
        "output_tokens": answer.answer_tokens,
        "total_tokens": answer.prompt_tokens + answer.answer_tokens,
    }


def test_inherited_citations_say_through_which_statement(answer):
    first, second, *others = answer.statements
    inherited = replace(second.citations[0], via=0)
    second = replace(second, citations=(*second.citations, inherited))
    message = answer_to_message(replace(answer, statements=(first, second, *others)))
    told = [citation["extras"].get("via") for citation in citations_of(message)]
    expected = [c.via for s in (first, second, *others) for c in s.citations]
    assert told == expected
    assert 0 in told


def test_marks_move_the_spans_with_them(answer):
    message = answer_to_message(answer, inline_markers=True)
    assert message.text == answer.marked_text != answer.text
    told = message.response_metadata["at2"]["statements"]
    spans = {(c["start_index"], c["end_index"]) for c in citations_of(message)}
    assert spans <= {(s["start"], s["end"]) for s in told}
    for statement, place in zip(answer.statements, told, strict=True):
        assert message.text[place["start"] : place["end"]] == statement.text


def test_standard_blocks_are_the_content(answer):
    message = answer_to_message(answer)
    assert message.content_blocks == message.content
    assert message.content_blocks[0]["annotations"]


@pytest.mark.parametrize("inline", [False, True])
def test_references_are_those_of_the_answer(answer, inline):
    message = answer_to_message(answer, inline_markers=inline)
    assert references_text(message) == references_text(answer) == answer.references
    assert references_text(message).startswith("[1] ")


@pytest.mark.parametrize(
    ("metadata", "page"),
    [
        ({"page": 3}, ", p. 3: "),
        ({"page": 0, "page_label": "iv", "total_pages": 9}, ", p. iv: "),
        ({"page_number": "12", "page": 11}, ", p. 12: "),
        ({"page": True, "page_label": " ", "page_number": [1]}, ": "),
    ],
)
def test_metadata_are_told_and_the_page_is_in_the_references(answer, metadata, page):
    passages = tuple(replace(passage, metadata=metadata) for passage in answer.passages)
    answer = replace(answer, passages=passages)
    message = answer_to_message(answer)
    for citation in citations_of(message):
        assert citation["extras"]["metadata"] == metadata
        assert citation["extras"]["metadata"] is not metadata
    assert references_text(message) == answer.references
    for line, cited in zip(answer.references.splitlines(), answer.citations, strict=True):
        assert line.startswith(f"[{cited.number}] {cited.title}{page}{cited.text}")


def test_metadata_that_json_cannot_hold_stay_behind(answer):
    odd = {"when": date(2020, 1, 2), "tags": {"a"}, "score": float("nan"), "nested": {"page": [1]}}
    passages = [replace(passage, metadata=odd) for passage in answer.passages]
    message = answer_to_message(answer, passages=passages)
    told = [citation["extras"]["metadata"] for citation in citations_of(message)]
    assert told
    assert all(each == {"nested": {"page": [1]}} for each in told)
    json.dumps(message.content, allow_nan=False)
    bare = [replace(passage, metadata={}) for passage in answer.passages]
    message = answer_to_message(answer, passages=bare)
    assert not any("metadata" in citation["extras"] for citation in citations_of(message))


def test_an_answer_without_citations(reader, documents, question):
    empty = reader.answer(question, [d.page_content for d in documents], min_score=1e9)
    message = answer_to_message(empty, inline_markers=True)
    assert message.text == empty.text
    assert message.content[0]["annotations"] == []
    assert references_text(message) == ""


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_a_message_can_be_stored(answer):
    message = answer_to_message(answer)
    assert pickle.loads(pickle.dumps(message)) == message
    assert loads(dumps(message), allowed_objects="messages") == message
    check_message(message, passages_to_documents(answer.passages))


#: Answers that marks would break if they stood right behind each sentence.
MARKDOWN = {
    "code": "So it is:\n\n```python\nx = values[1][2]\ny = One. Two\n```\nThat is it.",
    "a table": "| Person | Born in |\n|---|---|\n| Ann. She | Bo |",
    "JSON": '{"name": "Ann. She"}\n{"name": "Bo"}',
    "numbers of its own": "Ann was born in Bo [3]. Bo is a city.",
    "a link": "See [the page. It is](https://x.org) of Bo. And so on.",
}


@pytest.fixture(scope="module", params=MARKDOWN)
def in_markdown(request, reader, world):
    return reader.attribute(world.question, world.passages, MARKDOWN[request.param])


@pytest.fixture(scope="module")
def all_cited(in_markdown):
    """The same, each statement with a citation."""
    source, passage = in_markdown.attribution.sources[0], in_markdown.passages[0]
    about = (0, passage.id, passage.title, passage.url)
    of_it = (*about, source.start, source.end, source.text, 1.0)
    statements = [
        replace(s, citations=(Citation(index + 1, s.start, s.end, *of_it),))
        for index, s in enumerate(in_markdown.statements)
    ]
    return replace(in_markdown, statements=tuple(statements))


@given(cuts=st.lists(st.integers(0, 1000), max_size=30))
def test_marks_are_where_the_answer_has_them(all_cited, cuts):
    message = answer_to_message(all_cited, inline_markers=True)
    assert message.text == all_cited.marked_text != all_cited.text
    chunks = replay(all_cited, cuts, 0, inline=True)
    assert message_chunk_to_message(chunks[0] + chunks[1:]) == message
    told = message.response_metadata["at2"]["statements"]
    for statement, place in zip(all_cited.statements, told, strict=True):
        said = message.text[place["start"] : place["end"]]
        assert said in (statement.text, statement.text.rstrip(" |"))
    assert references_text(message) == all_cited.references


def test_an_answer_from_elsewhere_is_marked_alike(in_markdown, reader, documents, question):
    asked = {"question": question, "context": documents, "answer": f" {in_markdown.text}\n"}
    message = AT2Citer(reader=reader, inline_markers=True).invoke(asked)
    assert message.text == f" {in_markdown.marked_text}\n"
    told = message.response_metadata["at2"]["statements"]
    for statement, place in zip(in_markdown.statements, told, strict=True):
        said = message.text[place["start"] : place["end"]]
        assert said in (statement.text, statement.text.rstrip(" |"))


def test_a_refusal_is_told(reader, documents, question):
    passages = [document.page_content for document in documents]
    answer = reader.attribute(question, passages, "I don't know. Bo is a city.")
    message = answer_to_message(answer, inline_markers=True)
    refusal, statement = message.response_metadata["at2"]["statements"]
    assert (refusal["refusal"], refusal["citations"], refusal["supported"]) == (True, [], None)
    assert not statement["refusal"]
    assert message.text.startswith("I don't know. Bo")
