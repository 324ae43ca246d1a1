"""What a reader warns of when it is made: prompts that nothing was learned with."""

import warnings
from dataclasses import replace

import pytest
from support.golden import load_golden
from support.leaning import CALIBRATION

from at2_rag import (
    FROM_PASSAGES,
    MULTI_PASSAGE,
    LinearEstimator,
    OtherPromptWarning,
    Reader,
)
from at2_rag.notices import warn_of_other_prompt

#: The published template with other white space, which changes nothing that is worth a word.
SPACED = replace(MULTI_PASSAGE, message="Passages:\n{passages}\nQuery: {question}\n")


@pytest.fixture(scope="module")
def golden():
    return load_golden("llama")


def made(golden, prompts=(), measured=(), **options):
    """Return a reader whose estimator and thresholds were learned with some prompts."""
    estimator = LinearEstimator.load(golden.folder)
    estimator = replace(estimator, metadata={"prompts": list(prompts)})
    estimator = estimator.calibrated(replace(CALIBRATION, prompts=tuple(measured)))
    return Reader(golden.model, golden.tokenizer, estimator, **options)


def caught(call):
    """Return the warnings of a call, as their texts, and check where they point to."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    assert all(each.category is OtherPromptWarning for each in found)
    return [str(each.message) for each in found]


def test_a_reader_with_another_prompt_than_was_learned_with_says_so_once(golden):
    published, other = [MULTI_PASSAGE.message], [FROM_PASSAGES.message]
    [text] = caught(lambda: made(golden, other, other))
    assert text.startswith("The score estimator was learned with another prompt than the reader's")
    assert repr(FROM_PASSAGES.message) in text
    [text] = caught(lambda: made(golden, published, other))
    assert text.startswith("The score estimator's thresholds were measured with another prompt")


@pytest.mark.parametrize("prompt", [MULTI_PASSAGE, SPACED])
def test_the_same_prompt_and_one_that_nobody_noted_are_no_news(golden, prompt):
    published = [MULTI_PASSAGE.message]
    several = [FROM_PASSAGES.message, *published]
    for prompts in ([], published, several):
        assert caught(lambda found=prompts: made(golden, found, found, prompt=prompt)) == []
        assert caught(lambda found=prompts: made(golden, found, prompt=prompt)) == []


def test_a_reader_whose_prompt_is_changed_says_so_and_one_that_keeps_it_does_not(golden):
    published = [MULTI_PASSAGE.message]
    reader = made(golden, published, prompt="published")
    assert caught(lambda: reader.with_options(max_citations=2)) == []
    assert len(caught(lambda: reader.with_options(prompt="from-passages"))) == 1
    assert (
        len(caught(lambda: reader.with_options(prompt="from-passages", estimator="average"))) == 0
    )


def test_the_warning_points_to_who_made_the_reader(golden):
    with pytest.warns(OtherPromptWarning) as found:
        made(golden, [FROM_PASSAGES.message])
    assert [each.filename for each in found] == [__file__]
    with pytest.warns(OtherPromptWarning) as found:
        warn_of_other_prompt("{passages}{question}", ["{question}{passages}"], [], stacklevel=1)
    assert [each.filename for each in found] == [__file__]
