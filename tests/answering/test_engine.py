"""From a request to a reading: how often a prompt is made, and where given texts lie."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.golden import load_golden
from support.texts import quick
from support.zandor import PASSAGES, QUESTION

from at2_rag import Reader, ScoreEstimator, ThinkingMarkers

TOOL = [{"role": "user", "content": QUESTION}, {"role": "tool", "content": "It is wet. <think>"}]


class Counting:
    """A tokenizer that counts how often it tokenizes and how often it renders."""

    def __init__(self, inner):
        self.inner, self.tokenized, self.rendered = inner, 0, 0

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def __call__(self, *arguments, **options):
        self.tokenized += 1
        return self.inner(*arguments, **options)

    def apply_chat_template(self, *arguments, **options):
        self.rendered += 1
        return self.inner.apply_chat_template(*arguments, **options)


@pytest.fixture
def thinking():
    golden = load_golden("llama")
    tokenizer = Counting(copy.deepcopy(golden.tokenizer))
    tokenizer.inner.chat_template += "{# <think> #}"
    model = golden.model
    return Reader(model, tokenizer, ScoreEstimator.uniform(model), max_new_tokens=6)


CALLS = {
    "answer": lambda reader, **given: reader.answer(QUESTION, PASSAGES, **given),
    "stream": lambda reader, **given: list(reader.stream(QUESTION, PASSAGES, **given)),
    "attribute": lambda reader, **given: reader.attribute(
        QUESTION, PASSAGES, "On the Mol.", thoughts="Is it?", **given
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_prompt_is_made_once_also_where_a_model_thinks(thinking, call):
    """How it ends is known when it is rendered; behind a tool's result it is rendered once more."""
    assert thinking.thinking_markers() is not None
    call(thinking)
    assert (thinking.tokenizer.tokenized, thinking.tokenizer.rendered) == (1, 1)
    call(thinking, history=TOOL)
    assert (thinking.tokenizer.tokenized, thinking.tokenizer.rendered) == (2, 3)


SPACE = st.sampled_from(["", " ", "\n", " \n\t "])
WORDS = st.sampled_from(["On the Mol.", "Yes 😀. 日本。", "It is. So it is."])
MARKERS = ThinkingMarkers("<think>\n", "\n</think>\n\n")


@pytest.mark.parametrize("inside", [True, False])
def test_where_a_given_answer_lay_is_told(golden_llama, inside):
    model, tokenizer = golden_llama.model, golden_llama.tokenizer
    reader = Reader(model, tokenizer, ScoreEstimator.uniform(model), thinking=MARKERS)

    @quick
    @given(st.lists(SPACE, min_size=4, max_size=4), WORDS, WORDS, st.booleans())
    def check(spaces, said, thought, thinks):
        text = f"{spaces[0]}{said}{spaces[1]}"
        thoughts = f"{spaces[2]}{thought}{spaces[3]}"
        if not thinks:
            answer = reader.attribute(QUESTION, PASSAGES, text)
        elif inside:
            text = f"{spaces[2]}<think>{thoughts}</think>{text}"
            answer, thoughts = reader.attribute(QUESTION, PASSAGES, text), text
        else:
            answer = reader.attribute(QUESTION, PASSAGES, text, thoughts=thoughts)
        start = answer.given_start
        assert text[start : start + len(said)] == answer.text == said
        if thinks:
            start = answer.thoughts.given_start
            assert thoughts[start : start + len(thought)] == answer.thoughts.text == thought

    check()


def test_what_the_model_wrote_was_given_nowhere(golden_reader):
    assert golden_reader.answer(QUESTION, PASSAGES).given_start is None
