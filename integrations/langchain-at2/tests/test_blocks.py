"""Citations in content blocks: wherever the text is cut, each is there once, at its place."""

from itertools import pairwise

import pytest
from at2_rag import Citation, Passage, Statement
from hypothesis import given
from hypothesis import strategies as st

from langchain_at2.annotations import ID_PREFIX, is_own
from langchain_at2.blocks import cite_blocks, text_of

PASSAGES = [Passage("One. Two.", title="A"), Passage("Three.", id="b", url="https://b")]


@st.composite
def cited_texts(draw):
    """A text, its statements with numbered citations, and places to cut it."""
    sentences = draw(
        st.lists(
            st.text("ab .é", min_size=1, max_size=8).map(lambda s: f"x{s}."), min_size=1, max_size=6
        )
    )
    text, statements, numbers = draw(st.text(" \n", max_size=2)), [], 0
    for sentence in sentences:
        start, end = len(text), len(text) + len(sentence)
        count = draw(st.integers(0, 3))
        citations = tuple(
            Citation(numbers + n + 1, start, end, n % 2, None, None, None, 0, 4, "One.", 0.5)
            for n in range(count)
        )
        numbers += count
        statements.append(Statement(sentence, start, end, citations))
        text += sentence + draw(st.text(" \n", max_size=2))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return text, statements, [0, *cuts, len(text)]


def cut(text, edges):
    blocks = [{"type": "text", "text": text[a:b]} for a, b in pairwise(edges)]
    return [*blocks[:1], {"type": "reasoning", "reasoning": "…"}, *blocks[1:]]


@pytest.mark.parametrize("inline", [False, True])
@given(cited_texts())
def test_every_citation_once_behind_its_statement(inline, case):
    text, statements, edges = case
    given_blocks = cut(text, edges)
    cited = cite_blocks(
        given_blocks, statements, PASSAGES, identifier=ID_PREFIX, inline_markers=inline
    )
    joined = text_of(cited.blocks)
    numbers = [c.number for s in statements for c in s.citations]
    found = [
        (block["text"][a["start_index"] : a["end_index"]], a["extras"]["number"])
        for block in cited.blocks
        for a in block.get("annotations", ())
    ]
    assert [number for _, number in found] == numbers
    ends = [s.text for s in statements for _ in s.citations]
    # In full where the statement lies in one block, else the part in the block where it ends.
    assert all(part and whole.endswith(part) for whole, (part, _) in zip(ends, found, strict=True))
    if len(edges) == 2:
        assert [part for part, _ in found] == ends
    for statement, told in zip(statements, cited.statements, strict=True):
        assert joined[told["start"] : told["end"]] == statement.text
        mark = "".join(f"[{c.number}]" for c in statement.citations) if inline else ""
        assert joined[told["end"] :].startswith(mark)
    assert len(joined) - len(text) == (sum(len(f"[{n}]") for n in numbers) if inline else 0)
    assert text_of(given_blocks) == text


@given(cited_texts(), st.data())
def test_other_annotations_move_with_their_text(case, data):
    text, statements, _ = case
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    other = {"type": "citation", "start_index": start, "end_index": end, "id": "web"}
    block = {"type": "text", "text": text, "annotations": [other]}
    cited = cite_blocks([block], statements, PASSAGES, identifier=ID_PREFIX, inline_markers=True)
    (moved,) = (a for a in cited.blocks[0]["annotations"] if not is_own(a))
    covered = cited.blocks[0]["text"][moved["start_index"] : moved["end_index"]]
    for mark in (f"[{c.number}]" for s in statements for c in s.citations):
        covered = covered.replace(mark, "")
    assert covered == text[start:end]
    assert other["start_index"] == start
