"""How components hold a reader: made of a loaded model, and shared by copies."""

import copy
import json

import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import QueryBundle
from llama_index.postprocessor.at2 import AT2CitationQueryEngine, AT2Postprocessor, AT2Synthesizer
from support.laws import check_response
from support.loaded import HuggingFaceLLM, loaded_pipeline
from support.nodes import nodes_of, scored

from at2_rag import Reader

#: The demo model's own coefficients are not found by probing it: it is tiny.
pytestmark = pytest.mark.filterwarnings("ignore::at2_rag.NoHeadsWarning")


class Given(BaseRetriever):
    """Retrieves the same nodes, whatever is asked."""

    def __init__(self, nodes):
        super().__init__()
        self.nodes = nodes

    def _retrieve(self, query_bundle):
        return self.nodes


MAKE = {
    "postprocessor": lambda reader: AT2Postprocessor(reader, top_n=2),
    "synthesizer": lambda reader: AT2Synthesizer(reader, options={"max_new_tokens": 8}),
}


@pytest.fixture(scope="module")
def loaded(reader):
    return [loaded_pipeline(reader), HuggingFaceLLM(reader.model, reader.tokenizer)]


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("place", range(2))
def test_a_loaded_model_is_taken_as_it_is(loaded, reader, name, place):
    made = MAKE[name](loaded[place])
    assert isinstance(made.reader, Reader)
    assert made.reader.model is reader.model
    assert made.reader.tokenizer is reader.tokenizer


def test_an_engine_of_a_loaded_model_answers_and_cites(loaded, example, nodes):
    retriever, options = Given(nodes), {"max_new_tokens": 24}
    engine = AT2CitationQueryEngine.from_args(retriever, loaded[1], options=options)
    response = engine.query(example.question)
    check_response(response, nodes)
    same = AT2CitationQueryEngine.from_args(
        retriever, Reader.from_pipeline(loaded[0]), options=options
    )
    assert same.query(example.question) == response


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
@pytest.mark.parametrize("wrong", ["org/model", None])
def test_anything_else_is_refused(make, wrong):
    with pytest.raises(TypeError, match=r"expected an at2_rag\.Reader.*loaded already"):
        make(wrong)


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda m: copy.deepcopy([m])[0]])
def test_copies_share_the_reader(reader, make, copied):
    again = copied(make(reader))
    assert again.reader is reader
    assert again.to_dict() == make(reader).to_dict()


def test_deep_copies_share_nothing_else(reader, example):
    nodes = scored(nodes_of(example))
    engine = AT2CitationQueryEngine.from_args(Given(nodes), reader, options={"max_new_tokens": 8})
    again = copy.deepcopy(engine)
    before = engine.get_prompts()
    again.update_prompts(
        {
            "response_synthesizer:text_qa_template": AT2Synthesizer(reader).get_prompts()[
                "text_qa_template"
            ]
        }
    )
    assert engine.get_prompts() == before
    assert again.query(example.question).response == engine.query(example.question).response


def test_the_postprocessor_in_json(reader):
    made = AT2Postprocessor(reader, top_n=2)
    assert json.loads(made.model_dump_json())["top_n"] == 2
    assert "top_n" in AT2Postprocessor.model_json_schema()["properties"]


def test_the_class_that_is_installed_is_taken(reader, example, nodes):
    package = pytest.importorskip("llama_index.llms.huggingface")
    llm = package.HuggingFaceLLM(
        model=reader.model, tokenizer=reader.tokenizer, context_window=2048, max_new_tokens=8
    )
    kept = AT2Postprocessor(llm).postprocess_nodes(nodes, QueryBundle(example.question))
    assert len(kept) == 3
    assert AT2Synthesizer(llm).reader.model is reader.model
