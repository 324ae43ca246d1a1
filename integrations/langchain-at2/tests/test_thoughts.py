"""Reasoning models: thoughts are a block of their own, and sources of the text."""

from itertools import pairwise

import pytest
from at2_rag import InputError
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessageChunk, message_chunk_to_message
from support.documents import as_documents
from support.laws import check_message, check_same, thoughts_in

from langchain_at2 import (
    AT2CitedAnswer,
    AT2DocumentCompressor,
    answer_to_message,
    citations_of,
    cite_node,
    prune_node,
    references_text,
)
from langchain_at2.messages import MessageWriter

OPTIONS = [
    {},
    {"inline_markers": True},
    {"verify": True, "prune_to": 3, "max_citations": 1},
]
CUT_OFF = {"reader_options": {"max_new_tokens": 6}}


@pytest.fixture(scope="module")
def thinker(thinking):
    return AT2CitedAnswer(reader=thinking)


@pytest.fixture(scope="module")
def thought_of(thinking, world):
    """What the reader itself answers."""
    answer = thinking.answer(world.question, world.passages)
    assert answer.thoughts.finished
    return answer


def added_up(chunks):
    assert all(type(chunk) is AIMessageChunk for chunk in chunks)
    whole = message_chunk_to_message(chunks[0] + chunks[1:])
    one_by_one = chunks[0]
    for chunk in chunks[1:]:
        one_by_one += chunk
    assert message_chunk_to_message(one_by_one) == whole
    return whole


def kinds_of(message):
    return [citation["extras"]["kind"] for citation in citations_of(message)]


def test_thoughts_come_first_and_are_not_in_the_text(thinker, asked, thought_of, world):
    message = thinker.invoke(asked)
    check_message(message, asked["context"])
    assert [block["type"] for block in message.content_blocks] == ["reasoning", "text"]
    assert thoughts_in(message) == thought_of.thoughts.text
    assert message.text == thought_of.text == world.final_answer
    told = message.response_metadata["at2"]["thoughts"]
    assert told["finished"] is True
    texts = [thoughts_in(message)[s["start"] : s["end"]] for s in told["statements"]]
    assert texts == [statement.text for statement in thought_of.thoughts.statements]
    assert [s["supported"] for s in told["statements"]] == [
        statement.supported for statement in thought_of.thoughts.statements
    ]
    assert references_text(answer_to_message(thought_of)) == thought_of.references


@pytest.mark.parametrize("options", OPTIONS, ids=str)
async def test_every_way_of_asking_gives_the_same_message(thinker, asked, options):
    message = thinker.invoke(asked, **options)
    check_message(message, asked["context"])
    assert await thinker.ainvoke(asked, **options) == message
    check_same(added_up(list(thinker.stream(asked, **options))), message)
    check_same(added_up([chunk async for chunk in thinker.astream(asked, **options)]), message)


def test_thoughts_stream_before_the_text(thinker, asked):
    chunks = list(thinker.stream(asked))
    kinds = [block["type"] for chunk in chunks for block in chunk.content]
    places = [block["index"] for chunk in chunks for block in chunk.content]
    thoughts = kinds.count("reasoning")
    assert thoughts > 3
    assert kinds == ["reasoning"] * thoughts + ["text"] * (len(kinds) - thoughts)
    assert places == [0] * thoughts + [1] * (len(kinds) - thoughts)
    assert not any(chunk.text for chunk in chunks[:thoughts])
    assert all("annotations" not in chunk.content[0] for chunk in chunks[:thoughts])


def test_a_batch_is_as_each_alone(thinker, worlds):
    inputs = [{"question": w.question, "context": as_documents(w.passages)} for w in worlds]
    for message, value in zip(thinker.batch(inputs), inputs, strict=True):
        check_message(message, value["context"])
        check_same(message, thinker.invoke(value))


@pytest.mark.parametrize("inline", [False, True])
@given(cuts=st.lists(st.integers(0, 1000), max_size=20))
def test_chunks_add_up_however_the_thoughts_are_cut(thought_of, inline, cuts):
    thoughts = thought_of.thoughts.text
    edges = [0, *sorted(cut % (len(thoughts) + 1) for cut in cuts), len(thoughts)]
    own = [passage for passage in thought_of.passages if passage.kind == "passage"]
    writer, chunks = MessageWriter(thought_of.question, own, inline), []
    for start, end in pairwise(edges):
        chunks += writer.add_thoughts(thoughts[start:end])
    chunks += writer.add_text(thought_of.text)
    for statement in thought_of.statements:
        chunks += writer.add_statement(statement)
    message = added_up([*chunks, *writer.end(thought_of, None)])
    assert message == answer_to_message(thought_of, inline_markers=inline)


def test_citations_of_thoughts_are_told_from_those_of_documents(thinker, asked, thought_of):
    message = thinker.invoke(asked)
    expected = [c for statement in thought_of.statements for c in statement.citations]
    assert {"passage", "thought"} == set(kinds_of(message))
    assert kinds_of(message) == [citation.kind for citation in expected]
    told = [citation["extras"].get("via_thought") for citation in citations_of(message)]
    assert told == [citation.via_thought for citation in expected]
    assert {0, 1} & set(told)
    for citation in citations_of(message):
        if citation["extras"]["kind"] == "thought":
            assert citation["title"] == "thought"
            assert citation["extras"]["document_id"] == "thoughts"
            assert "url" not in citation
            assert "passage_index" not in citation["extras"]


def test_without_thoughts_as_sources(thinker, asked):
    message = thinker.invoke(asked, reader_options={"source_kinds": ("passage",)})
    check_message(message, asked["context"])
    assert set(kinds_of(message)) == {"passage"}
    assert thoughts_in(message)


def test_documents_are_not_mixed_up(thinker, asked):
    """Nor with empty ones among them, ids that are shared, and some that did not fit."""
    empty = Document(" ", id="thoughts", metadata={"title": "Nothing"})
    twice = asked["context"][0].model_copy(update={"id": "doc-1"})
    documents = [empty, *asked["context"], twice, empty]
    message = thinker.invoke({**asked, "context": documents})
    check_message(message, documents)
    assert "thought" in kinds_of(message)
    dropping = {"on_overflow": "drop"}
    message = thinker.invoke({**asked, "context": documents * 10}, reader_options=dropping)
    assert message.response_metadata["at2"]["dropped"]
    check_message(message, documents * 10)


async def test_a_model_that_is_cut_off_in_its_thoughts(thinker, asked, thought_of):
    message = thinker.invoke(asked, **CUT_OFF)
    check_message(message, asked["context"])
    assert message.text == ""
    assert thought_of.thoughts.text.startswith(thoughts_in(message))
    about = message.response_metadata["at2"]
    assert about["thoughts"]["finished"] is False
    assert about["statements"] == []
    assert message.response_metadata["finish_reason"] == "length"
    check_same(added_up(list(thinker.stream(asked, **CUT_OFF))), message)
    check_same(added_up([chunk async for chunk in thinker.astream(asked, **CUT_OFF)]), message)


def test_tokens_of_thoughts_are_counted(thinker, asked, expected):
    used = thinker.invoke(asked).usage_metadata
    thought = used["output_token_details"]["reasoning"]
    assert used["output_tokens"] / 2 < thought < used["output_tokens"]
    twice = thinker.invoke(asked, prune_to=3).usage_metadata
    assert twice["output_token_details"]["reasoning"] > 1.5 * thought
    assert "output_token_details" not in expected.usage_metadata
    assert expected.response_metadata["at2"]["thoughts"] is None
    assert [block["type"] for block in expected.content_blocks] == ["text"]


def test_documents_are_ranked_by_thoughts_too(thinking, asked, question, documents, thought_of):
    ranked = thought_of.ranked_passages[:2]
    compressor = AT2DocumentCompressor(reader=thinking, top_n=2)
    kept = compressor.compress_documents(documents, question)
    assert [document.id for document in kept] == [documents[i].id for i, _ in ranked]
    assert [d.metadata["relevance_score"] for d in kept] == [score for _, score in ranked]
    state = {"question": question, "documents": documents}
    pruned = prune_node(thinking, top_n=2).invoke(state)["documents"]
    assert [document.id for document in pruned] == [documents[i].id for i in sorted(dict(ranked))]


def test_in_a_graph_the_text_is_judged_and_not_the_thoughts(thinking, thinker, asked):
    state = {"question": asked["question"], "documents": asked["context"]}
    answered = thinker.invoke(state)
    update = cite_node(thinking).invoke({**state, "answer": answered})
    check_message(update["answer"], asked["context"])
    assert update["supported"] is True
    none = cite_node(thinking, reader_options={"min_score": 1e9, "transitive": False})
    assert none.invoke({**state, "answer": answered})["unsupported"] == [answered.text]
    with pytest.raises(InputError, match="without text"):
        cite_node(thinking).invoke({**state, "answer": thinker.invoke(state, **CUT_OFF)})
