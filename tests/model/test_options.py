"""The names and types of options, as editors and type checkers see them."""

import inspect
from typing import get_type_hints

import pytest
from support.zandor import PASSAGES, QUESTION

import at2_rag
from at2_rag import AnswerOptions, LoadingOptions, Reader, Settings, SettingsOptions
from at2_rag.model.generate_options import refuse_misspelt

SETTINGS = set(get_type_hints(SettingsOptions))
GENERATING = sorted(set(get_type_hints(AnswerOptions)) - SETTINGS)


def test_the_names_and_types_of_settings_are_those_of_settings():
    expected = get_type_hints(Settings)
    assert get_type_hints(SettingsOptions) == {**expected, "prompt": expected["prompt"] | str}
    assert SettingsOptions.__optional_keys__ == SETTINGS


@pytest.mark.parametrize("name", GENERATING)
def test_generate_knows_what_is_said_to_be_an_option_of_it(golden_reader, name):
    refuse_misspelt(golden_reader.model, {name: None}, ())


def test_what_is_not_named_reaches_generate_all_the_same(golden_reader):
    assert "encoder_repetition_penalty" not in GENERATING
    plain = golden_reader.answer(QUESTION, PASSAGES)
    changed = golden_reader.answer(QUESTION, PASSAGES, encoder_repetition_penalty=3.0)
    assert changed.text != plain.text


def test_loading_takes_settings_as_well():
    assert get_type_hints(LoadingOptions).keys() > SETTINGS


def test_every_method_of_a_reader_names_its_options():
    found = {
        name: parameter.annotation
        for name, method in inspect.getmembers(Reader, callable)
        if not name.startswith("__") or name == "__init__"
        for parameter in inspect.signature(method).parameters.values()
        if parameter.kind is parameter.VAR_KEYWORD
    }
    assert len(found) > 10
    for annotation in found.values():
        name = annotation.removeprefix("Unpack[").removesuffix("]")
        assert set(get_type_hints(getattr(at2_rag, name))) >= SETTINGS
