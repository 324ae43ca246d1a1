"""CitedResponse: any statements, in pieces of any size, make the same response."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.postprocessor.at2 import AT2Response
from llama_index.postprocessor.at2.cited import CitedResponse, events_of
from support.laws import check_markers, check_response
from support.nodes import nodes_of, scored

from at2_rag import Citation, Statement

#: Prose in any script; what Markdown makes of other characters is tested where marks are placed.
SENTENCES = st.text(
    st.characters(categories=["Ll", "Lu", "Lo", "Mn", "Po"], exclude_characters="#*\\&!")
).map(lambda text: f"a{text}.")
NODES = [NodeWithScore(node=TextNode(text=f"Node {i}. " * 3)) for i in range(5)]


@st.composite
def answers(draw):
    """Sentences with white space between, and the nodes that each cites."""
    text, statements = "", []
    for sentence in draw(st.lists(SENTENCES, max_size=6)):
        text += draw(st.sampled_from(["", " ", "\n\n"])) if text else ""
        span = (len(text), len(text) + len(sentence))
        text += sentence
        cited = draw(st.lists(st.integers(0, len(NODES) - 1), max_size=4))
        citations = tuple(
            Citation(i + 1, *span, index, None, None, None, 0, 7, f"Node {index}.", 1.0)
            for i, index in enumerate(cited)
        )
        statements.append(Statement(sentence, *span, citations))
    return text, statements


@given(answers(), st.data())
def test_numbers_are_in_order_and_offsets_hold(answer, data):
    text, statements = answer
    response, done, given_out = CitedResponse(NODES), 0, ""
    for statement in statements:
        # Any cut of the text into pieces.
        cuts = data.draw(st.lists(st.integers(done, statement.end), max_size=3).map(sorted))
        for cut in [*cuts, statement.end]:
            given_out += response.add(text[done:cut])
            done = cut
        given_out += response.add(statement)
    given_out += response.end()
    assert given_out == response.text
    metadata = response.metadata
    assert check_markers(response.text, metadata["citations"], metadata["statements"]) == text
    first_use = list(dict.fromkeys(c["number"] for c in metadata["citations"]))
    assert first_use == list(range(1, len(first_use) + 1))
    for c in metadata["citations"]:
        assert response.source_nodes[c["number"] - 1].node is NODES[c["node_index"]].node
        assert response.text[c["start"] : c["end"]] == c["statement"]


@pytest.fixture(scope="module")
def answered(reader, worlds):
    example = worlds[0]
    return scored(nodes_of(example)), reader.answer(example.question, example.passages)


@given(data=st.data())
def test_a_real_answer_in_any_pieces_is_the_whole(answered, data):
    nodes, answer = answered
    whole, pieces = CitedResponse(nodes), CitedResponse(nodes)
    for event in events_of(answer):
        whole.add(event)
        if isinstance(event, str):
            cuts = data.draw(st.lists(st.integers(0, len(event)), max_size=4).map(sorted))
            for start, end in zip([0, *cuts], [*cuts, len(event)], strict=True):
                pieces.add(event[start:end])
        else:
            pieces.add(event)
    assert pieces.text == whole.text
    assert pieces.metadata == whole.metadata
    assert pieces.source_nodes == whole.source_nodes
    check_response(
        AT2Response(whole.text, whole.source_nodes, whole.by_node, whole.metadata), nodes
    )


def test_citations_carry_through_what_they_are_inherited(answered):
    nodes, answer = answered
    statement = answer.statements[0]
    response = CitedResponse(nodes)
    response.add(answer.text[: statement.end])
    response.add(statement)
    expected = [c.via for c in statement.citations]
    assert [c["via"] for c in response.metadata["citations"]] == expected
    assert response.metadata["statements"][0]["supported"] is statement.supported


def test_places_in_the_document_are_given_where_the_node_says(answered):
    nodes, answer = answered
    response = CitedResponse(nodes)
    for event in events_of(answer):
        response.add(event)
    for c in response.metadata["citations"]:
        first = nodes[c["node_index"]].node.start_char_idx
        assert c["document_start"] == first + c["source_start"]
        assert c["document_end"] == first + c["source_end"]


CODE = "```python\nx = values[1][2]\ny = One. Two\n```"
MARKDOWN = {
    "code": f"So it is:\n\n{CODE}\nThat is it.",
    "a table": "| Person | Born in |\n|---|---|\n| Ann. She | Bo |",
    "numbers of its own": "Ann was born in Bo [3]. Bo is a city.",
}


@pytest.fixture(scope="module", params=MARKDOWN)
def in_markdown(request, reader, worlds):
    example, text = worlds[0], MARKDOWN[request.param]
    return request.param, reader.attribute(example.question, example.passages, text)


@given(data=st.data())
def test_markers_stay_out_of_code_and_in_tables(in_markdown, worlds, data):
    nodes, (name, answer) = scored(nodes_of(worlds[0])), in_markdown
    whole, pieces = CitedResponse(nodes), CitedResponse(nodes)
    for event in events_of(answer):
        whole.add(event)
        if isinstance(event, str):
            cut = data.draw(st.integers(0, len(event)))
            pieces.add(event[:cut])
            pieces.add(event[cut:])
        else:
            pieces.add(event)
    assert (pieces.text, pieces.metadata) == (whole.text, whole.metadata)
    assert name != "code" or CODE in whole.text
    assert name != "a table" or all(line.endswith("|") for line in whole.text.splitlines())
    assert name != "numbers of its own" or "Bo [3].[^1]" in whole.text
    for statement in whole.metadata["statements"]:
        assert whole.text[statement["start"] : statement["end"]] == statement["text"]
