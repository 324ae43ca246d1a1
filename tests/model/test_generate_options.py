"""What a generation is asked for: by options, by a caller's configuration, and by the model's."""

import warnings

import pytest
import torch
from support.golden import load_golden
from support.zandor import PASSAGES, QUESTION
from transformers import GenerationConfig

from at2_rag import InputError, NoSamplingWarning, Reader, ScoreEstimator

SAMPLED = {"do_sample": True, "temperature": 1.5, "top_k": 0}


@pytest.fixture
def reader():
    """A reader of its own, since its model's configuration is changed."""
    golden = load_golden("llama")
    estimator = ScoreEstimator.uniform(golden.model)
    return Reader(golden.model, golden.tokenizer, estimator, max_new_tokens=12)


def answered(reader, **options):
    torch.manual_seed(3)
    return reader.answer(QUESTION, PASSAGES, **options)


@pytest.mark.parametrize(
    "options",
    [
        SAMPLED,
        {"max_new_tokens": 3},
        {"num_beams": 2},
        {"repetition_penalty": 1.9},
        {"guidance_scale": 1.5},
    ],
    ids=str,
)
def test_a_configuration_is_as_good_as_its_options(golden_reader, options):
    by_name = answered(golden_reader, **options)
    configured = answered(golden_reader, generation_config=GenerationConfig(**options))
    assert configured == by_name
    assert configured.settings == by_name.settings
    *_, streamed = golden_reader.stream(
        QUESTION, PASSAGES, generation_config=GenerationConfig(max_new_tokens=3)
    )
    assert streamed.settings.max_new_tokens == 3


def test_an_option_goes_before_what_a_configuration_sets(golden_reader):
    config = GenerationConfig(max_new_tokens=3, do_sample=True)
    found = answered(golden_reader, generation_config=config, max_new_tokens=5, do_sample=False)
    assert found == answered(golden_reader, max_new_tokens=5)
    assert (config.max_new_tokens, config.do_sample) == (3, True)
    with pytest.raises(InputError, match="generation_config is a dict; expected a Generat"):
        answered(golden_reader, generation_config={"do_sample": True})


def test_nothing_is_sampled_at_temperature_0(golden_reader):
    with pytest.raises(InputError, match="temperature is 0 with do_sample; expected above 0"):
        answered(golden_reader, do_sample=True, temperature=0)


def test_stop_strings_need_no_tokenizer_wherever_they_are_set(reader):
    whole = answered(reader)
    stop = whole.text[4:6]
    by_name = answered(reader, stop_strings=[stop])
    assert by_name.answer_tokens < whole.answer_tokens
    assert answered(reader, generation_config=GenerationConfig(stop_strings=[stop])) == by_name
    reader.model.generation_config.stop_strings = [stop]
    assert answered(reader) == by_name


def test_what_generate_would_return_besides_is_not_asked_for(reader):
    plain = answered(reader)
    config = GenerationConfig(return_dict_in_generate=True, output_scores=True)
    assert answered(reader, generation_config=config) == plain
    reader.model.generation_config.return_dict_in_generate = True
    assert answered(reader) == plain
    assert answered(reader, generation_config=GenerationConfig(max_length=9)) == plain
    reader.model.generation_config.num_return_sequences = 2
    with pytest.raises(InputError, match="num_return_sequences is 2; expected 1"):
        answered(reader)


def test_the_longest_answer_may_be_the_models_own(reader):
    reader.model.generation_config.max_new_tokens = 5
    parts = reader.model, reader.tokenizer, reader.estimator
    assert Reader(*parts).settings.max_new_tokens == 5
    assert Reader(*parts, max_new_tokens=7).settings.max_new_tokens == 7
    assert Reader(*parts, reader.settings).settings.max_new_tokens == 12


def test_sampling_options_without_sampling_are_told_once(golden_reader):
    greedy = answered(golden_reader)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(2):
            assert answered(golden_reader, temperature=0.5, top_p=0.9) == greedy
    [warning] = caught
    assert warning.category is NoSamplingWarning
    assert str(warning.message).startswith("temperature and top_p do nothing without do_sample")
    assert warning.filename == __file__
    with pytest.warns(NoSamplingWarning, match=r"^temperature does nothing"):
        answered(golden_reader, generation_config=GenerationConfig(temperature=0.5))
    for harmless in ({"temperature": 0}, {"temperature": 1.0, "top_p": 1.0}, SAMPLED):
        answered(golden_reader, **harmless)
