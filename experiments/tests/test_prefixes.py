"""Answers to prompts that begin alike: the same as to each prompt alone."""

from itertools import combinations

import pytest
import torch
from at2_rag import Reader, ScoreEstimator, ThinkingMarkers
from hypothesis import given
from hypothesis import strategies as st
from transformers import MistralConfig, MistralForCausalLM

from at2_rag_experiments.pruning.prefixes import alike, answers_from_sets, common_beginning
from at2_rag_experiments.questions import gold_questions

TEXTS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=9)


def saved(texts, groups):
    """Tokens that need not be read where each group's common beginning is read once."""
    return sum(
        common_beginning([texts[i] for i in group]) * (len(group) - 1)
        for group in groups
        if len(group) > 1
    )


@given(TEXTS, st.integers(0, 3))
def test_groups_hold_every_text_once(texts, cost):
    groups = alike(texts, cost)
    assert sorted(index for group in groups for index in group) == list(range(len(texts)))


@given(TEXTS.filter(lambda texts: len(texts) <= 6), st.integers(0, 3))
def test_no_other_runs_of_neighbours_save_more(texts, cost):
    order = sorted(range(len(texts)), key=lambda index: tuple(texts[index]))

    def worth(groups):
        return saved(texts, groups) - cost * len(groups)

    every = (
        [order[a:b] for a, b in zip((0, *cuts), (*cuts, len(order)), strict=True)]
        for count in range(len(order))
        for cuts in combinations(range(1, len(order)), count)
    )
    assert worth(alike(texts, cost)) == max(map(worth, every))


@pytest.mark.parametrize("max_batch_tokens", [8192, 700])
def test_the_answers_are_those_of_each_set_alone(demo_reader, max_batch_tokens):
    (question,) = gold_questions("worlds", 1, 5, 5)
    passages = question.passages
    sets = [(1,), (0, 1, 2, 3), (0, 1, 2, 4), (0, 1), (2, 3, 4), (0, 1, 2, 3, 4), (2, 3)]
    options = {"max_new_tokens": 48, "max_batch_tokens": max_batch_tokens}
    found = answers_from_sets(demo_reader, question.question, passages, sets, **options)
    alone = [
        demo_reader.answer(question.question, [passages[i] for i in kept], max_new_tokens=48)
        for kept in sets
    ]
    assert found.texts == [answer.text for answer in alone]
    assert found.prompt_tokens == sum(answer.prompt_tokens for answer in alone)
    assert found.read_tokens < 0.9 * found.prompt_tokens


def test_thoughts_are_left_out(demo_reader):
    (question,) = gold_questions("worlds", 1, 5, 3)
    thinking = ThinkingMarkers("", " Final answer: ")
    sets = [(0, 1), (0, 1, 2)]
    found = answers_from_sets(
        demo_reader, question.question, question.passages, sets, thinking=thinking
    )
    for text, kept in zip(found.texts, sets, strict=True):
        shown = [question.passages[i] for i in kept]
        answer = demo_reader.answer(question.question, shown, thinking=thinking)
        assert answer.text == text
        assert answer.thoughts is not None


def test_a_cache_that_slides_is_not_shared(demo_reader):
    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    vocabulary = {"vocab_size": len(demo_reader.tokenizer), "eos_token_id": None}
    config = MistralConfig(**size, **heads, **vocabulary, sliding_window=16, pad_token_id=0)
    model = MistralForCausalLM(config).eval()
    reader = Reader(model, demo_reader.tokenizer, ScoreEstimator.uniform(model))
    (question,) = gold_questions("worlds", 1, 5, 3)
    sets = [(0, 1), (0, 1, 2), (0, 2)]
    found = answers_from_sets(reader, question.question, question.passages, sets, max_new_tokens=6)
    assert found.read_tokens == found.prompt_tokens
    for text, kept in zip(found.texts, sets, strict=True):
        shown = [question.passages[i] for i in kept]
        assert reader.answer(question.question, shown, max_new_tokens=6).text == text
