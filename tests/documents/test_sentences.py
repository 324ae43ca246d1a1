"""Sentences: laws that hold for any text, cases with a known answer, and working offline."""

import pickle
import socket
from concurrent.futures import ThreadPoolExecutor

import nltk.data
import pytest
from hypothesis import given, settings
from support.nasty import NASTY
from support.sentences import TEXTS

from at2_rag.documents.sentences import (
    Abbreviations,
    available_languages,
    load_punkt,
    sentence_spans,
)
from at2_rag.errors import MissingResourceError

#: No deadline: the first call loads the parameters, and the machine may be busy.
LAW = settings(deadline=None)


def sentences(text, language="english"):
    return [text[start:end] for start, end in sentence_spans(text, language)]


# Laws


@LAW
@given(TEXTS)
def test_spans_are_in_order_and_do_not_overlap(text):
    edges = [edge for span in sentence_spans(text) for edge in span]
    assert edges == sorted(edges)
    assert all(0 <= edge <= len(text) for edge in edges)


@LAW
@given(TEXTS)
def test_every_sentence_is_one_stripped_line_with_a_letter(text):
    for sentence in sentences(text):
        assert sentence == sentence.strip()
        assert len(sentence.splitlines()) == 1
        assert any(character.isalpha() for character in sentence)


@LAW
@given(TEXTS)
def test_every_letter_is_in_exactly_one_sentence(text):
    covered = [index for span in sentence_spans(text) for index in range(*span)]
    letters = {index for index, character in enumerate(text) if character.isalpha()}
    assert len(covered) == len(set(covered))
    assert letters <= set(covered)


@LAW
@given(TEXTS, TEXTS)
def test_lines_are_split_on_their_own(first, second):
    assert sentences(f"{first}\n{second}") == sentences(first) + sentences(second)


# Cases with a known answer; "|" is where one sentence ends and the next begins.


@pytest.mark.parametrize(
    "marked",
    [
        "One sentence without an end",
        "It rained. | We stayed in! | Did you?",
        "Dr. Smith met Mrs. Jones vs. others. | Final answer: Rufe",
        "Gen. Pershing and Lieut. Col. Grant left on Jan. 5. | They won.",
        "Fruit, e.g. apples, pears, etc. and nuts, i.e. seeds, sell well. | Meat does not.",
        "See Vol. 2, pp. 3 and Fig. 4 (Gadek et al. 2000). | It is there.",
        "The song reached No. 1 in May. | He said no. | She agreed.",
        "J. R. R. Tolkien wrote it. | J.R.R. Tolkien, J.K. Rowling and George F. Will did not.",
        "Harold C. Case was president. | Brown v. Board of Education was heard then.",
        "He lived in the U.S. from 1950. | The U.S. Army left the U.S.S.R. in time.",
        "She has a Ph.D. from M.I.T. and a dog. | He left at 5 p.m. | Then she slept.",
        "He works for Apple Inc. | He likes it. | Warner Bros. Animation made the film.",
        "He was born in St. Louis. | Mt. Everest is high.",
        "It ended with World War I. | The peace was short.",
        "It cost $3.50, or 4.5% more. | Version 2.0.1 is out.",
        'He said "Stop." | Then he left. | (She did not.) | “Why?” | she asked.',
        "Wait... what? | So it is... | The end.",
        "What?! | No way!!! | Really?!",
        "It is **bold.** | Next comes a reference.[1] | Then two.[2][3]",
        "今日は。 | 明日は雨です！ | 「はい。」 | そう？！ | うん",
        "他说：“你好。” | 她笑了。",
        "我们。 | 3 月他走了。",
        "यह एक वाक्य है। | यह दूसरा है।",
        "مرحبا بالعالم. | كيف حالك؟ | أنا بخير۔ | نعم.",
        "שלום עולם. | מה שלומך? | טוב.",
        "Great 🎉! | So good 👍🏽.",
    ],
)
def test_marked_sentences(marked):
    expected = marked.split(" | ")
    # These scripts put no space after a full stop.
    spaced = not any("\u3040" <= character <= "\u9fff" for character in marked)
    assert sentences((" " if spaced else "").join(expected)) == expected


@pytest.mark.parametrize(
    "text", ["", " ", "\n \n", "1.", "—", "...", "?!", "12. 13.\n* \n🎉", "\r\n"]
)
def test_text_without_letters_has_no_sentence(text):
    assert sentence_spans(text) == []


def test_numbers_of_list_items_are_dropped():
    assert sentences("1. Apples are red.\n2. Pears\n- \n* Plums") == [
        "Apples are red.",
        "Pears",
        "* Plums",
    ]


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\n\n", " \n\t", "\u2028", "\x0b"])
def test_lines_end_sentences(separator):
    text = f"a line of{separator}two parts. Three."
    assert sentences(text) == ["a line of", "two parts.", "Three."]


def test_offsets_count_characters():
    text = "  \n 👍🏽 é. Yes.\r\nNo. "
    assert sentence_spans(text) == [(4, 9), (10, 14), (16, 19)]


@pytest.mark.parametrize("passage", NASTY, ids=lambda passage: passage.title)
def test_sentences_of_passages(passage):
    assert sentences(passage.text) == passage.sentences


@pytest.mark.parametrize(
    ("word", "known"),
    [("dr", True), ("u.s", True), ("j.r.r", True), ("é.a", True), ("q", False), ("no.w", False)],
)
def test_abbreviations_contain_initials(word, known):
    assert (word in Abbreviations({"dr"})) is known


# Languages


@pytest.fixture
def not_loaded():
    """Start, and leave, without parameters in memory."""
    load_punkt.cache_clear()
    yield
    load_punkt.cache_clear()


@pytest.fixture
def nltk_data(not_loaded, tmp_path, monkeypatch):
    """A folder of nltk data where one language knows the abbreviation "bzw"."""
    folder = tmp_path / "tokenizers" / "punkt_tab" / "german"
    folder.mkdir(parents=True)
    for name in ("collocations.tab", "sent_starters.txt", "ortho_context.tab"):
        folder.joinpath(name).write_text("", "utf-8")
    folder.joinpath("abbrev_types.txt").write_text("bzw", "utf-8")
    # nltk warns about data that others could have written.
    for path in (folder, folder.parent, folder.parent.parent, tmp_path):
        path.chmod(0o700)
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    return tmp_path


def test_other_languages_come_from_nltk_data(nltk_data):
    text = "Heute bzw. Morgen geht es. Dr. Meier kommt."
    assert available_languages() == ["english", "german"]
    assert sentences(text, "german") == ["Heute bzw. Morgen geht es.", "Dr.", "Meier kommt."]
    assert sentences(text) == ["Heute bzw.", "Morgen geht es.", "Dr. Meier kommt."]


@pytest.mark.parametrize("language", ["klingon", "English", "", "../punkt_tab/german", "german/"])
def test_a_missing_language_is_named_with_those_available(nltk_data, language):
    with pytest.raises(MissingResourceError) as caught:
        sentence_spans("Some text.", language)
    assert repr(language) in str(caught.value)
    assert "english, german" in str(caught.value)
    assert "python -m nltk.downloader punkt_tab" in str(caught.value)


def test_a_language_is_found_once_it_is_installed(nltk_data):
    folder = nltk_data / "tokenizers" / "punkt_tab"
    with pytest.raises(MissingResourceError):
        sentence_spans("Oui.", "french")
    folder.joinpath("german").rename(folder / "french")
    assert sentences("Oui. Non.", "french") == ["Oui.", "Non."]


# Loading


def test_english_needs_no_network_and_no_installed_data(not_loaded, monkeypatch, capfd, caplog):
    def refuse(*args, **kwargs):
        raise AssertionError("a socket was made")

    monkeypatch.setattr(socket.socket, "__init__", refuse)
    monkeypatch.setattr(nltk.data, "path", [])
    assert sentences("Mr. A left. Yes.") == ["Mr. A left.", "Yes."]
    assert load_punkt.cache_info().misses == 1
    assert (*capfd.readouterr(), caplog.text) == ("", "", "")


def test_a_call_stores_nothing_about_unknown_words():
    known = pickle.dumps(load_punkt("english"))
    assert sentences("Dr. Xyzzy met J. Plugh in 1980. Frobozz left.")
    assert pickle.dumps(load_punkt("english")) == known


def test_threads_agree(not_loaded):
    text = " ".join(passage.text for passage in NASTY)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(sentence_spans, [text] * 8))
    assert results == [sentence_spans(text)] * 8
