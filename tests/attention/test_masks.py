"""Masks: five forms that say the same, whole or in pieces."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.attention.flex_attention import create_block_mask

from at2_rag.attention.masks import (
    AdditiveMask,
    BooleanMask,
    FlexMask,
    PaddingMask,
    Part,
    PositionMask,
    mask_of,
)

LEAST = torch.finfo(torch.float32).min
FORMS = ("positions", "padding", "booleans", "floats", "half floats", "flex")


def by_hand(queries, keys, window, padding):
    """Return (2, 1, queries, keys), true where a key is in sight of one of the last queries."""
    query = torch.arange(keys - queries, keys)[:, None]
    key = torch.arange(keys)[None]
    near = (key <= query) & (key > query - (window or keys))
    tokens = key >= torch.tensor(padding)[:, None, None]
    return (near & tokens)[:, None]


def handed(form, queries, keys, window, padding, infinite=False, beyond=True):
    """Return what a model hands over for the same; tables say something of two more keys."""
    visible = by_hand(queries, keys, window, padding)
    if form == "positions":
        return None
    if form == "padding":
        return (torch.arange(keys) >= torch.tensor(padding)[:, None]).long()
    if form == "flex":
        offset, left = keys - queries, torch.tensor(padding)

        def seen(b, h, q, k):
            q = q + offset
            return (k <= q) & (k > q - (window or keys)) & (k >= left[b])

        return create_block_mask(seen, 2, None, queries, keys, device="cpu")
    table = torch.nn.functional.pad(visible, (0, 2), value=beyond)
    if form == "booleans":
        return table
    dtype = torch.bfloat16 if form == "half floats" else torch.float32
    hidden = float("-inf") if infinite else torch.finfo(dtype).min
    return torch.zeros(table.shape, dtype=dtype).masked_fill(~table, hidden)


def mask(form, queries, keys, window, padding, **options):
    made = handed(form, queries, keys, window, padding, **options)
    return mask_of(made, PositionMask(window=window))


def hidden_by(mask, queries, keys, rows=None):
    """Return (2, 1, rows, keys): logits of 0 once what is out of sight is hidden."""
    rows = rows or slice(0, queries)
    logits = torch.zeros(2, 1, rows.stop - rows.start, keys)
    mask.hide(logits, Part(slice(0, 1), rows, keys - queries, 0))
    return logits


@st.composite
def cases(draw):
    form = draw(st.sampled_from(FORMS))
    queries = draw(st.integers(1, 7))
    keys = queries + draw(st.integers(0, 4))
    window = draw(st.none() | st.integers(1, 8))
    padding = (0, 0) if form == "positions" else draw(st.sampled_from([(0, 0), (0, 2), (1, 3)]))
    return form, queries, keys, window, padding


@given(cases(), st.booleans(), st.data())
def test_every_form_hides_the_same(case, infinite, data):
    form, queries, keys, window, padding = case
    expected = torch.zeros(2, 1, queries, keys).masked_fill(~by_hand(*case[1:]), LEAST)
    if form == "half floats" and not infinite:  # the least half float is not the least float
        expected = expected.masked_fill(expected < 0, torch.finfo(torch.bfloat16).min)
    made = mask(form, queries, keys, window, padding, infinite=infinite)
    assert torch.equal(hidden_by(made, queries, keys), expected)
    start = data.draw(st.integers(0, queries - 1))
    stop = data.draw(st.integers(start + 1, queries))
    some = hidden_by(made, queries, keys, slice(start, stop))
    assert torch.equal(some, expected[:, :, start:stop])
    rest = hidden_by(made.from_row(start), queries - start, keys)
    assert torch.equal(rest, expected[:, :, start:])


@given(cases(), st.data())
def test_steps_put_together_hide_what_each_hid(case, data):
    """Of a generation: each step's keys go up to its own last query, and later ones are hidden."""
    form, queries, keys, window, padding = case
    ends = sorted({*data.draw(st.sets(st.integers(1, queries))), queries})
    steps, expected = [], []
    for start, end in zip([0, *ends], ends, strict=False):
        seen = keys - queries + end
        step = mask(form, end - start, seen, window, padding, beyond=False)
        steps.append(step.from_row(0))
        part = hidden_by(steps[-1], end - start, seen)
        hidden = torch.finfo(torch.bfloat16).min if form == "half floats" else LEAST
        expected.append(torch.nn.functional.pad(part, (0, keys - seen), value=hidden))
    assert all(steps[-1].goes_with(step) for step in steps)
    together = steps[-1].stacked(steps, keys)
    assert torch.equal(hidden_by(together, queries, keys), torch.cat(expected, dim=2))


@pytest.mark.parametrize("form", FORMS)
def test_eager_functions_are_handed_what_hides_the_same(form):
    made = mask(form, 4, 6, None, (0, 0))
    added = made.additive(4, 6, torch.device("cpu"))[..., :6]
    assert torch.equal(added.expand(2, 1, 4, 6), hidden_by(made, 4, 6))


def test_each_form_goes_with_its_own():
    made = {form: mask(form, 2, 4, None, (0, 1)).from_row(0) for form in FORMS}
    both = {"booleans", "flex"}  # a table by now
    for one, mine in made.items():
        for other, its in made.items():
            assert mine.goes_with(its) == (one == other or {one, other} == both)


def test_rows_do_not_hold_on_to_the_others():
    for made in (
        BooleanMask(torch.ones(1, 1, 100, 8, dtype=torch.bool)),
        AdditiveMask(torch.zeros(1, 1, 100, 8)),
    ):
        assert made.from_row(0) is made
        assert made.from_row(98).table.untyped_storage().nbytes() == made.table[0, 0, :2].nbytes


def test_heads_with_tables_of_their_own():
    table = torch.rand(1, 5, 3, 4) < 0.5
    logits = torch.zeros(1, 2, 3, 4)
    BooleanMask(table).hide(logits, Part([1, 4], slice(0, 3), 1, 0))
    assert torch.equal(logits == 0, table[:, [1, 4]])


def test_what_a_model_hands_over_is_told_apart_once():
    positions = PositionMask(window=3)
    assert mask_of(None, positions) is positions
    forms = {"padding": PaddingMask, "booleans": BooleanMask, "floats": AdditiveMask}
    for form, kind in {**forms, "half floats": AdditiveMask, "flex": FlexMask}.items():
        assert type(mask_of(handed(form, 2, 4, 3, (0, 1)), positions)) is kind
    assert mask_of(handed("padding", 2, 4, 3, (0, 1)), positions).positions is positions
