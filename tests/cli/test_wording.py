"""Errors in the words of the command line."""

import pytest

from at2_rag.cli.wording import in_options, is_out_of_memory


def test_settings_are_called_as_the_command_line_calls_them():
    told = 'lower max_new_tokens, or on_overflow="drop" to leave out those that do not fit'
    assert in_options(told) == (
        "lower --max-new-tokens, or --on-overflow drop to leave out those that do not fit"
    )
    assert in_options("my_max_new_tokens stays") == "my_max_new_tokens stays"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), True),
        (MemoryError(), True),
        (RuntimeError("shapes do not fit"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_memory_that_was_too_short_is_known(error, expected):
    assert is_out_of_memory(error) == expected
