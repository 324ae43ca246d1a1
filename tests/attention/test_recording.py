"""Recorded attention against ``output_attentions=True``, on every layer of every architecture."""

import contextvars
import threading

import pytest
import torch
import transformers
from support.architectures import REFUSED, WINDOW, WORKING, build
from support.comparing import check_close
from support.whole_attention import (
    NEW,
    PADDING,
    PROMPT,
    TOLERANCE,
    FullFold,
    eager_weights,
    padded_batch,
    positions,
)
from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM

from at2_rag import UnsupportedModelError, inspect_attention
from at2_rag.attention.folds import LinearFold
from at2_rag.attention.masks import BooleanMask, PaddingMask, PositionMask
from at2_rag.attention.pending_rows import layers_in_cache
from at2_rag.attention.probe import probe_model
from at2_rag.attention.recording import RecordingLost, capture_of
from at2_rag.model_facts import few_logits


@pytest.mark.parametrize("name", WORKING)
@torch.no_grad()
def test_one_pass_agrees_with_eager_on_every_layer(name):
    tokens, mask = padded_batch()
    model = build(name)
    fold = FullFold(model, PADDING, PROMPT - PADDING, PROMPT)
    with capture_of(model).recording(model, fold, first_row=PADDING):
        model(tokens, attention_mask=mask, position_ids=positions(mask), use_cache=False)
    expected = eager_weights(name, tokens, mask)[..., PADDING:, :]
    assert (fold.times == 1).all()
    torch.testing.assert_close(fold.weights, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("stepwise", [False, True])
@pytest.mark.parametrize("name", WORKING)
@torch.no_grad()
def test_generation_agrees_with_eager_on_every_layer(name, stepwise):
    if stepwise and name in ("lfm2", "qwen3_next") and transformers.__version__.startswith("4."):
        pytest.skip("in transformers 4 it makes its cache itself, so its answers are read again")
    tokens, mask = padded_batch()
    model = build(name)
    fold = FullFold(model, PROMPT - 1, NEW, PROMPT + NEW - 1)
    with capture_of(model).recording(model, fold, first_row=PROMPT - 1, stepwise=stepwise):
        output = model.generate(
            tokens,
            attention_mask=mask,
            do_sample=False,
            max_new_tokens=NEW,
            min_new_tokens=NEW,
            **few_logits(model, 1),
        )
    whole = torch.cat([mask, torch.ones(2, NEW, dtype=mask.dtype)], dim=1)
    expected = eager_weights(name, output[:, :-1], whole[:, :-1])[..., PROMPT - 1 :, :]
    assert (fold.times == 1).all()
    torch.testing.assert_close(fold.weights, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("most", [1, 3, 100])
@pytest.mark.parametrize("name", ["llama", "mistral", "gemma3_text", "gpt_oss", "deepseek_v3"])
@torch.no_grad()
def test_steps_may_wait_for_one_another(monkeypatch, name, most):
    """Also while a window closes, after which its cache lets go of keys."""
    monkeypatch.setattr("at2_rag.attention.recording.MOST_ROWS", most)
    tokens = torch.arange(3, WINDOW)[None]
    length = tokens.shape[1]
    model = build(name)
    fold = FullFold(model, length - 1, NEW, length + NEW - 1, batch=1)
    capture = capture_of(model)
    with capture.recording(model, fold, first_row=length - 1, stepwise=True):
        output = model.generate(tokens, do_sample=False, max_new_tokens=NEW, min_new_tokens=NEW)
    whole = output[:, :-1]
    expected = eager_weights(name, whole, torch.ones_like(whole))[..., length - 1 :, :]
    assert (fold.times == 1).all()
    torch.testing.assert_close(fold.weights, expected, rtol=0, atol=TOLERANCE)


def test_keys_that_the_cache_does_not_hold_are_not_held_on_to():
    llama, latent = build("llama"), build("deepseek_v3")
    assert layers_in_cache(llama, probe_model(llama)[1]) == {0, 1, 2, 3}
    # Transformers 4 caches the keys themselves, of latent attention as well.
    old = transformers.__version__.startswith("4.")
    assert layers_in_cache(latent, probe_model(latent)[1]) == ({0, 1, 2, 3} if old else set())


@torch.no_grad()
def test_heads_without_coefficients_are_left_out():
    model = build("llama")
    tokens = torch.arange(3, 23)[None]
    coefficients = torch.rand(2, 4, 4)
    coefficients[:, 0] = 0  # a whole layer
    coefficients[:, 1, 1:] = 0
    coefficients[0, 2, 3] = 0  # used by the other weighting
    fold = LinearFold(coefficients, 10, 10, 20)
    assert [fold.heads(layer) for layer in range(4)] == [[], [0], None, None]
    everything = FullFold(model, 10, 10, 20, batch=1)
    for each in (fold, everything):
        with capture_of(model).recording(model, each, first_row=10):
            model(tokens, use_cache=False)
    expected = torch.einsum("lhrk,clh->crk", everything.weights[:, 0], coefficients)
    check_close(fold.table(0, 10, slice(0, 20)), expected)


@pytest.mark.parametrize("name", REFUSED)
def test_models_without_the_interface_are_refused_by_name(name):
    model = build(name)
    with pytest.raises(UnsupportedModelError, match=type(model).__name__ + r".*Supported are"):
        inspect_attention(model)


def test_encoder_decoders_and_encoders_are_refused():
    small = {"d_model": 16, "d_ff": 16, "num_layers": 1, "num_heads": 2, "vocab_size": 32}
    t5 = AutoModelForSeq2SeqLM.from_config(AutoConfig.for_model("t5", **small))
    with pytest.raises(UnsupportedModelError, match="encoder-decoder"):
        inspect_attention(t5)
    tiny = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 16, "vocab_size": 32}  # fmt: skip
    bert = AutoModel.from_config(AutoConfig.for_model("bert", **tiny))
    with pytest.raises(UnsupportedModelError, match="BertModel does not generate"):
        inspect_attention(bert)


def test_a_bidirectional_model_with_a_language_head_is_refused():
    from transformers import BertLMHeadModel

    tiny = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 16, "vocab_size": 32, "is_decoder": False}  # fmt: skip
    bert = BertLMHeadModel(AutoConfig.for_model("bert", **tiny)).eval()
    with pytest.raises(UnsupportedModelError, match="BertLMHeadModel"):
        inspect_attention(bert)


def test_recording_leaves_the_outputs_as_they_were():
    tokens, mask = padded_batch()
    plain = build("llama")
    with torch.no_grad():
        before = plain(tokens, attention_mask=mask).logits
        inspect_attention(plain)
        fold = FullFold(plain, 0, PROMPT, PROMPT)
        with capture_of(plain).recording(plain, fold, first_row=0):
            during = plain(tokens, attention_mask=mask).logits
        after = plain(tokens, attention_mask=mask).logits
    assert torch.equal(before, during)
    assert torch.equal(before, after)


@pytest.mark.parametrize("limit", [1, 3000, 10**9])
@torch.no_grad()
def test_chunks_add_up_to_the_whole(limit):
    tokens, mask = padded_batch()
    model = build("gpt_oss")
    fold = FullFold(model, PADDING, PROMPT - PADDING, PROMPT)
    with capture_of(model).recording(model, fold, first_row=PADDING, byte_limit=limit):
        model(tokens, attention_mask=mask, position_ids=positions(mask), use_cache=False)
    expected = eager_weights("gpt_oss", tokens, mask)[..., PADDING:, :]
    assert (fold.times == 1).all()
    torch.testing.assert_close(fold.weights, expected, rtol=0, atol=TOLERANCE)


def test_no_chunk_is_larger_than_the_limit():
    from at2_rag.attention.weights import AttentionCall, attention_weights

    query, key = torch.randn(1, 8, 64, 16), torch.randn(1, 4, 300, 16)
    call = AttentionCall(query, key, PositionMask(), 0.25, first_query=236)
    limit = 300 * 4 * 2 * 10
    sizes = [c.weights.numel() * 4 for c in attention_weights(call, slice(0, 64), limit)]
    assert max(sizes) <= limit
    assert sum(sizes) == 8 * 64 * 300 * 4


def test_threads_on_one_model_do_not_hear_each_other():
    model = build("qwen3")
    capture_of(model)
    tokens = [torch.randint(3, 128, (1, 20 + 5 * i)) for i in range(4)]
    barrier = threading.Barrier(len(tokens))
    folds = [FullFold(model, 0, t.shape[1], t.shape[1], batch=1) for t in tokens]

    def run(index):
        barrier.wait()
        with (
            torch.no_grad(),
            capture_of(model).recording(model, folds[index], first_row=0),
        ):
            model(tokens[index], use_cache=False)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(tokens))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for text, fold in zip(tokens, folds, strict=True):
        alone = FullFold(model, 0, text.shape[1], text.shape[1], batch=1)
        with torch.no_grad(), capture_of(model).recording(model, alone, first_row=0):
            model(text, use_cache=False)
        assert (fold.times == 1).all()
        check_close(fold.weights, alone.weights)


def test_another_task_hears_nothing():
    model = build("llama")
    fold = FullFold(model, 0, 8, 8, batch=1)
    outside = contextvars.copy_context()
    with torch.no_grad(), capture_of(model).recording(model, fold, first_row=0):
        outside.run(model, torch.arange(3, 11)[None])
    assert fold.times.sum() == 0


def test_a_pass_that_cannot_be_followed_is_reported():
    model = build("llama")
    fold = FullFold(model, 15, 8, 40, batch=1)
    tokens = torch.arange(3, 19)[None]
    with (
        pytest.raises(RecordingLost),
        torch.no_grad(),
        capture_of(model).recording(model, fold, first_row=15),
    ):
        model.generate(tokens, max_new_tokens=8, use_cache=False, do_sample=False)


def test_flash_attention_masks_mean_what_full_masks_mean():
    """Flash attention gets (B, keys) masks or none, and a window; computed by hand here."""
    from at2_rag.attention.weights import AttentionCall, attention_weights

    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 4, 20, 8, generator=generator)
    key = torch.randn(2, 2, 20, 8, generator=generator)
    padding = torch.ones(2, 20, dtype=torch.bool)
    padding[1, :PADDING] = False
    full = torch.ones(20, 20, dtype=torch.bool).tril().triu(-(WINDOW - 1))
    full = full & padding[:, None, None, :]
    rows = slice(PADDING, 20)

    def weights(call):
        return torch.cat([c.weights for c in attention_weights(call, rows)], dim=1)

    windowed = PositionMask(window=WINDOW)
    flash = weights(AttentionCall(query, key, PaddingMask(padding, windowed), 0.3))
    logits = query @ key.repeat_interleave(2, dim=1).transpose(-1, -2) * 0.3
    by_hand = logits.masked_fill(~full, float("-inf"))[:, :, rows].softmax(-1)
    check_close(flash, by_hand)
    check_close(weights(AttentionCall(query, key, BooleanMask(full), 0.3)), by_hand)


def test_recording_survives_another_choice_of_attention_function():
    model = build("llama")
    capture = capture_of(model)
    model.set_attn_implementation("eager")
    fold = FullFold(model, 0, 8, 8, batch=1)
    with torch.no_grad(), capture.recording(model, fold, first_row=0):
        model(torch.arange(3, 11)[None], use_cache=False)
    assert (fold.times == 1).all()
