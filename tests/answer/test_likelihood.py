"""How much less likely, in words that say no more than is known."""

import math

import pytest

from at2_rag.answer.likelihood import likelihood_in_words


@pytest.mark.parametrize(
    ("drop", "words"),
    [
        (math.log(8.32), "8.3 times less likely"),
        (math.log(2), "2 times less likely"),
        (math.log(148.4), "148 times less likely"),
        (-math.log(12), "12 times more likely"),
        (math.log(1000), "1,000 times less likely"),
        (20.7, "more than 1,000 times less likely"),
        (-1e6, "more than 1,000 times more likely"),
        (0.0, "as likely"),
        (0.01, "as likely"),
        (-0.01, "as likely"),
    ],
)
def test_words(drop, words):
    assert likelihood_in_words(drop) == words
