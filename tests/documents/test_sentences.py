"""Sentences: laws that hold for any text, cases with a known answer, and working offline."""

import json
import pickle
import re
import socket
import textwrap
from concurrent.futures import ThreadPoolExecutor

import nltk.data
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.nasty import NASTY
from support.real_data import first_lines
from support.sentences import LINED, TEXTS

from at2_rag.documents.sentences import (
    Abbreviations,
    available_languages,
    load_punkt,
    sentence_spans,
    statement_spans,
)
from at2_rag.errors import MissingResourceError

#: No deadline: the first call loads the parameters, and the machine may be busy.
LAW = settings(deadline=None)


def sentences(text, language="english"):
    return [text[start:end] for start, end in sentence_spans(text, language)]


def statements(text):
    return [text[start:end] for start, end in statement_spans(text)]


# Laws


@LAW
@given(TEXTS)
def test_spans_are_in_order_and_do_not_overlap(text):
    edges = [edge for span in sentence_spans(text) for edge in span]
    assert edges == sorted(edges)
    assert all(0 <= edge <= len(text) for edge in edges)


@LAW
@given(LINED)
def test_sentences_are_stripped_and_hold_all_but_white_space(text):
    assert all(sentence == sentence.strip() != "" for sentence in sentences(text))
    covered = [index for span in sentence_spans(text) for index in range(*span)]
    assert len(covered) == len(set(covered))
    assert {i for i, character in enumerate(text) if not character.isspace()} <= set(covered)


@LAW
@given(LINED)
def test_statements_are_the_sentences_less_what_says_nothing(text):
    said = statements(text)
    if not any(map(str.isalnum, text)):
        assert said == ([text.strip()] if text.strip() else [])
    left = iter(sentences(text))
    for statement in said:
        assert any(statement in sentence for sentence in left)  # in this order
        assert any(map(str.isalnum, statement)) or len(said) == 1


@LAW
@given(TEXTS, TEXTS)
def test_paragraphs_are_split_on_their_own(first, second):
    assume("```" not in first and "~~~" not in first)  # code goes on behind a blank line
    assume(not re.search(r"[:：][*_\s]*$", first))  # what leads in is a statement at the end alone

    def said(text):  # behind a statement, so that what names what follows is none
        return statements(f"It is.\n\n{text}")[1:]

    assert said(f"a {first}\n\na {second}") == said(f"a {first}") + said(f"a {second}")


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
        'He said "Stop." | Then he left. | (She did not.) | “Why?” she asked.',
        'The answer to "How long is it?" is 12 hours. | He cried “Stop!” and (why?) left. | So?',
        '"Who is it?" | He asked “Why?” | Tom left. | It is late? | it is.',
        "Wait... what? | So it is... | The end.",
        "What?! | No way!!! | Really?!",
        "It is **bold.** | Next comes a reference.[1] | Then two.[2][3]",
        "今日は。 | 明日は雨です！ | 「はい。」 | そう？！ | うん",
        "他说：“你好。” | 她笑了。",
        "我们。 | 3 月他走了。",
        "終わり． | はい． | 3．5です。",
        "他走了…… | 然后呢？ | 走了! | 真的?",
        "「A。B」と言った。 | 次。",
        "他说：“好。走吧。”",
        "他说（真的。是的），“好”。 | 走吧。",
        "यह एक वाक्य है। | यह दूसरा है।",
        "مرحبا بالعالم. | كيف حالك؟ | أنا بخير۔ | نعم.",
        "שלום עולם. | מה שלומך? | טוב.",
        "Great 🎉! | So good 👍🏽.",
        "รถไฟขนาด 1,600 มม. (5 ฟุต 3 นิ้ว) เป็นหลัก",
        "What is it? | 42. | Right.",
        "It is grown at 1700 m. | Error E4 is heat. | It uses 230 V. | The tank has 0.6 l. | So.",
        "In 1920 J. R. Tolkien wrote it. | On May 5 J. Smith came at 9 p.m. and left.",
    ],
)
def test_marked_sentences(marked):
    expected = marked.split(" | ")
    # These scripts put no space after a full stop.
    spaced = not any("\u3040" <= character <= "\u9fff" for character in marked)
    assert sentences((" " if spaced else "").join(expected)) == expected


@pytest.mark.parametrize("text", ["", " ", "\n \n", "\r\n", "\u3000"])
def test_white_space_has_no_sentence(text):
    assert sentence_spans(text) == statement_spans(text) == []


@pytest.mark.parametrize("text", ["1.", "—", "...", "?!", "🎉", "---\n***", "```\n```"])
def test_what_says_nothing_at_all_is_one_sentence(text):
    assert sentences(text) == statements(text) == [text]


#: A bar (¦) for where a sentence ends; what stands in 〔〕 is in no statement.
LINES = {
    "numbers of items": "1. Apples are red.¦\n2. Pears〔\n- 〕¦\n* Plums¦\n(b) Nuts",
    "numbers within items": "- 1. Apples are red.¦\n- 2. a) Pears",
    "amounts": "Results 2023¦\nTotal revenue¦\n$4,200¦\nTotal costs¦\n$1,100¦\nIt was good.",
    "table": "〔| Year | Sales |\n|---|---|〕¦\n| 2020 | 45 |¦\n| 2021 | 50 |¦\nGrowth was strong.",
    "number": "〔The result is:〕¦\n42",
    "years": "〔Mayors:〕¦\n- 1951¦\n- 1938",
    "code": "〔So:〕¦\n\n〔```python\n〕x = 1¦\n\nreturn the_value_of_x〔\n```〕¦\nDone.",
    "ruler": "It stands.〔\n\n---\n\n〕¦It fell.",
    "heading": "〔# The tower of Zandor and its long history of fires〕¦\nIt stands.",
    "underlined": "Zandor〔\n======〕¦\nIt stands.",
    "bold": "**The tower of Zandor and its long history**¦\nit stands.",
    "lead-ins": "It stands.¦ 〔There are two:〕¦\n\n〔- The old one, which is:〕¦\n  - slow¦\n"
    "〔**And the other:**〕¦\nOf it, he said: it is fast.",
    "a lead into nothing": "It stands.¦ He was born in 1950 on Mars:",
    "a lead into nothing, in a list": "〔There are two:〕¦\n- This one.¦\n- **The other one:**\n\n",
    "fields": "Name: The tower of Zandor by the river¦\nYear: 1203¦\nState: Norland",
    "address": "The Mill Museum of Zandor¦\n12 Mill Road¦\nZandor¦\nNorland",
    "verse": "Below the mill the water waits for May,¦\n"
    "The wheel is still until the evening comes,¦\n"
    "And nobody has heard it turn all day,¦\nBut for the sleepy miller and his sums.",
    "values": "Zandor,1203,Mol¦\nRufe,1310,Brede",
    "log": "2020-01-01 12:00 INFO started¦\n2020-01-01 12:01 INFO stopped",
    "list in lower case": "〔Take two cups and these:〕¦\ntwo large onions, finely chopped¦\n"
    "three cloves of fresh garlic¦\none can of tomatoes",
    "page": "The mill stands on the left bank of the¦\x0criver Mol.",
    "quotation": "> He said that the mill was very old and\n> that it was slow.¦\n\nShe said no.",
    "blank in a quotation": "> He said no.〔\n>〕¦\n> She said yes.",
    "wrapped, but for its lines' lengths": "The Brel tower was designed by Ida Noor and "
    "it was finished in\n1889 after two years of hard\nwork by three hundred workers.",
    "wrapped items": "- It is an old mill that stands on the left\n  bank of the Mol.¦ It is slow."
    "¦\n- It is a young one.",
    "hyphens": "The demon-\nstration was a success for all of the people who\nhad seen the new "
    "ma-\nchine.",
    "paragraphs in a block": "The tower was designed by Ida Noor and it was finished in\n1889.¦\n"
    "It took two years, and three hundred workers from the town\nof Brel.¦ It stands.",
    "heading in a block": "Results¦\nThe tower was designed by Ida Noor and it was finished in"
    "\n1889.",
}


@pytest.mark.parametrize("marked", LINES.values(), ids=LINES.keys())
def test_lines_that_are_sentences_and_lines_that_are_not(marked):
    text = re.sub("[〔〕¦]", "", marked)
    assert sentences(text) == [part.strip() for part in re.sub("[〔〕]", "", marked).split("¦")]
    said = re.sub("〔.*?〕", lambda match: " " * (len(match[0]) - 2), marked, flags=re.DOTALL)
    assert statements(text) == [part.strip() for part in said.split("¦") if part.strip()]


def test_what_only_names_what_follows_is_a_statement_where_nothing_follows():
    assert statements("# 1951") == ["# 1951"]
    assert statements("| 1951 |") == ["| 1951 |"]
    assert statements("It is:") == ["It is:"]
    assert statements("**1951**\n\nIt was.") == ["**1951**", "It was."]


# Wrapped text


WORDS = st.text("abcdefghilmnorstuz", min_size=2, max_size=9)
NAMES = st.sampled_from(
    ["Zandor", "Ida Noor", "Dr. Rufe", "J. R. R. Orsan", "the U.S.", "1889,", "3.5"]
)
SENTENCES = st.builds(
    lambda first, words, end: " ".join([first.capitalize(), *words]) + end,
    WORDS,
    st.lists(WORDS | WORDS | NAMES, min_size=2, max_size=25),
    st.sampled_from([".", ".", "?", "!", '."', ".[2]"]),
)
PARAGRAPHS = st.lists(SENTENCES, min_size=1, max_size=8).map(" ".join)


def without_space(pieces):
    return ["".join(piece.split()) for piece in pieces]


@LAW
@given(PARAGRAPHS, st.integers(40, 100))
def test_wrapped_text_has_the_sentences_that_it_had_before(text, width):
    wrapped = textwrap.fill(text, width)
    assert without_space(sentences(wrapped)) == without_space(sentences(text))
    assert statements(wrapped) == sentences(wrapped)


@LAW
@given(st.lists(PARAGRAPHS, min_size=1, max_size=4), st.integers(40, 100), st.sampled_from("->"))
def test_wrapped_items_and_quotations_too(paragraphs, width, mark):
    after = {"-": "  ", ">": "> "}[mark]
    wrapped = [textwrap.fill(text, width, initial_indent=f"{mark} ", subsequent_indent=after)
               for text in paragraphs]  # fmt: skip
    apart = {"-": "\n", ">": "\n>\n"}[mark]
    once = [f"{mark} {text}" for text in paragraphs]
    found = without_space(statements(apart.join(wrapped)))
    assert [each.replace(">", "") for each in found] == [
        each.replace(">", "") for text in once for each in without_space(statements(text))
    ]


FILES = ("qed_600", "hotpot_100", "musique_100", "2wiki_train", "xquad_12_languages")


@pytest.mark.parametrize("name", FILES)
def test_real_passages_wrapped_have_the_sentences_that_they_had_before(name):
    """But for few that set hyphens in spaces, so that one begins a line, or have no full stop."""
    lines = first_lines(f"qa/{name}.jsonl", 240)[:: 1 if name.startswith("xquad") else 20]
    rows = [row for row in map(json.loads, lines) if row.get("language") != "zh"]
    texts = [" ".join(passage["text"].split()) for row in rows for passage in row["passages"]]
    differing = [
        text
        for text in texts
        if without_space(sentences(textwrap.fill(text, 72))) != without_space(sentences(text))
    ]
    assert len(texts) > 30
    assert len(differing) <= len(texts) / 20


def test_no_gold_answer_of_twelve_languages_lies_across_two_sentences():
    rows = list(map(json.loads, first_lines("qa/xquad_12_languages.jsonl", 240)))
    for row in rows:
        for index, start, end in row["gold"]:
            text = row["passages"][index]["text"]
            assert any(a <= start and end <= b for a, b in sentence_spans(text)), row["id"]


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


@pytest.mark.parametrize("unit", ["word ", "a | ", "| a ", "a,b,", "a; ", "(a ", '"a ', "**a "])
def test_one_long_line_takes_no_longer_than_many(unit):
    """A line of 400,000 characters: minutes, where a pattern goes over it for each of them."""
    assert sentence_spans(unit * (400_000 // len(unit)))


def test_numbers_of_items_without_items_take_no_longer_each_than_a_few():
    """Each belongs to what follows, and what was looked at once is not looked at again."""
    assert sentence_spans("1. " * 20_000) == [(0, 59_999)]
    assert len(sentence_spans("1. one item\n" * 2_000)) == 2_000
