"""Settings: names that stand for values, what a model's own files say, and the way to JSON."""

import json

import pytest
from support.golden import load_golden

from at2_rag import FROM_PASSAGES, MULTI_PASSAGE, InputError, PromptTemplate, Reader, Settings
from at2_rag.prompt.settings import settings_for


def test_a_template_may_be_given_by_its_name():
    assert Settings().prompt == Settings(prompt="published").prompt == MULTI_PASSAGE
    assert Settings(prompt="from-passages") == Settings(prompt=FROM_PASSAGES)
    changed, _ = Settings().override({"prompt": "from-passages"})
    assert changed.prompt == FROM_PASSAGES


@pytest.mark.parametrize("prompt", [FROM_PASSAGES, PromptTemplate("{passages}{question}")])
@pytest.mark.parametrize("most", [None, 3])
def test_settings_come_back_from_json(prompt, most):
    settings = Settings(prompt=prompt, max_passages=most)
    told = json.loads(json.dumps(settings.to_dict()))
    assert Settings.from_dict(told) == settings
    del told["max_passages"]  # written before there was such a setting
    assert Settings.from_dict(told) == Settings(prompt=prompt)


def test_a_models_configuration_may_name_the_template_that_it_was_trained_with():
    golden = load_golden("llama")
    assert settings_for(golden.model) == Settings()
    golden.model.config.at2_prompt = "from-passages"
    golden.model.generation_config.max_new_tokens = 5
    assert settings_for(golden.model) == Settings(prompt="from-passages", max_new_tokens=5)
    reader = Reader(golden.model, golden.tokenizer, "average")
    assert reader.settings.prompt == FROM_PASSAGES
    for given in (Settings(), reader.settings.override({"prompt": MULTI_PASSAGE})[0]):
        assert Reader(golden.model, golden.tokenizer, "average", given).settings == given
    golden.model.config.at2_prompt = "unheard-of"
    with pytest.raises(InputError, match="prompt is 'unheard-of'; expected any of"):
        Reader(golden.model, golden.tokenizer, "average")


def test_the_demo_reader_is_asked_as_it_was_trained():
    reader = Reader.demo()
    assert reader.settings.prompt == MULTI_PASSAGE
    assert reader.estimator.prompts == (MULTI_PASSAGE.message,)
