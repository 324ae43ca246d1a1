"""Pages, as loaders tell them in metadata, and in an answer's references."""

from dataclasses import replace

import pytest

from at2_rag import Passage
from at2_rag.worlds import generate_examples


@pytest.mark.parametrize(
    ("metadata", "page"),
    [
        ({}, None),
        ({"page": 3}, "p. 3"),
        ({"page": 0}, "p. 0"),
        ({"page": 0, "page_label": "iv"}, "p. iv"),
        ({"page": 11, "page_number": 12}, "p. 12"),
        ({"page": "7", "page_label": " "}, "p. 7"),
        ({"page": True}, None),
        ({"page": [1, 2], "page_number": None}, None),
    ],
)
def test_the_page(metadata, page):
    assert Passage("Text.", metadata=metadata).page == page


@pytest.mark.parametrize("titled", [True, False])
def test_references_tell_the_page(demo_reader, titled):
    example = next(iter(generate_examples(11, 5, 2)))
    passages = [
        replace(p, title=p.title if titled else None, metadata={"page": 4})
        for p in example.passages
    ]
    answer = demo_reader.answer(example.question, passages)
    assert answer.citations
    for line, citation in zip(answer.references.splitlines(), answer.citations, strict=True):
        title = f"{citation.title}, p. 4" if titled else "p. 4"
        assert line.startswith(f"[{citation.number}] {title}: {citation.text}")
