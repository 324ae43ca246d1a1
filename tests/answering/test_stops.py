"""Strings that end an answer: told by somebody, or what a plain-text model begins a turn with."""

import copy
import warnings
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.comparing import check_same
from support.saying import saying
from support.texts import KINDS, quick, readable_texts, tokenizer_of
from support.zandor import PASSAGES, QUESTION

from at2_rag import InputError, PromptTemplate, Reader, ThinkingMarkers
from at2_rag.answering.decoding import decode_answer
from at2_rag.answering.stops import Stops

SHORT = st.text("ab\n:", max_size=12)
STRINGS = st.lists(st.text("ab\n:", min_size=1, max_size=4), min_size=1, max_size=3)


@given(text=SHORT, strings=STRINGS)
@example(text="aaab", strings=["aab"])
@example(text="ab", strings=["b", "ab"])
@example(text=":\n:", strings=["\n", ":\n:"])
def test_what_is_settled_stays(text, strings):
    stops = Stops(tuple(strings))
    end = stops.end(text)
    assert not any(string in text[:end] for string in strings)
    assert end == len(text) or any(text.startswith(string, end) for string in strings)
    settled = [stops.settled(text[:length]) for length in range(len(text) + 1)]
    assert settled[0] == 0
    assert all(before <= after for before, after in pairwise(settled))
    assert settled[-1] <= end
    # Whatever is told before the end does not hold a string that ends it, nor part of the first.
    assert all(count <= end for count in settled)


@given(text=SHORT, strings=STRINGS)
def test_nothing_settles_later_than_it_must(text, strings):
    """Unless what was written may go on to one of the strings, all of it is settled."""
    stops = Stops(tuple(strings))
    may_go_on = any(
        text.endswith(string[:length]) for string in strings for length in range(1, len(string))
    )
    if stops.end(text) == len(text):
        assert (stops.settled(text) == len(text)) is not may_go_on


@pytest.mark.parametrize("kind", KINDS)
@quick
@given(text=readable_texts, data=st.data())
def test_tokens_behind_the_end_stand_for_nothing(kind, text, data):
    tokenizer = tokenizer_of(kind)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    whole = decode_answer(tokenizer, ids)
    if not whole.text:
        return
    place = data.draw(st.integers(0, len(whole.text) - 1))
    stops = Stops((whole.text[place : place + data.draw(st.integers(1, 5))],))
    part = decode_answer(tokenizer, ids, stops)
    assert part.text == whole.text[: stops.end(whole.text)].rstrip()
    assert len(part.spans) == len(ids)
    for (start, end), (first, last) in zip(part.spans, whole.spans, strict=True):
        assert (start, end) == (min(first, len(part.text)), min(last, len(part.text)))
    assert stops.reached(tokenizer, ids) or len(ids) > len(stops.strings[0]) + 16


def plain_reader(reader, **options):
    """Return a reader whose model has no chat template."""
    tokenizer = copy.deepcopy(reader.tokenizer)
    tokenizer.chat_template = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Reader(reader.model, tokenizer, reader.estimator, **options)


def check_streamed(reader, answer, text, **options):
    *events, last = reader.stream(QUESTION, PASSAGES, **saying(reader, text, **options))
    check_same(last.to_dict(), answer.to_dict())
    assert "".join(event for event in events if isinstance(event, str)) == answer.text


SAID = "It lies on the Mol. Dr. Rufe says so, and it was founded in 1203."


@pytest.mark.parametrize(
    ("stop", "left"),
    [
        ("so,", "It lies on the Mol. Dr. Rufe says"),
        (["1203", "founded"], "It lies on the Mol. Dr. Rufe says so, and it was"),
        (["", "f"], "It lies on the Mol. Dr. Ru"),
        ("It lies", ""),
        ("Nobody", SAID),
        ([], SAID),
        (None, SAID),
    ],
)
def test_an_answer_ends_before_a_string_that_ends_it(golden_reader, stop, left):
    said = saying(golden_reader, SAID)
    answer = golden_reader.answer(QUESTION, PASSAGES, **said, stop_strings=stop)
    assert answer.text == left
    assert not answer.truncated
    # The model does not go on behind it.
    assert (said["logits_processor"][0].steps < said["max_new_tokens"]) is (left != SAID)
    assert all(statement.end <= len(left) for statement in answer.statements)
    check_streamed(golden_reader, answer, SAID, stop_strings=stop)


def test_an_answer_that_ends_where_there_is_no_room_for_more_is_whole(golden_reader):
    ids = golden_reader.tokenizer(SAID, add_special_tokens=False)["input_ids"]
    options = saying(golden_reader, SAID) | {"max_new_tokens": len(ids)}
    assert golden_reader.answer(QUESTION, PASSAGES, **options).truncated
    options = saying(golden_reader, SAID) | {"max_new_tokens": len(ids)}
    stopped = golden_reader.answer(QUESTION, PASSAGES, **options, stop_strings="1203.")
    assert (stopped.text, stopped.truncated) == (SAID.removesuffix(" 1203."), False)


def test_nothing_is_not_explained(golden_reader):
    said = saying(golden_reader, SAID)
    empty = golden_reader.answer(QUESTION, PASSAGES, **said, stop_strings=SAID[:3])
    assert empty.text == ""
    for call in (golden_reader.verify, golden_reader.heads):
        with pytest.raises(InputError, match="The answer says nothing"):
            call(empty)


def test_several_answers_end_each_at_its_own_place(golden_reader):
    questions = [(f"{QUESTION} {index}", PASSAGES[: index + 1]) for index in range(3)]
    whole = golden_reader.answer_batch(questions)
    stops = [answer.text[4 + index :][:2] for index, answer in enumerate(whole)]
    several = golden_reader.answer_batch(questions, stop_strings=stops)
    alone = [golden_reader.answer(*question, stop_strings=stops) for question in questions]
    assert [answer.text for answer in several] == [answer.text for answer in alone]
    assert all(len(a.text) < len(b.text) for a, b in zip(several, whole, strict=True))


def test_a_string_may_be_a_special_token(golden_reader):
    tokenizer = golden_reader.tokenizer
    said = saying(golden_reader, "The Mol.")
    [other] = {*tokenizer.all_special_tokens} - {tokenizer.eos_token}
    said["logits_processor"][0].ids[-1] = tokenizer.convert_tokens_to_ids(other)
    options = {**said, "max_new_tokens": 40, "stop_strings": [other]}
    answer = golden_reader.answer(QUESTION, PASSAGES, **options)
    assert (answer.text, answer.truncated) == ("The Mol.", False)


@pytest.mark.parametrize("again", ["\n\nAnswer: The Mol.", "\nQuery: Why?", "\n\nUser: So?"])
def test_a_model_that_goes_on_as_its_prompt_does_has_answered(golden_reader, again):
    """A pretrained model continues a text, and a text of one question mostly has another."""
    reader, text = plain_reader(golden_reader), f"The Mol. It is wide.{again}"
    answer = reader.answer(QUESTION, PASSAGES, **saying(reader, text))
    assert answer.text == "The Mol. It is wide."
    check_streamed(reader, answer, text)
    told = reader.answer(QUESTION, PASSAGES, **saying(reader, text), stop_strings="wide")
    assert told.text == "The Mol. It is"
    assert reader.answer(QUESTION, PASSAGES, **saying(reader, text), stop_strings=[]).text == text
    # One that takes part in chats may write such a line.
    chat = golden_reader.answer(QUESTION, PASSAGES, **saying(golden_reader, text))
    assert chat.text == text


TEMPLATE = PromptTemplate(
    "See https://example.org, open at:\n12:30 today\nhttps://example.org/rules\n\n{passages}\n\n"
    "Frage (kurz): {question}\n### What the user asks:",
    titled="Titel: {title}\nInhalt: {text}",
)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("So.\nFrage (kurz): Why?", "So."),
        ("So.\n### What the user asks: Why?", "So."),
        ("So.\nTitel: Vungon", "So."),
        ("So.\nInhalt: It lies there.", "So."),
        ("See:\nhttps://example.org/more", None),
        ("See:\n12:45 at noon", None),
        ("See:\nFrage 2: no heading of the template", None),
    ],
)
def test_headings_of_ones_own_template_begin_turns(golden_reader, said, left):
    reader = plain_reader(golden_reader, prompt=TEMPLATE)
    answer = reader.answer(QUESTION, PASSAGES, **saying(reader, said))
    assert answer.text == (left or said)


def test_thoughts_may_have_lines_that_begin_as_a_turn_does(golden_reader):
    reader = plain_reader(golden_reader)
    text = "<think>Hm.\nAnswer: no, yes.</think> The Mol."
    options = {"thinking": ThinkingMarkers("<think>", "</think>")}
    answer = reader.answer(QUESTION, PASSAGES, **saying(reader, text), **options)
    assert answer.text == "The Mol."
    assert answer.thoughts.text == "Hm.\nAnswer: no, yes."
