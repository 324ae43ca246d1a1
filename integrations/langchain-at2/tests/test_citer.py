"""AT2Citer: an answer from elsewhere gets citations and keeps everything else."""

from copy import deepcopy

import pytest
from at2_rag import InputError
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from pydantic import ValidationError
from support.laws import check_message
from support.rounding import close

from langchain_at2 import AT2Citer, citations_of, references_text


@pytest.fixture(scope="module")
def citer(reader):
    return AT2Citer(reader=reader)


@pytest.fixture
def given(asked, world):
    """What an API model has returned."""
    message = AIMessage(
        content=world.answer,
        id="msg_1",
        name="assistant",
        additional_kwargs={"refusal": None},
        response_metadata={"model_name": "gpt-5", "model_provider": "openai", "seed": {1, 2}},
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    )
    return {**asked, "answer": message}


def about(message):
    return message.response_metadata["at2"]


def test_text_is_cited_as_if_the_reader_had_said_it(citer, asked, expected):
    message = citer.invoke({**asked, "answer": expected.text})
    assert check_message(message, asked["context"]) == expected.text
    read, said = citations_of(message), citations_of(expected)
    assert [c["cited_text"] for c in read] == [c["cited_text"] for c in said]
    assert [c["extras"]["score"] for c in read] == close([c["extras"]["score"] for c in said])
    assert about(message)["scored_by_answering_model"] is None
    assert citer.invoke({**asked, "answer": expected}).text == expected.text


def test_citing_again_replaces_the_citations(citer, asked, expected):
    message = citer.invoke({**asked, "answer": expected})
    assert len(citations_of(message)) == len(citations_of(expected))
    assert citer.invoke({**asked, "answer": message}) == message
    assert about(message)["scored_by_answering_model"] is True


def test_the_message_keeps_its_other_fields(citer, given):
    before = deepcopy(given)
    message = citer.invoke(given)
    assert given == before
    old = given["answer"]
    for name in ("id", "name", "additional_kwargs", "usage_metadata", "tool_calls"):
        assert getattr(message, name) == getattr(old, name)
    assert old.response_metadata.items() <= message.response_metadata.items()
    assert check_message(message, given["context"]) == old.content
    assert citations_of(message)


def test_it_says_that_another_model_answered(citer, given):
    told = about(citer.invoke(given))
    assert told["scored_by_answering_model"] is False
    assert (told["answered_by"], told["model"]) == ("gpt-5", "at2-rag demo reader")


def test_the_providers_view_of_the_content_has_the_citations(citer, given):
    message = citer.invoke(given)
    annotations = message.content_blocks[0]["annotations"]
    assert {annotation["type"] for annotation in annotations} == {"citation"}
    assert annotations == citations_of(message)


def test_space_around_the_answer_is_kept(citer, given):
    plain = citer.invoke(given)
    given["answer"] = f" \n{given['answer'].content}\n"
    message = citer.invoke(given)
    assert message.text == f" \n{plain.text}\n"
    assert [c["start_index"] - 2 for c in citations_of(message)] == [
        c["start_index"] for c in citations_of(plain)
    ]
    check_message(message, given["context"])


def test_markers(citer, given, world):
    message = citer.invoke(given, inline_markers=True)
    check_message(message, given["context"])
    assert message.text.count("[") == len(citations_of(message)) > 0
    starts = [message.text[s["start"] : s["end"]] for s in about(message)["statements"]]
    assert " ".join(starts) == world.answer


def test_other_blocks_and_annotations_stay(citer, given, world):
    first, second = world.answer.split(". ", 1)
    other = {"type": "citation", "url": "https://web", "start_index": 4, "end_index": 9}
    call = {"type": "tool_call", "id": "1", "name": "search", "args": {"q": "x"}}
    reasoning = {"type": "reasoning", "reasoning": "Hm."}
    text = [
        {"type": "text", "text": f"{first}. "},
        {"type": "text", "text": second, "annotations": [other], "id": "b2"},
    ]
    given["answer"] = AIMessage(content=[reasoning, *text, call])
    message = citer.invoke(given, inline_markers=True)
    kinds = [block["type"] for block in message.content]
    assert kinds == ["reasoning", "text", "text", "tool_call"]
    assert message.content[0] == reasoning
    assert message.content[3] == call
    block = message.content[2]
    moved = block["annotations"][0]
    assert block["id"] == "b2"
    assert moved == other  # no marks stand before it
    for citation in block["annotations"][1:]:
        assert block["text"][citation["start_index"] : citation["end_index"]] in second


def test_a_message_added_up_from_a_stream(citer, given, world):
    text = world.answer
    given["answer"] = AIMessageChunk(text[:9]) + AIMessageChunk(text[9:])
    message = citer.invoke(given)
    assert type(message) is AIMessage
    assert message.text == text


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("", "without text"),
        (None, "is a NoneType"),
        (HumanMessage("Hi"), "is a HumanMessage"),
        (AIMessage(""), "without text"),
        (AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "1"}]), "tool_call"),
        (AIMessage([{"type": "image", "url": "https://a/b.png"}]), "image"),
    ],
)
def test_answers_that_cannot_be_cited(citer, asked, answer, says):
    with pytest.raises(InputError, match=says):
        citer.invoke({**asked, "answer": answer})


def test_verification_and_references(citer, given):
    message = citer.invoke(given, verify=True, max_citations=1)
    statements = about(message)["verification"]["statements"]
    assert max(s["together"]["drop"] for s in statements if s["together"]) > 1
    assert references_text(message).startswith("[1] ")


def test_it_prunes_nothing(citer, reader, given):
    with pytest.raises(InputError, match="Unknown option"):
        citer.invoke(given, prune_to=2)
    with pytest.raises(ValidationError, match="Unknown option"):
        AT2Citer(reader=reader, prune_to=2)


async def test_async_stream_and_batch(citer, given):
    message = citer.invoke(given)
    assert await citer.ainvoke(given) == message
    assert list(citer.stream(given)) == [message]
    good, bad = citer.batch([given, {**given, "answer": ""}], return_exceptions=True)
    assert good == message
    assert isinstance(bad, InputError)


def test_schema(citer):
    schema = citer.get_input_jsonschema()["$defs"]["CiteInput"]
    assert set(schema["required"]) == {"question", "answer"}
    assert citer.get_name() == "AT2Citer"
