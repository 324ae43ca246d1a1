"""Copies among sources: what says the same in the same place, and what only looks so."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from at2_rag import Passage
from at2_rag.documents.copies import originals
from at2_rag.documents.sources import split_passage

MILL = (
    "The mill was built in 1820 by the Brel family for the town. It stands. "
    "It burnt down in 1901 and was restored by Ida Noor."
)


def split(passages):
    passages = [Passage(each) if isinstance(each, str) else each for each in passages]
    sources = [
        source
        for index, passage in enumerate(passages)
        for source in split_passage(passage, index, "sentence")
    ]
    return sources, passages


def copied(*passages):
    """Return (passage, text) of each copy and the passage of its original."""
    sources, passages = split(passages)
    found = originals(sources, passages)
    return [
        (sources[i].passage_index, sources[first].passage_index, sources[first].text)
        for i, first in enumerate(found)
        if first != i
    ]


def test_a_passage_again_is_a_copy_sentence_by_sentence():
    again = copied(MILL, "Else.", MILL.replace(" ", "  ").upper(), MILL)
    assert [(index, first) for index, first, _ in again] == [(2, 0)] * 3 + [(3, 0)] * 3


def test_windows_share_their_sentences():
    sentences = ["One is here.", "Two is here.", "Three is here.", "Four is here.", "Five is here."]
    windows = [" ".join(sentences[i : i + 3]) for i in range(3)]
    sources, passages = split(windows)
    found = originals(sources, passages)
    assert sorted({sources[first].text for first in found}) == sorted(sentences)


def test_what_a_cut_leaves_of_a_sentence_is_a_copy_of_it():
    begun = MILL.index("1820")
    assert copied(MILL, MILL[begun:])[0] == (1, 0, MILL.split(". ")[0] + ".")
    assert copied(MILL, MILL[: begun + 22]) == [(1, 0, MILL.split(". ")[0] + ".")]
    assert copied(MILL, MILL[:20]) == []  # too little to know it again


@pytest.mark.parametrize(
    "others",
    [
        ("The revenue of the whole firm was 45", "The revenue of the whole firm was 450 this year"),
        ("The revenue of the whole firm was 45", "The revenue of the whole firm was 45.5 then."),
        ("The mill of the town was built in 1820.", "It is false that the mill of the town was "
         "built in 1820."),
        ("He lives in the town of Brel.", "She lives in the town of Brel."),
    ],
)  # fmt: skip
def test_what_says_something_else_is_no_copy(others):
    assert copied(*others) == []


def test_the_same_words_about_something_else_are_no_copy():
    mill = Passage("It was founded in 1900. It has ten rooms.", title="Mill")
    tower = Passage("It was founded in 1900. It has two rooms.", title="Tower")
    assert copied(mill, tower) == []
    assert copied(mill, Passage("It was founded in 1900.", title="Tower")) == []
    assert copied(mill, "It was founded in 1900.") == [(1, 0, "It was founded in 1900.")]
    assert copied("Costs:\n45\nSales:\n45\nDone.") == []


def test_titles_do_not_matter_where_the_sentences_around_agree():
    one, other = Passage(MILL, title="mill.pdf"), Passage(MILL, title="The mill")
    assert len(copied(one, other)) == 3


LINES = st.lists(st.sampled_from(["a.", "b.", "A b c d e f g.", "c d e f g."]), max_size=6)


@given(st.lists(LINES.map("\n".join), max_size=5))
def test_no_copy_has_copies(texts):
    sources, passages = split(texts)
    found = originals(sources, passages)
    assert [found[first] for first in found] == list(found)
    assert originals(sources, passages, range(len(sources))) == tuple(range(len(sources)))


@given(st.lists(st.sampled_from([MILL, "One. Two.", "It was founded. It fell."])), st.randoms())
def test_the_order_of_copies_changes_nothing(texts, random_order):
    sources, passages = split(texts)
    random_order.shuffle(texts)
    moved, shuffled = split(texts)
    found, again = originals(sources, passages), originals(moved, shuffled)
    assert {sources[i].text for i in found} == {moved[i].text for i in again}
    assert len(set(found)) == len(set(again)) == len({source.text for source in sources})


def test_many_are_found_quickly():
    chosen = random.Random(0)
    texts = [" ".join(f"Word{chosen.random()} is here now." for _ in range(20)) for _ in range(100)]
    sources, passages = split([*texts, *texts])
    found = originals(sources, passages)
    assert found[:2000] == tuple(range(2000))
    assert found[2000:] == tuple(range(2000))
