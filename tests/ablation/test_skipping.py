"""Leaving masked tokens out of a pass changes nothing, on any architecture."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.architectures import WINDOW, WORKING, build
from support.by_hand import masked_by_hand
from support.comparing import check_close

from at2_rag.ablation.masking import Ablator, random_masks
from at2_rag.ablation.skipping import can_skip, pack

#: With layers that are no attention, and know tokens by their neighbours.
NEVER = {"qwen3_next", "qwen3_5_text"}


@pytest.mark.parametrize("name", WORKING)
def test_ablations_are_those_of_masks(name):
    model = build(name)
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(3, 128, (30,), generator=generator).tolist()
    sources = [(2, 6), (6, 9), (10, 11), (11, 19), (20, 23)]
    masks = torch.cat([random_masks(6, 5, seed=1), torch.zeros(1, 5), torch.ones(1, 5)]).bool()
    expected = masked_by_hand(model, ids, 24, sources, masks)
    got = Ablator(model, ids, 24, sources).ablate(masks).token_logits
    check_close(got, expected)


@pytest.mark.parametrize("name", WORKING)
def test_windows_and_other_layers_are_never_skipped_through(name):
    model = build(name)
    config = model.config.get_text_config()
    kinds = getattr(config, "layer_types", None)
    windowed = bool({"sliding_attention", "chunked_attention"} & set(kinds or ())) or (
        kinds is None and getattr(config, "sliding_window", None) == WINDOW
    )
    assert can_skip(model, WINDOW) is (name not in NEVER)
    assert can_skip(model, WINDOW + 1) is (name not in NEVER and not windowed)


def test_masked_tokens_of_the_answer_stay():
    """Statements can be ablated too; the rows of their own tokens are still wanted."""
    model = build("llama")
    ids = list(range(3, 33))
    sources = [(2, 6), (24, 27)]
    masks = torch.tensor([[True, False], [False, False]])
    expected = masked_by_hand(model, ids, 24, sources, masks)
    got = Ablator(model, ids, 24, sources).ablate(masks).token_logits
    check_close(got, expected)


@given(st.data())
def test_packing_keeps_order_positions_and_the_end(data):
    length = data.draw(st.integers(2, 20))
    first_row = data.draw(st.integers(0, length - 1))
    rows = data.draw(
        st.lists(st.lists(st.integers(0, 1), min_size=length, max_size=length), min_size=1)
    )
    tokens = torch.arange(100, 100 + length)
    packed = pack(tokens, torch.tensor(rows), first_row)
    for row, got, visible, positions in zip(rows, *packed, strict=True):
        stays = [i for i, value in enumerate(row) if value or i >= first_row]
        count = len(stays)
        assert got[-count:].tolist() == [100 + i for i in stays]
        assert positions[-count:].tolist() == stays
        assert visible[-count:].tolist() == [row[i] for i in stays]
        assert not visible[:-count].any()
        assert not positions[:-count].any()
    assert packed.tokens.shape[1] == max(
        sum(value or i >= first_row for i, value in enumerate(row)) for row in rows
    )
