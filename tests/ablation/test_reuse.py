"""Going on from a pass over the whole text changes nothing, and spares what it says."""

import inspect

import pytest
import torch
from support.architectures import WINDOW, build
from support.by_hand import masked_by_hand
from support.comparing import check_close

from at2_rag.ablation.masking import Ablator, random_masks
from at2_rag.ablation.reuse import Beginning, can_reuse
from at2_rag.attention.layers import whole_cache
from at2_rag.batching import in_batches

#: Of several families; with other layers than attention, nothing is reused.
REUSING = (
    "llama", "qwen2", "qwen3_moe", "phi", "gemma", "arcee", "granite", "gpt_neox", "gpt2", "opt",
    "deepseek_v3",
)  # fmt: skip
NEVER = ("qwen3_next", "qwen3_5_text")
#: With windows shorter than the text, or chunks, in all layers or some.
WINDOWED = ("gemma3_text", "gpt_oss", "gemma2", "mistral", "cohere2", "llama4_text")

#: One source begins the text and one ends the prompt; the rest of the text is none.
SOURCES = [(0, 2), (2, 6), (6, 9), (11, 19), (20, 24)]
FIRST_ROW, TOKENS = 23, 29


def text(seed=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, 128, (TOKENS + 1,), generator=generator).tolist()


def ablator(model, **options):
    return Ablator(model, text(), FIRST_ROW + 1, SOURCES, **options)


def one_out():
    return torch.cat([torch.ones(1, 5), 1 - torch.eye(5), torch.zeros(1, 5)]).bool()


@pytest.mark.parametrize("name", [*REUSING, *WINDOWED, *NEVER])
@pytest.mark.parametrize("byte_limit", [1, 2**30])
def test_reused_equals_whole(name, byte_limit):
    """One source out, all, none; each alone and in batches of unlike beginnings."""
    model = build(name)
    # Two that leave out the same, and pairs that begin alike.
    masks = torch.cat([one_out(), one_out().flip(0), random_masks(4, 5, seed=2)])
    masks[-1] = torch.tensor([1, 1, 1, 0, 0])
    expected = masked_by_hand(model, text(), FIRST_ROW + 1, SOURCES, masks)
    got = ablator(model, byte_limit=byte_limit).ablate(masks).token_logits
    check_close(got, expected)


@pytest.mark.parametrize("name", REUSING)
def test_what_comes_before_the_first_source_left_out_is_not_run_again(name):
    model = build(name)
    assert can_reuse(model)
    tails = sum(TOKENS - start - (end - start) for start, end in SOURCES[:-1])
    tails += TOKENS - 20 - 3  # the last token of the last source has a row that is wanted
    everything = TOKENS - sum(end - start for start, end in SOURCES) + 1
    found = ablator(model).cost(one_out())
    assert found == pytest.approx((TOKENS + tails + everything) / TOKENS)


@pytest.mark.parametrize("name", NEVER)
def test_other_layers_are_run_whole(name):
    model = build(name)
    assert ablator(model).cost(one_out()) == len(one_out())


@pytest.mark.parametrize("name", WINDOWED)
def test_where_windows_slide_masked_tokens_stay_in_their_places(name):
    """But what comes before the first of them is not run again."""
    model = build(name)
    tails = sum(TOKENS - min(start, FIRST_ROW) for start, _ in SOURCES)
    expected = (TOKENS + tails + TOKENS) / TOKENS  # nothing left out, one source, all of them
    assert ablator(model).cost(one_out()) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("window", "tails"),
    [
        (WINDOW, 8 + 6 + 4),  # behind another's beginning, a token would be out of the window
        (2 * WINDOW, 6 + 4 + 3),
    ],
)
def test_short_texts_within_a_window_are_right_too(window, tails):
    """Their tokens can be left out, if there is room for a beginning beside them."""
    model = build("gemma3_text", sliding_window=window)
    ids, sources = text()[: WINDOW + 1], [(0, 2), (2, 4), (4, 5)]
    masks = torch.cat([torch.ones(1, 3), 1 - torch.eye(3)]).bool()
    expected = masked_by_hand(model, ids, 6, sources, masks)
    short = Ablator(model, ids, 6, sources)
    assert short.cost(masks) == pytest.approx((WINDOW + tails) / WINDOW)
    check_close(short.ablate(masks).token_logits, expected)


def test_nothing_is_reused_that_spares_too_little():
    """Where most ablations leave out the first source, the pass for it is not worth it."""
    model = build("llama")
    masks = torch.tensor([[0, 1, 1, 1, 1], [0, 1, 0, 1, 1], [0, 0, 0, 1, 1]]).bool()
    assert ablator(model).cost(masks) == pytest.approx((27 + 24 + 20) / TOKENS)
    one = torch.tensor([[1, 1, 1, 1, 0]]).bool()
    assert ablator(model).cost(one) == pytest.approx((TOKENS - 3) / TOKENS)


def test_nothing_left_out_is_one_pass_however_often():
    model = build("llama")
    masks = torch.ones(3, 5).bool()
    assert ablator(model).cost(masks) == 1
    expected = masked_by_hand(model, text(), FIRST_ROW + 1, SOURCES, masks)
    check_close(ablator(model).ablate(masks).token_logits, expected)


def test_no_ablations_are_no_passes():
    model = build("llama")
    assert ablator(model).cost(torch.ones(0, 5)) == 0
    assert ablator(model).ablate(torch.ones(0, 5)).token_logits.shape == (0, 6)


def test_statements_before_can_be_left_out_too():
    model = build("llama")
    sources = [(2, 6), (25, 27)]
    masks = torch.tensor([[1, 1], [1, 0], [0, 0], [0, 1]]).bool()
    expected = masked_by_hand(model, text(), FIRST_ROW + 1, sources, masks)
    check_close(Ablator(model, text(), FIRST_ROW + 1, sources).ablate(masks).token_logits, expected)


def test_where_memory_is_too_short_for_copies_nothing_is_reused(monkeypatch):
    model = build("llama")
    expected = masked_by_hand(model, text(), FIRST_ROW + 1, SOURCES, one_out())
    assert can_reuse(model)
    forward, seen = model.forward, []

    def limited(past_key_values=None, **options):
        seen.append(past_key_values is not None)
        if seen[-1]:
            raise torch.OutOfMemoryError("no room")
        return forward(past_key_values=past_key_values, **options)

    limited.__signature__ = inspect.signature(forward)
    monkeypatch.setattr(model, "forward", limited)
    check_close(ablator(model).ablate(one_out()).token_logits, expected)
    assert any(seen)
    assert not seen[-1]


def test_padding_is_bounded():
    ran = []
    lengths = [10, 1, 9, 4, 8]

    def run(batch):
        ran.append([lengths[index] for index in batch])
        return batch

    assert in_batches(lengths, run, max_padding=3) == [0, 1, 2, 3, 4]
    assert ran == [[10, 9, 8], [4, 1]]


@pytest.mark.parametrize("name", [*REUSING, *WINDOWED])
def test_what_an_earlier_pass_left_behind_is_gone_on_from(name):
    model = build(name)
    cache = whole_cache(model)
    with torch.inference_mode():
        model(input_ids=torch.tensor([text()[: FIRST_ROW + 3]]), past_key_values=cache)
    known = Beginning.of(cache)
    assert known.tokens == FIRST_ROW + 3
    expected = masked_by_hand(model, text(), FIRST_ROW + 1, SOURCES, one_out())
    check_close(ablator(model, known=known).ablate(one_out()).token_logits, expected)
    spared = TOKENS - (TOKENS - FIRST_ROW)  # all but the rows of what is said with nothing left out
    fresh = ablator(model).cost(one_out())
    assert ablator(model, known=known).cost(one_out()) == pytest.approx(fresh - spared / TOKENS)
