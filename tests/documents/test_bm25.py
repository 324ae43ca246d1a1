"""Narrowing to the best passages by BM25."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from at2_rag.documents.bm25 import best_by_bm25
from at2_rag.documents.passages import Passage
from at2_rag.errors import InputError

TEXTS = [
    "The castle was built of stone.",
    "Marie Curie won the Nobel Prize in Physics.",
    "The river runs through the town.",
    "Physics is the study of matter.",
    "Bread is made of flour.",
]
PASSAGES = [Passage(text) for text in TEXTS]


def test_the_best_are_kept_in_their_original_order():
    assert best_by_bm25("Who won the physics prize?", PASSAGES, 1) == [1]
    assert best_by_bm25("Is physics what won Curie the prize?", PASSAGES[::-1], 2) == [1, 3]


def test_titles_count():
    passages = [*PASSAGES, Passage("It stands on a hill.", title="Velros Institute")]
    assert best_by_bm25("Where is the VELROS institute?", passages, 1) == [5]


def test_rare_words_count_more_than_common_ones():
    passages = [Passage(f"the town of {name} has a mill") for name in ("Rufe", "Dabri", "Osk")]
    assert best_by_bm25("Which mill has the town of Dabri?", passages, 1) == [1]


@pytest.mark.parametrize("question", ["", "?!", "Zyx qwv?", "the of a", "🙂"])
def test_question_without_words_in_the_passages_keeps_the_first(question):
    assert best_by_bm25(question, PASSAGES, 3) == [0, 1, 2]


@pytest.mark.parametrize("text", ["", "...", "🙂", "the"])
def test_passages_without_tokens(text):
    assert best_by_bm25("physics", [Passage(text)] * 3, 2) == [0, 1]
    assert best_by_bm25("physics", [Passage(text), Passage(text), PASSAGES[3]], 1) == [2]


def test_scripts_without_spaces_between_words():
    passages = [
        Passage("東京は日本の首都です。"),
        Passage("猫は魚が好きです。"),
        Passage("雨が降る。"),
    ]
    assert best_by_bm25("日本の首都はどこですか", passages, 1) == [0]
    assert best_by_bm25("猫", passages, 1) == [1]


def test_words_of_one_character_count():
    assert best_by_bm25("vitamin K", [Passage("vitamin A"), Passage("vitamin K")], 1) == [1]


@pytest.mark.parametrize("keep", [5, 6, 1000])
def test_nothing_is_left_out_where_all_fit(keep):
    assert best_by_bm25("physics", PASSAGES, keep) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("keep", [0, -1])
def test_keep_below_one_is_refused(keep):
    with pytest.raises(InputError, match=f"keep is {keep}; expected at least 1"):
        best_by_bm25("physics", PASSAGES, keep)


def test_nothing_is_printed(capfd):
    best_by_bm25("physics", PASSAGES, 2)
    assert capfd.readouterr() == ("", "")


WORDS = st.sampled_from(["physics", "prize", "river", "the", "Bread", "日", "", "...", "K"])


@given(st.lists(WORDS), st.lists(st.lists(WORDS).map(" ".join), max_size=8), st.integers(1, 9))
def test_indices_are_sorted_unique_and_as_many_as_asked_for(words, texts, keep):
    passages = [Passage(text) for text in texts]
    kept = best_by_bm25(" ".join(words), passages, keep)
    assert kept == sorted(set(kept))
    assert len(kept) == min(keep, len(texts))
    assert set(kept) <= set(range(len(texts)))
    assert kept == best_by_bm25(" ".join(words), passages, keep)
