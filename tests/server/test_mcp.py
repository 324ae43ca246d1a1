"""The tools of the Model Context Protocol, through the official client."""

import asyncio
import sys
from contextlib import asynccontextmanager

import pytest
from mcp import Client, StdioServerParameters
from support.serving import PASSAGES, PATIENCE, QUESTION, held

from at2_rag import Passage
from at2_rag.server.mcp_tools import create_mcp_server

GIVEN = [Passage(**fields) for fields in PASSAGES]
TEXT = "Vungon is led by Tete Gorun. She was born in Nengos."


def call(reader, tool, **arguments):
    async def run():
        async with Client(create_mcp_server(reader)) as client:
            return await client.call_tool(tool, {"question": QUESTION, **arguments})

    return asyncio.run(run())


def check_cited(told, own):
    assert told["text"] == own.text
    assert told["marked_text"] == own.marked_text
    assert told["references"] == own.references
    assert told["passages_used"] == [index for index, _ in own.ranked_passages]
    assert len(told["statements"]) == len(own.statements)
    for statement, mine in zip(told["statements"], own.statements, strict=True):
        assert told["text"][statement["start"] : statement["end"]] == mine.text
        assert statement["supported"] == mine.supported
        for source, citation in zip(statement["citations"], mine.citations, strict=True):
            text = GIVEN[source["passage_index"]].text
            assert text[source["start"] : source["end"]] == source["text"] == citation.text
            assert source["score"] == pytest.approx(citation.score, rel=1e-4)


def test_answering_is_the_readers(demo_reader):
    result = call(demo_reader, "answer_with_citations", passages=PASSAGES)
    assert not result.is_error
    check_cited(result.structured_content, demo_reader.answer(QUESTION, GIVEN))
    pruned = call(demo_reader, "answer_with_citations", passages=PASSAGES, prune_to=2)
    own = demo_reader.answer(QUESTION, GIVEN, prune_to=2)
    check_cited(pruned.structured_content, own)


def test_citing_is_the_readers(demo_reader):
    result = call(demo_reader, "cite", passages=PASSAGES, text=TEXT)
    check_cited(result.structured_content, demo_reader.attribute(QUESTION, GIVEN, TEXT))


@pytest.mark.parametrize("rule", [{"top_k": 1}, {"min_share": 0.3, "unit": "sentence"}])
def test_pruning_is_the_readers(demo_reader, rule):
    told = call(demo_reader, "prune", passages=PASSAGES, **rule).structured_content
    own = demo_reader.prune(QUESTION, GIVEN, **rule)
    assert [(p["passage_index"], p["text"]) for p in told["passages"]] == [
        (index, passage.text) for index, passage in zip(own.kept, own.passages, strict=True)
    ]
    assert (told["tokens_before"], told["tokens_after"]) == own.saved.tokens
    assert told["draft"] == own.draft.text


def test_tools_tell_what_they_take_and_return(demo_reader):
    async def run():
        async with Client(create_mcp_server(demo_reader)) as client:
            return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in asyncio.run(run())}
    assert set(tools) == {"answer_with_citations", "cite", "prune"}
    for tool in tools.values():
        assert tool.description
        assert {"question", "passages"} <= set(tool.input_schema["required"])
        assert tool.input_schema["properties"]["question"]["description"]
        assert tool.output_schema["type"] == "object"
    cited = tools["cite"].output_schema
    assert {"text", "statements", "references"} <= set(cited["properties"])


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("answer_with_citations", {"passages": []}, "passages"),
        ("answer_with_citations", {"passages": [{"text": " "}]}, "empty"),
        ("answer_with_citations", {"passages": [{"title": "A"}]}, "text"),
        ("cite", {"passages": PASSAGES, "text": " "}, "expected text to cite"),
        ("prune", {"passages": PASSAGES}, "expected one of them"),
        ("prune", {"passages": PASSAGES, "top_k": 0}, "top_k"),
    ],
)
def test_what_cannot_be_done_is_told_in_words(demo_reader, tool, arguments, told):
    result = call(demo_reader, tool, **arguments)
    assert result.is_error
    assert told in result.content[0].text


def test_calls_at_once_take_turns_and_one_may_give_up(demo_reader):
    arguments = {"question": QUESTION, "passages": PASSAGES, "max_new_tokens": 12}

    async def run():
        async with Client(create_mcp_server(demo_reader)) as client:
            with held(demo_reader) as gate:
                asking = [
                    asyncio.create_task(client.call_tool("answer_with_citations", arguments))
                    for _ in range(3)
                ]
                assert await asyncio.to_thread(gate.reached.wait, PATIENCE)
                asking[0].cancel()
                gate.open()
                return await asyncio.gather(*asking, return_exceptions=True)

    first, *others = asyncio.run(run())
    assert isinstance(first, BaseException)
    own = demo_reader.answer(QUESTION, GIVEN, max_new_tokens=12)
    for result in others:
        check_cited(result.structured_content, own)


@asynccontextmanager
async def started(*command):
    async with Client(StdioServerParameters(command=sys.executable, args=list(command))) as client:
        yield client


def test_the_command_speaks_over_stdin_and_stdout(demo_reader):
    """And says everything else on stderr."""

    async def run():
        async with started("-m", "at2_rag.cli", "mcp", "--model", "demo") as client:
            return await client.call_tool("cite", {"question": QUESTION, "passages": PASSAGES,
                                                   "text": TEXT})  # fmt: skip

    result = asyncio.run(run())
    check_cited(result.structured_content, demo_reader.attribute(QUESTION, GIVEN, TEXT))
