"""Flex attention: masks that are functions, through torch's own kernel, run without compilation.

Compiled, the first call alone takes a minute on a processor. What is computed is the same.
"""

import weakref
from itertools import pairwise

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from support.architectures import build
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
from support.zandor import PASSAGES, QUESTION
from torch import nn
from torch.nn.attention.flex_attention import and_masks, create_block_mask
from transformers import masking_utils
from transformers.integrations.flex_attention import WrappedFlexAttention
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from at2_rag import Reader, UnsupportedModelError, inspect_attention
from at2_rag.attention.flex_masks import rows_from
from at2_rag.attention.hook import Listener, listening
from at2_rag.attention.masks import FlexMask
from at2_rag.attention.recording import capture_of
from at2_rag.attention.weights import AttentionCall, attention_weights

FLEX = "flex_attention"
WINDOW, CHUNK = 5, 6
LEFT = torch.tensor([0, 3])  # padding on the left, of each text


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch):
    """Have torch run flex attention as it stands."""
    where = "torch.nn.attention.flex_attention._FLEX_ATTENTION_DISABLE_COMPILE_DEBUG"
    monkeypatch.setattr(where, True, raising=False)  # torch 2.6 compiles nothing without it
    # The one that transformers keeps must neither come from another test nor go to one.
    monkeypatch.setattr(WrappedFlexAttention, "_instance", None)
    with torch._dynamo.config.patch(disable=True):
        yield


# torch's own, of what transformers asks of it and of what its compiler imports.
pytestmark = pytest.mark.filterwarnings(
    "ignore:_compile flag:DeprecationWarning", "ignore:.*torch.jit.script:DeprecationWarning"
)


def flex_model(name):
    model = build(name)
    model.set_attn_implementation(FLEX)
    return model


@pytest.mark.parametrize("name", ["llama", "gemma2", "llama4_text"])
@torch.no_grad()
def test_one_pass_agrees_with_eager_on_every_layer(name):
    tokens, mask = padded_batch()
    model = flex_model(name)
    fold = FullFold(model, PADDING, PROMPT - PADDING, PROMPT)
    with capture_of(model).recording(model, fold, first_row=PADDING):
        model(tokens, attention_mask=mask, position_ids=positions(mask), use_cache=False)
    expected = eager_weights(name, tokens, mask)[..., PADDING:, :]
    assert model.config._attn_implementation.endswith(FLEX)
    assert (fold.times == 1).all()
    torch.testing.assert_close(fold.weights, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("stepwise", [False, True])
@pytest.mark.parametrize("name", ["llama", "gemma2", "deepseek_v3"])
@torch.no_grad()
def test_generation_agrees_with_eager_on_every_layer(name, stepwise):
    if name == "deepseek_v3" and torch.__version__.startswith("2.6."):
        pytest.skip("torch 2.6's flex attention takes only heads whose size is a power of 2")
    tokens, mask = padded_batch()
    model = flex_model(name)
    fold = FullFold(model, PROMPT - 1, NEW, PROMPT + NEW - 1)
    with capture_of(model).recording(model, fold, first_row=PROMPT - 1, stepwise=stepwise):
        output = model.generate(
            tokens, attention_mask=mask, do_sample=False, max_new_tokens=NEW, min_new_tokens=NEW
        )
    whole = torch.cat([mask, torch.ones(2, NEW, dtype=mask.dtype)], dim=1)
    expected = eager_weights(name, output[:, :-1], whole[:, :-1])[..., PROMPT - 1 :, :]
    assert (fold.times == 1).all()
    torch.testing.assert_close(fold.weights, expected, rtol=0, atol=TOLERANCE)


def test_a_reader_answers_and_scores_as_with_sdpa(demo_reader):
    reader = Reader.demo()
    reader.model.set_attn_implementation(FLEX)
    answer = reader.answer(QUESTION, PASSAGES)
    expected = demo_reader.answer(QUESTION, PASSAGES)
    assert reader.model.config._attn_implementation.endswith(FLEX)
    assert answer.marked_text == expected.marked_text
    check_close(answer.attribution.scores, expected.attribution.scores)


def test_a_model_that_looks_ahead_is_refused():
    if transformers.__version__.startswith("4."):
        pytest.skip("decoders look at no later tokens in transformers 4")
    model = flex_model("llama")
    model.config.is_causal = False
    with pytest.raises(UnsupportedModelError, match="later tokens"):
        inspect_attention(model)


def test_a_model_that_cuts_block_masks_is_refused():
    """Torch cannot; Gemma 4 knows that, but not that recorded flex attention is flex attention."""
    model = flex_model("gemma4_text+shared")
    if not hasattr(model.model, "_maybe_slice_kv_shared_inputs"):
        pytest.skip("no model cuts masks in this version of transformers")
    with pytest.raises(UnsupportedModelError, match=r"'flex_attention', cannot run.*sdpa or eager"):
        inspect_attention(model)
    assert model.config._attn_implementation == FLEX


class Heard(Listener):
    """Keeps the last call."""

    def __init__(self):
        self.seen, self.call = {}, None

    def hear(self, module, call, arguments):
        self.call = call


def recorded(query, key, value, block_mask, first_query=0, **kwargs):
    """Return what was heard of a call of flex attention, and its output: (B, H, Q, D)."""
    inspect_attention(flex_model("llama"))  # after which the recording function is registered
    module, heard = nn.Module().eval(), Heard()
    heard.seen[id(module)] = first_query
    function = ALL_ATTENTION_FUNCTIONS[f"at2_recording_{FLEX}"]
    with listening(heard):
        output, _ = function(module, query, key, value, block_mask, **kwargs)
    return heard.call, output.transpose(1, 2)


def mask_of(function, queries, keys, offset=0):
    """Return the mask as transformers makes it for two texts, the second padded on the left."""
    padding = torch.arange(keys) >= LEFT[:, None]
    function = and_masks(function, masking_utils.padding_mask_function(padding))
    function = masking_utils.add_offsets_to_mask_function(function, offset, 0)
    return create_block_mask(function, 2, None, queries, keys, device="cpu")


#: Masks of transformers, and the same for positions in a text: whether a key is near enough.
KINDS = {
    "causal": (masking_utils.causal_mask_function, lambda q, k, left: True),
    "window": (
        masking_utils.sliding_window_causal_mask_function(WINDOW),
        lambda q, k, left: q - k < WINDOW,
    ),
    "chunks": (
        masking_utils.chunked_causal_mask_function(CHUNK, LEFT),
        lambda q, k, left: (q - left) // CHUNK == (k - left) // CHUNK,
    ),
}


def by_hand(near, queries, keys, offset):
    """Return (2, 1, queries, keys), position by position."""
    return torch.tensor(
        [
            [[[left <= k <= q and near(q, k, left) for k in range(keys)]
              for q in range(offset, offset + queries)]]
            for left in LEFT.tolist()
        ]
    )  # fmt: skip


def weights_of(call, rows):
    return torch.cat([c.weights for c in attention_weights(call, rows)], dim=1)


@pytest.mark.parametrize(("queries", "keys"), [(19, 19), (1, 19), (4, 19)])
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_weights_are_those_of_the_kernel(kind, queries, keys):
    """In one pass, in a step with a cache, and in several; with a softcap and grouped heads."""
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 6, queries, 8, generator=generator)
    key, value = torch.randn(2, 2, 3, keys, 8, generator=generator)
    function, near = KINDS[kind]
    offset = keys - queries
    options = {"scaling": 0.7, "softcap": 2.0, "sliding_window": 3}  # flex ignores the last
    call, output = recorded(
        query, key, value, mask_of(function, queries, keys, offset), offset, **options
    )

    start = max(0, PADDING - offset)  # padded queries see nothing
    call = call.from_row(start)
    visible = by_hand(near, queries, keys, offset)[:, :, start:]
    logits = query[:, :, start:] @ key.repeat_interleave(2, dim=1).mT * 0.7
    logits = (2 * torch.tanh(logits / 2)).masked_fill(~visible, float("-inf"))
    weights = weights_of(call, slice(0, queries - start))
    assert torch.equal(call.mask.table, visible)
    check_close(weights, logits.softmax(-1))
    attended = weights @ value.repeat_interleave(2, dim=1)
    check_close(attended, output[:, :, start:])


@torch.no_grad()
def test_without_a_mask_nothing_is_hidden():
    """Whatever a module says of itself; its kernel does not ask."""
    query, key, value = torch.randn(3, 1, 2, 9, 8, generator=torch.Generator().manual_seed(0))
    call, output = recorded(query, key, value, None, scaling=0.3, is_causal=True, sliding_window=2)
    weights = weights_of(call.from_row(0), slice(0, 9))
    assert (weights > 0).all()
    check_close(weights @ value, output)


@given(
    lengths=st.tuples(st.integers(1, 300), st.integers(0, 300)),
    start=st.integers(0, 299),
    kind=st.sampled_from(sorted(KINDS)),
)
def test_wanted_rows_are_the_rows_of_the_whole(lengths, start, kind):
    """Of any length, also none of the blocks of 128 that masks are made of."""
    queries, before = lengths
    start = start % queries
    function, near = KINDS[kind]
    keys = queries + before
    mask = mask_of(function, queries, keys, before)
    rows = rows_from(mask, start)
    last = slice(queries - 1, queries)
    assert rows.shape == (2, 1, queries - start, keys)
    assert torch.equal(rows, rows_from(mask, 0)[:, :, start:])
    assert torch.equal(rows[:, :, -1:], by_hand(near, 1, keys, keys - 1))
    assert torch.equal(rows_from(mask, last.start), rows[:, :, -1:])


def test_heads_may_have_masks_of_their_own():
    def reach(b, h, query, key):
        return (key <= query) & (query - key <= h)

    query, key = torch.randn(2, 1, 3, 12, 4, generator=torch.Generator().manual_seed(0))
    block_mask = create_block_mask(reach, 1, 3, 12, 12, device="cpu")
    call = AttentionCall(query, key, FlexMask(block_mask), 1.0).from_row(7)
    weights = weights_of(call, slice(0, 5))
    for head, rows in enumerate(weights[0]):
        assert [int((row > 0).sum()) for row in rows] == [head + 1] * 5


def test_layers_share_a_mask_and_its_rows_go_with_it():
    mask = create_block_mask(masking_utils.causal_mask_function, 1, None, 9, 9, device="cpu")
    assert all(a is b for a, b in pairwise(rows_from(mask, 4) for _ in range(3)))
    rows = weakref.ref(rows_from(mask, 4))
    assert rows() is not None
    del mask
    assert rows() is None
