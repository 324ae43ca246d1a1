"""Batches of like length, whatever bounds them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from at2_rag.batching import in_batches

BOUND = st.none() | st.integers(1, 60)


@given(st.lists(st.integers(0, 30), max_size=12), BOUND, BOUND, st.integers(1, 6))
def test_batches_are_within_bounds_and_results_in_order(lengths, most, max_tokens, memory):
    ran = []

    def run(batch):
        longest = max(lengths[index] for index in batch)
        assert len(batch) <= (most or len(lengths))
        assert len(batch) == 1 or len(batch) * longest <= (max_tokens or 10**6)
        if len(batch) > memory:
            raise torch.OutOfMemoryError("too much")
        ran.append([lengths[index] for index in batch])
        return torch.tensor(batch)

    found = in_batches(lengths, run, most=most, max_tokens=max_tokens)
    assert [int(index) for index in found] == list(range(len(lengths)))
    assert [length for batch in ran for length in batch] == sorted(lengths, reverse=True)


def test_no_batch_is_smaller_than_it_must_be():
    ran = []
    in_batches([5, 9, 1, 1, 1, 1], lambda batch: ran.append(batch) or batch, most=3, max_tokens=10)
    assert ran == [[1], [0, 2], [3, 4, 5]]


def test_what_did_not_fit_is_halved_and_so_is_what_follows():
    tried = []

    def run(batch):
        tried.append(len(batch))
        if len(batch) > 4:
            raise torch.OutOfMemoryError("too much")
        return batch

    assert in_batches([7] * 18, run, most=16) == list(range(18))
    assert tried == [16, 8, 4, 4, 4, 4, 2]


def test_each_text_has_its_result():
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is shorter"):
        in_batches([1, 1], lambda batch: batch[1:])
