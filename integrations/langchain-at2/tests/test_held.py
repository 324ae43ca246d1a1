"""How components hold a reader: made of a loaded model, shared by copies, a name in JSON."""

import copy
import json
from contextlib import nullcontext

import pytest
from at2_rag import Reader
from at2_rag.prompt.template import CONTEXT
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.load import dumps
from langchain_core.retrievers import BaseRetriever
from pydantic import ValidationError
from support.laws import check_message
from support.loaded import ChatHuggingFace, HuggingFacePipeline, loaded_pipeline

from langchain_at2 import (
    AT2CitedAnswer,
    AT2Citer,
    AT2DocumentCompressor,
    AT2SupportEvaluator,
    cite_node,
    prune_node,
)

#: The demo model's own coefficients are not found by probing it: it is tiny.
pytestmark = pytest.mark.filterwarnings("ignore::at2_rag.NoHeadsWarning")

EARLIER = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Good day."}]
COMPONENTS = [AT2CitedAnswer, AT2Citer, AT2DocumentCompressor]


@pytest.fixture(scope="module")
def loaded(reader):
    inner = loaded_pipeline(reader)
    return [inner, HuggingFacePipeline(inner), ChatHuggingFace(HuggingFacePipeline(inner))]


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("place", range(3))
def test_a_loaded_model_is_taken_as_it_is(loaded, reader, component, place):
    made = component(reader=loaded[place])
    assert isinstance(made.reader, Reader)
    assert made.reader.model is reader.model
    assert made.reader.tokenizer is reader.tokenizer


@pytest.mark.parametrize("component", [*COMPONENTS, AT2SupportEvaluator])
def test_options_that_no_call_could_take_are_refused_at_once(reader, component):
    with pytest.raises(ValidationError, match="score_by is 'gradients'"):
        component(reader=reader, reader_options={"score_by": "gradients"})
    with pytest.raises(ValidationError, match="Unknown option max_citation=1"):
        component(reader=reader, reader_options={"max_citation": 1})
    with pytest.raises(ValidationError, match="Unknown option reader"):
        component(reader=reader, reader_options={"reader": 1})
    if component is not AT2SupportEvaluator:  # its rows have one of their own
        component(reader=reader, reader_options={"history": EARLIER})
    generates = component in (AT2CitedAnswer, AT2DocumentCompressor)
    with (
        nullcontext()
        if generates
        else pytest.raises(ValidationError, match="Unknown option temperature")
    ):
        component(reader=reader, reader_options={"temperature": 0.5, "do_sample": True})


def test_it_answers_and_cites_as_a_reader_of_the_model_does(loaded, asked):
    options = {"max_new_tokens": 24}
    message = AT2CitedAnswer(reader=loaded[1], reader_options=options).invoke(asked)
    same = AT2CitedAnswer(reader=Reader.from_pipeline(loaded[0]), reader_options=options)
    assert same.invoke(asked) == message
    check_message(message, asked["context"])


def test_nodes_take_a_loaded_model(loaded, documents, question):
    state = {"question": question, "documents": documents}
    kept = prune_node(loaded[1], top_n=2, max_new_tokens=8).invoke(state)
    assert len(kept["documents"]) == 2
    cited = cite_node(loaded[2]).invoke({**state, "answer": "The mayor is there."})
    assert cited["answer"].text == "The mayor is there."


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("wrong", ["org/model", None, {"model": "org/model"}])
def test_anything_else_is_refused(component, wrong):
    with pytest.raises(ValidationError, match=r"expected an at2_rag\.Reader, or a model that is"):
        component(reader=wrong)


COPIES = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "model_copy": lambda made: made.model_copy(deep=True),
    "within": lambda made: copy.deepcopy([{"a": made}])[0]["a"],
}


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("name", COPIES)
def test_copies_share_the_reader_and_nothing_else(reader, component, name):
    made = component(reader=reader, reader_options={"max_new_tokens": 8})
    copied = COPIES[name](made)
    assert type(copied) is component
    assert copied.reader is reader
    assert copied.reader_options == made.reader_options
    if name != "copy":
        copied.reader_options["max_new_tokens"] = 4
        assert made.reader_options["max_new_tokens"] == 8


def test_what_holds_a_component_is_copied_without_the_weights(reader):
    class Nothing(BaseRetriever):
        def _get_relevant_documents(self, query, *, run_manager):
            return []

    compressor = AT2DocumentCompressor(reader=reader)
    holder = ContextualCompressionRetriever(base_compressor=compressor, base_retriever=Nothing())
    assert holder.model_copy(deep=True).base_compressor.reader is reader
    bound = AT2CitedAnswer(reader=reader).bind(max_citations=1)
    assert copy.deepcopy(bound).bound.reader is reader


@pytest.mark.parametrize("component", COMPONENTS)
def test_json_tells_the_model_and_the_options(reader, component):
    made = component(reader=reader, reader_options={"prompt": CONTEXT, "max_new_tokens": 8})
    told = json.loads(made.model_dump_json())
    assert told == made.model_dump(mode="json")
    assert told["reader"] == reader.name
    assert told["reader_options"]["max_new_tokens"] == 8
    assert told["reader_options"]["prompt"]["message"] == CONTEXT.message
    assert made.model_dump()["reader"] is reader
    assert component.__name__ in dumps(made)


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_json_schema(component, mode):
    schema = component.model_json_schema(mode=mode)
    assert set(schema["properties"]) >= {"reader", "reader_options"}
    assert schema["properties"]["reader"]["type"] == "string"
    json.dumps(schema)


def test_the_classes_that_are_installed_are_taken(reader, asked):
    package = pytest.importorskip("langchain_huggingface")
    inner = package.HuggingFacePipeline(pipeline=loaded_pipeline(reader))
    chat = package.ChatHuggingFace(llm=inner, tokenizer=reader.tokenizer, model_id="demo")
    for made in (inner, chat):
        cited = AT2CitedAnswer(reader=made, reader_options={"max_new_tokens": 24})
        assert cited.reader.model is reader.model
        check_message(cited.invoke(asked), asked["context"])
