"""Sources are exact pieces of passages."""

from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.texts import quick, texts

from at2_rag.documents.passages import Passage
from at2_rag.documents.sources import SourceUnit, check_unit, split_passage
from at2_rag.errors import InputError

UNITS = get_args(SourceUnit)


def pieces(text, unit, token_spans=()):
    return [source.text for source in split_passage(Passage(text), 0, unit, "english", token_spans)]


@pytest.mark.parametrize("unit", UNITS)
@quick
@given(text=texts, data=st.data())
def test_every_source_is_where_it_says(unit, text, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=5)))
    spans = list(pairwise(cuts))
    sources = split_passage(Passage(text, "A title"), 3, unit, token_spans=spans)
    for source in sources:
        assert source.passage_index == 3
        assert text[source.start : source.end] == source.text != ""
    places = [(source.start, source.end) for source in sources]
    assert places == sorted(places)
    assert all(a[1] <= b[0] for a, b in pairwise(places))
    if unit == "token":
        assert places == spans
    if unit != "token":  # every character belongs to a source
        assert "".join("".join(source.text.split()) for source in sources) == "".join(text.split())


def test_words_are_what_white_space_parts():
    text = " Le\u00a0Nil,\tl'eau\n\n漢字 かな 👩‍👩‍👧‍👦!\u2003e\u0301 "
    assert pieces(text, "word") == ["Le", "Nil,", "l'eau", "漢字", "かな", "👩‍👩‍👧‍👦!", "e\u0301"]


def test_sentences_are_punkts_without_space_around():
    text = "  Dr. Bell came.  He left at 5 p.m. yesterday.\nThen what? "
    assert pieces(text, "sentence") == [
        "Dr. Bell came.", "He left at 5 p.m. yesterday.", "Then what?",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["1984", " 12.5 % ", "!?", "\n👍🏽\n"])
def test_without_a_letter_the_whole_is_one_sentence(text):
    assert pieces(text, "sentence") == [text.strip()]


@pytest.mark.parametrize("text", ["", " ", "\n\t \u3000"])
def test_white_space_holds_no_source(text):
    assert pieces(text, "word") == pieces(text, "sentence") == []
    assert pieces(text, "passage") == pieces(text, "token") == []


def test_a_passage_is_one_source_with_its_white_space():
    assert pieces(" a b\n", "passage") == [" a b\n"]


def test_tokens_are_the_spans_that_were_given():
    assert pieces("the Nile", "token", [(0, 3), (3, 5), (5, 8)]) == ["the", " N", "ile"]


@pytest.mark.parametrize("unit", ["document", "Sentence", "", None, 1])
def test_unknown_units_are_refused_with_the_known_ones(unit):
    expected = rf"source_unit is {unit!r}; expected one of sentence, passage, word, token"
    with pytest.raises(InputError, match=expected):
        check_unit(unit)


@pytest.mark.parametrize("unit", UNITS)
def test_known_units_are_accepted(unit):
    check_unit(unit)
