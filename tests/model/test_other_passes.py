"""Passes over other texts, which logits processors run beside each step of a generation."""

import copy

import pytest
import torch
from support.comparing import check_close
from support.golden import load_golden
from support.zandor import PASSAGES, QUESTION
from transformers import LogitsProcessor

from at2_rag import Reader, ScoreEstimator
from at2_rag.model.recorded_model import RecordedModel

PROMPT = list(range(5, 45))
NEW = 9


@pytest.fixture(scope="module")
def recorded():
    model = load_golden("llama").model
    return RecordedModel(model)


@pytest.fixture(scope="module")
def weightings(recorded):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, recorded.shape.layers, recorded.shape.heads, generator=generator)


class Aside(LogitsProcessor):
    """Runs passes of its own beside each step, and keeps the caches of all passes."""

    def __init__(self, model, run):
        self.model, self.run, self.passes, self.own = model, run, 0, None
        self.cache = None

    def __call__(self, input_ids, scores):
        self.run(self, input_ids)
        return scores

    def see(self, module, arguments, options):
        self.passes += 1
        if self.cache is None:
            self.cache = options["past_key_values"]


def whole(aside, ids):
    aside.model(ids, use_cache=False)


def last_alone(aside, ids):
    aside.model(ids[:, -1:], use_cache=False)


def stepwise(aside, ids):
    """As guidance does: one query at a time, on a cache of its own."""
    aside.own = aside.model(ids[:, -1:], past_key_values=aside.own, use_cache=True).past_key_values


def on_a_copy(aside, ids):
    aside.model(ids[:, -1:], past_key_values=copy.deepcopy(aside.cache), use_cache=True)


def within_the_model(aside, ids):
    aside.model.model(ids[:, -1:], use_cache=False)


def without_a_step(aside, ids):
    """On the very cache of the generation, which is then put back: nobody could tell it apart."""
    aside.model(ids[:, -1:], past_key_values=aside.cache, use_cache=True)
    for layer in aside.cache.layers:
        layer.keys, layer.values = layer.keys[:, :, :-1], layer.values[:, :, :-1]


def generated(recorded, weightings, run=None, **options):
    """Return the generation, and how many passes it took."""
    aside = Aside(recorded.model, run or (lambda *_: None))
    options = {"max_new_tokens": NEW, "min_new_tokens": NEW, **options, "logits_processor": [aside]}
    handle = recorded.model.register_forward_pre_hook(aside.see, with_kwargs=True)
    try:
        [found] = recorded.generate([PROMPT], weightings, options)
    finally:
        handle.remove()
    return found, aside.passes


def check_read_alike(recorded, weightings, found):
    read = recorded.read(PROMPT, found.ids, weightings)
    check_close(found.attention.tables, read.tables)
    assert float(read.tables.abs().max()) > 0.1


@pytest.mark.parametrize("run", [whole, last_alone, stepwise, on_a_copy, within_the_model])
def test_only_the_passes_of_the_answer_count(recorded, weightings, run):
    plain, passes = generated(recorded, weightings)
    assert passes == NEW
    found, passes = generated(recorded, weightings, run)
    assert found.ids == plain.ids
    # None was repeated, and none was needed to read what was written.
    assert passes == (NEW if run is within_the_model else 2 * NEW)
    check_read_alike(recorded, weightings, found)


@pytest.mark.parametrize("options", [{}, {"negative_prompt_ids": torch.tensor([[7, 8, 9]])}])
def test_guidance_is_recorded_as_it_is_read(recorded, weightings, options):
    found, passes = generated(recorded, weightings, guidance_scale=1.5, **options)
    assert passes == 2 * NEW
    check_read_alike(recorded, weightings, found)


def test_what_cannot_be_told_apart_is_read_again(recorded, weightings):
    plain, _ = generated(recorded, weightings)
    found, passes = generated(recorded, weightings, without_a_step)
    assert found.ids == plain.ids
    assert passes > 2 * NEW
    check_read_alike(recorded, weightings, found)


def test_a_guided_answer_streams_as_it_is(golden_llama):
    model = golden_llama.model
    reader = Reader(model, golden_llama.tokenizer, ScoreEstimator.uniform(model), max_new_tokens=12)
    answer = reader.answer(QUESTION, PASSAGES, guidance_scale=1.5)
    *_, streamed = reader.stream(QUESTION, PASSAGES, guidance_scale=1.5)
    assert streamed.text == answer.text
    check_close(streamed.attribution.scores, answer.attribution.scores)
    [batched] = reader.answer_batch([(QUESTION, PASSAGES)], guidance_scale=1.5)
    check_close(batched.attribution.scores, answer.attribution.scores)
