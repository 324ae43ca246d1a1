"""Models that other libraries have loaded: the same model, and the same answers."""

import copy

import pytest
from support.loaded import (
    ChatHuggingFace,
    HuggingFaceEndpoint,
    HuggingFaceLLM,
    HuggingFacePipeline,
    loaded_pipeline,
)

from at2_rag import InputError, Reader, Settings

QUESTION = "Where is Zandor?"
PASSAGES = ["Zandor lies on the Mol.", "The Mol is a river."]


def holders(model, tokenizer):
    inner = loaded_pipeline(model, tokenizer)
    return [
        inner,
        HuggingFacePipeline(inner),
        ChatHuggingFace(HuggingFacePipeline(inner)),
        HuggingFaceLLM(model, tokenizer),
    ]


@pytest.fixture(scope="module")
def loaded(golden_llama):
    return holders(golden_llama.model, golden_llama.tokenizer)


@pytest.mark.parametrize("place", range(4))
def test_the_reader_is_one_of_the_same_model(loaded, golden_llama, golden_reader, place):
    reader = Reader.from_pipeline(loaded[place], golden_llama.folder, max_new_tokens=8)
    assert reader.model is golden_llama.model
    assert reader.tokenizer is golden_llama.tokenizer
    assert reader.settings == Settings(max_new_tokens=8)
    expected = golden_reader.answer(QUESTION, PASSAGES, max_new_tokens=8)
    assert reader.answer(QUESTION, PASSAGES) == expected


def test_the_pipeline_goes_on_as_before(golden_llama):
    model = copy.deepcopy(golden_llama.model)
    running = loaded_pipeline(model, golden_llama.tokenizer)

    def say():
        return running("Zandor", max_new_tokens=8, do_sample=False)

    before = say()
    reader = Reader.from_pipeline(running, "average", Settings(max_new_tokens=4))
    reader.answer(QUESTION, PASSAGES)
    assert say() == before


def test_a_chats_own_tokenizer_comes_before_the_pipelines(loaded, golden_llama):
    own = copy.deepcopy(golden_llama.tokenizer)
    reader = Reader.from_pipeline(ChatHuggingFace(loaded[1], own), "average")
    assert reader.tokenizer is own
    assert reader.model is golden_llama.model


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("org/model", "pipeline is a str without a model of transformers; expected what runs"),
        (None, "NoneType"),
        (ChatHuggingFace(HuggingFaceEndpoint("org/model")), "ChatHuggingFace without a model"),
        (HuggingFacePipeline(None), "behind an API show no attention"),
    ],
)
def test_what_runs_no_model_here_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        Reader.from_pipeline(given)


def test_a_pipeline_without_a_tokenizer_is_refused(golden_llama):
    with pytest.raises(InputError, match="HuggingFaceLLM without a tokenizer"):
        Reader.from_pipeline(HuggingFaceLLM(golden_llama.model, None))


def test_unknown_options_are_named(loaded):
    with pytest.raises(InputError, match="Did you mean max_new_tokens"):
        Reader.from_pipeline(loaded[0], "average", max_tokens=3)
