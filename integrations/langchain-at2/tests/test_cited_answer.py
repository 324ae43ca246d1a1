"""AT2CitedAnswer: one answer whichever way it is asked for, and a good Runnable."""

import asyncio
from copy import deepcopy

import pytest
from at2_rag import InputError, Reader, ScoreEstimator, UnsupportedModelError
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    HumanMessage,
    message_chunk_to_message,
)
from langchain_core.runnables import ConfigurableField, RunnableLambda, RunnablePassthrough
from pydantic import ValidationError
from support.documents import as_documents
from support.laws import check_message, check_same
from support.runs import Runs
from transformers import GPTJConfig, GPTJForCausalLM

from langchain_at2 import AT2CitedAnswer, citations_of, references_text

OPTIONS = [
    {},
    {"inline_markers": True},
    {"prune_to": 2, "max_citations": 1},
    {"verify": True, "inline_markers": True, "prune_to": 3},
    {"reader_options": {"prove": 2}, "inline_markers": True},
    {"reader_options": {"prove": 2}},
]


class AsyncRuns(AsyncCallbackHandler):
    def __init__(self):
        self.names = []

    async def on_chain_start(self, serialized, inputs, *, name=None, **_):
        await asyncio.sleep(0)
        self.names.append(name)


def test_it_is_the_readers_answer(asked, expected, answer, world):
    assert type(expected) is AIMessage
    assert expected.text == answer.text
    assert world.final_answer in expected.text
    assert references_text(expected).count("https://example.org/") == len(answer.citations)
    assert check_message(expected, asked["context"]) == answer.text


def test_effects_of_proven_citations_are_told(cited, asked, reader, world):
    message = cited.invoke(asked, reader_options={"prove": 3})
    answer = reader.answer(world.question, world.passages, prove=3)
    effects = [c.effect for statement in answer.statements for c in statement.citations]
    assert effects
    assert [c["extras"]["effect"] for c in citations_of(message)] == effects
    assert all("effect" not in c["extras"] for c in citations_of(cited.invoke(asked)))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
async def test_every_way_of_asking_gives_the_same_message(cited, asked, options):
    message = cited.invoke(asked, **options)
    check_message(message, asked["context"])
    assert await cited.ainvoke(asked, **options) == message
    chunks = list(cited.stream(asked, **options))
    assert all(type(chunk) is AIMessageChunk for chunk in chunks)
    check_same(message_chunk_to_message(chunks[0] + chunks[1:]), message)
    chunks = [chunk async for chunk in cited.astream(asked, **options)]
    check_same(message_chunk_to_message(chunks[0] + chunks[1:]), message)


def test_citations_stream_right_behind_their_statements(cited, asked, expected):
    text, seen = "", 0
    for chunk in cited.stream(asked):
        text += chunk.text
        for citation in chunk.content[0]["annotations"]:
            assert citation["end_index"] <= len(text)
            assert text[citation["start_index"] : citation["end_index"]].strip()
            seen += 1
    assert seen == len(citations_of(expected))


def test_text_streams_though_citations_come_at_the_end(cited, asked):
    options = {"reader_options": {"prove": 2}}
    message = cited.invoke(asked, **options)
    *chunks, _ = cited.stream(asked, **options)
    said = [index for index, chunk in enumerate(chunks) if chunk.text]
    told = [index for index, chunk in enumerate(chunks) if chunk.content[0]["annotations"]]
    assert "".join(chunk.text for chunk in chunks) == message.text
    assert len(said) > 3
    assert said[-1] < told[0]


def test_documents_or_context(cited, asked, expected):
    assert cited.invoke({"question": asked["question"], "documents": asked["context"]}) == expected
    with pytest.raises(InputError, match="exactly one of"):
        cited.invoke({**asked, "documents": []})


def test_nothing_of_the_input_is_changed(cited, asked):
    asked["history"] = [HumanMessage("Hello."), AIMessage("Hello. What do you want to know?")]
    before = deepcopy(asked)
    cited.invoke(asked, prune_to=2)
    message = cited.invoke(asked, verify=True)
    assert asked == before
    message.content[0]["annotations"][0]["extras"]["number"] = -1
    assert asked == before


def test_history_is_read(cited, asked, expected):
    history = [HumanMessage("Who plays the flute?"), ("ai", "Nobody does.")]
    message = cited.invoke({**asked, "history": history})
    assert message.usage_metadata["input_tokens"] > expected.usage_metadata["input_tokens"]
    check_message(message, asked["context"])


def test_pruning(cited, asked, expected):
    pruned = cited.invoke(asked, prune_to=2)
    about = pruned.response_metadata["at2"]
    assert len(about["kept"]) == 2
    # Tokens of both answers are counted; those of the last one are in the metadata.
    assert pruned.usage_metadata["input_tokens"] > 2 * about["prompt_tokens"]
    assert {c["extras"]["passage_index"] for c in citations_of(pruned)} <= set(about["kept"])
    assert cited.invoke(asked, prune_to=99) == expected


def test_at_most_so_many_citations(reader, asked):
    # Average attention spreads over many words, so that there is something to leave out.
    average = ScoreEstimator.uniform(reader.model)
    spread = AT2CitedAnswer(
        reader=Reader(reader.model, reader.tokenizer, average, source_unit="word")
    )

    def most(count):
        message = spread.invoke(asked, max_citations=count)
        return max(len(s["citations"]) for s in message.response_metadata["at2"]["statements"])

    assert [most(1), most(2)] == [1, 2]


def test_verification(cited, asked, expected):
    proof = cited.invoke(asked, verify=True).response_metadata["at2"]["verification"]
    assert max(s["together"]["drop"] for s in proof["statements"] if s["together"]) > 1
    assert "verification" not in expected.response_metadata["at2"]


def test_options_can_be_bound_and_configured(cited, reader, asked):
    pruned = cited.invoke(asked, prune_to=2)
    assert AT2CitedAnswer(reader=reader, prune_to=2).invoke(asked) == pruned
    assert cited.bind(prune_to=2).invoke(asked) == pruned
    field = ConfigurableField(id="prune_to")
    configured = cited.configurable_fields(prune_to=field).with_config(configurable={"prune_to": 2})
    assert configured.invoke(asked) == pruned


def test_options_of_the_reader(reader, asked):
    short = AT2CitedAnswer(reader=reader, reader_options={"max_new_tokens": 4}).invoke(asked)
    assert short.response_metadata["finish_reason"] == "length"
    assert short.usage_metadata["output_tokens"] == 4


@pytest.mark.parametrize("options", [{"max_new_tokens": 5}, {"prune": 3}])
def test_unknown_options_are_refused(cited, reader, asked, options):
    with pytest.raises(ValidationError, match=r"Unknown option.*expected any of .*prune_to"):
        AT2CitedAnswer(reader=reader, **options)
    with pytest.raises(InputError, match=r"Unknown option.*expected any of .*prune_to"):
        cited.invoke(asked, **options)


@pytest.mark.parametrize("options", [{"prune_to": 0}, {"max_citations": "many"}])
def test_options_of_no_use_are_refused(cited, reader, asked, options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        AT2CitedAnswer(reader=reader, **options)
    with pytest.raises(ValidationError, match=next(iter(options))):
        cited.invoke(asked, **options)


def test_a_model_that_is_not_supported_is_refused_before_there_is_a_runnable(reader):
    config = GPTJConfig(vocab_size=8, n_positions=8, n_embd=8, n_layer=1, n_head=2, rotary_dim=2)
    with pytest.raises(UnsupportedModelError):
        AT2CitedAnswer(reader=Reader(GPTJForCausalLM(config), reader.tokenizer))


def test_a_reader_is_a_reader():
    with pytest.raises(ValidationError, match=r"reader is a str; expected an at2_rag\.Reader"):
        AT2CitedAnswer(reader="Qwen/Qwen2.5-1.5B-Instruct")


def test_callbacks_names_tags_and_metadata(cited, asked, expected):
    runs = Runs()
    cited.invoke(asked, {"callbacks": [runs], "tags": ["rag"], "metadata": {"who": "me"}})
    list(cited.stream(asked, {"callbacks": [runs], "run_name": "answering"}))
    named = AT2CitedAnswer(reader=cited.reader, name="my answer")
    named.invoke(asked, {"callbacks": [runs]})
    assert runs.started == [
        ("AT2CitedAnswer", ("rag",), "me"),
        ("answering", (), None),
        ("my answer", (), None),
    ]
    assert [output.text for output in runs.ended] == [expected.text] * 3
    with pytest.raises(InputError):
        cited.invoke({"question": "?"}, {"callbacks": [runs]})
    assert len(runs.failed) == 1


async def test_async_callbacks(cited, asked):
    runs = AsyncRuns()
    await cited.ainvoke(asked, {"callbacks": [runs], "run_name": "one"})
    _ = [chunk async for chunk in cited.astream(asked, {"callbacks": [runs], "run_name": "two"})]
    assert runs.names == ["one", "two"]


async def test_events(cited, asked, expected):
    chain = RunnablePassthrough.assign(answer=cited)
    events = [event async for event in chain.astream_events(asked, version="v2")]
    own = [event for event in events if event["name"] == "AT2CitedAnswer"]
    assert own[0]["event"] == "on_chain_start"
    assert own[-1]["event"] == "on_chain_end"
    chunks = [event["data"]["chunk"] for event in own if event["event"] == "on_chain_stream"]
    assert len(chunks) > 2
    check_same(message_chunk_to_message(chunks[0] + chunks[1:]), expected)
    check_same(message_chunk_to_message(own[-1]["data"]["output"]), expected)


def test_in_a_chain(cited, question, documents):
    retrieve = RunnableLambda(lambda _: documents)
    chain = {"question": RunnablePassthrough(), "context": retrieve} | cited
    message = chain.invoke(question)
    chunks = list(chain.stream(question))
    check_same(message_chunk_to_message(chunks[0] + chunks[1:]), message)
    assert len([chunk for chunk in chunks if chunk.text]) > 1
    check_message(message, documents)


def test_schemas(cited, asked):
    assert cited.get_name() == "AT2CitedAnswer"
    schema = cited.get_input_jsonschema()["$defs"]["AnswerInput"]
    assert set(schema["properties"]) == {"question", "context", "documents", "history"}
    assert schema["required"] == ["question"]
    assert cited.input_schema.model_validate(asked)
    assert cited.input_schema.model_validate({"input": "Who?", "context": []})
    with pytest.raises(ValidationError):
        cited.input_schema.model_validate({"context": []})
    assert cited.OutputType is AIMessage
    assert "content" in cited.get_output_jsonschema()["properties"]


async def test_sixteen_at_once_are_as_sixteen_in_turn(reader, worlds):
    cited = AT2CitedAnswer(reader=reader, reader_options={"max_new_tokens": 8})
    inputs = [{"question": w.question, "context": as_documents(w.passages[:3])} for w in worlds]
    in_turn = [cited.invoke(value) for value in inputs]
    at_once = await asyncio.gather(*(cited.ainvoke(value) for value in inputs * 4))
    assert len(at_once) == 16
    assert at_once == in_turn * 4
    assert any(citations_of(message) for message in in_turn)
