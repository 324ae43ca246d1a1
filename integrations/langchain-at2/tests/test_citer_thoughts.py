"""AT2Citer around a reasoning model: thoughts of a message are read as the model's own."""

import pytest
from langchain_core.messages import AIMessage
from support.laws import check_message, check_same

from langchain_at2 import AT2CitedAnswer, AT2Citer, citations_of

END = " Final answer: "


@pytest.fixture(scope="module")
def citer(thinking):
    return AT2Citer(reader=thinking)


@pytest.fixture
def answered(thinking, asked):
    return AT2CitedAnswer(reader=thinking).invoke(asked)


def message_of(thoughts, text):
    blocks = [{"type": "reasoning", "reasoning": part} for part in thoughts]
    return AIMessage([*blocks, {"type": "text", "text": text}])


def about(message):
    return message.response_metadata["at2"]


def cited_thoughts(message):
    return [c for c in citations_of(message) if c["extras"]["kind"] == "thought"]


def test_citing_again_finds_the_same(citer, asked, answered):
    again = citer.invoke({**asked, "answer": answered})
    check_message(again, asked["context"])
    assert cited_thoughts(again)
    kept = {"scored_by_answering_model", "answered_by", "answer_tokens"}
    for name in about(answered).keys() - kept:
        assert about(again)[name] == about(answered)[name]
    assert about(again)["scored_by_answering_model"] is True
    again.response_metadata["at2"] = about(answered)
    for block, old in zip(again.content, answered.content, strict=True):
        assert block.pop("index", None) in (None, old["index"])
        block["index"] = old["index"]
    check_same(again, answered)


def test_a_model_that_does_not_think_reads_the_text_alone(reader, asked, answered):
    message = AT2Citer(reader=reader).invoke({**asked, "answer": answered})
    alone = AT2Citer(reader=reader).invoke({**asked, "answer": answered.text})
    assert citations_of(message) == citations_of(alone)
    assert about(message)["thoughts"] is None
    assert message.content[0] == answered.content[0]


def test_the_setting_can_be_given_to_the_call(reader, thinking, asked, answered):
    options = {"thinking": thinking.settings.thinking}
    message = AT2Citer(reader=reader, reader_options=options).invoke({**asked, "answer": answered})
    assert cited_thoughts(message)


def test_thoughts_in_several_blocks_and_with_space_around(citer, asked, answered):
    first, second = answered.content[0]["reasoning"].split(". ")
    parts = [f" \n{first}.", f"{second}\n"]
    given = message_of(parts, f"\n {answered.text} ")
    message = citer.invoke({**asked, "answer": given})
    whole = "\n\n".join(parts)
    told = about(message)["thoughts"]
    assert told["finished"]
    assert [whole[s["start"] : s["end"]] for s in told["statements"]] == [f"{first}.", second]
    assert cited_thoughts(message)
    sources = [s for s in told["sources"] if s["kind"] == "thought"]
    sources += [{**c["extras"], "cited_text": c["cited_text"]} for c in cited_thoughts(message)]
    for source in sources:
        assert whole[source["source_start"] : source["source_end"]] == source["cited_text"]
    for citation in citations_of(message):
        span = slice(citation["start_index"], citation["end_index"])
        assert message.text[span] == answered.text
    assert [b["type"] for b in message.content] == ["reasoning", "reasoning", "text"]
    assert [b["reasoning"] for b in message.content[:2]] == parts


@pytest.mark.parametrize("inline", [False, True])
def test_thoughts_that_stand_in_the_text(citer, asked, answered, inline):
    """As servers hand them over that know nothing of a model's markers."""
    thoughts = answered.content[0]["reasoning"]
    text = f"  {thoughts}{END}{answered.text}"
    message = citer.invoke({**asked, "answer": text}, inline_markers=inline)
    assert message.text.startswith(text)
    told = about(message)
    (statement,) = told["statements"]
    assert message.text[statement["start"] : statement["end"]] == answered.text
    assert message.text[statement["end"] :] == ("[1][2][3]" if inline else "")
    texts = [text[s["start"] : s["end"]] for s in told["thoughts"]["statements"]]
    assert " ".join(texts) == thoughts
    assert cited_thoughts(message)
    for citation in cited_thoughts(message):
        extras = citation["extras"]
        assert text[extras["source_start"] : extras["source_end"]] == citation["cited_text"]


@pytest.mark.parametrize("reasoning", ["", " \n", f"So it is harp.{END}harp"])
def test_reasoning_that_cannot_be_read_as_thoughts_is_let_be(citer, asked, answered, reasoning):
    message = citer.invoke({**asked, "answer": message_of([reasoning], answered.text)})
    alone = citer.invoke({**asked, "answer": answered.text})
    assert citations_of(message) == citations_of(alone)
    assert about(message)["thoughts"] is None
    assert message.content[0]["reasoning"] == reasoning


def test_other_providers_reasoning(citer, asked, answered):
    """Where LangChain finds it in a message that has no reasoning block."""
    thoughts = answered.content[0]["reasoning"]
    given = AIMessage(answered.text, additional_kwargs={"reasoning_content": thoughts})
    message = citer.invoke({**asked, "answer": given})
    check_message(message, asked["context"])
    assert cited_thoughts(message)


def test_proof(citer, asked, answered):
    given = message_of([f" {answered.content[0]['reasoning']}"], answered.text)
    message = citer.invoke({**asked, "answer": given}, verify=True)
    (statement,) = about(message)["verification"]["statements"]
    assert statement["together"]["drop"] > 0
