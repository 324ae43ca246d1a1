"""AT2SupportEvaluator: the share of supported statements, as LlamaIndex asks for it."""

import asyncio

import pytest
from llama_index.core.base.response.schema import Response
from llama_index.core.evaluation import BaseEvaluator
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.postprocessor.at2 import AT2SupportEvaluator

TEXTS = ["Vungon is a city whose mayor is Tete Gorun.", "Tete Gorun plays the piano."]
QUESTION = "Who is the mayor of Vungon?"


@pytest.fixture(scope="module")
def evaluator(reader):
    return AT2SupportEvaluator(reader)


def test_it_is_the_share_of_supported_statements(evaluator, reader):
    assert isinstance(evaluator, BaseEvaluator)
    for text in ("Bob.", TEXTS[0], f"Bob. {TEXTS[0]}"):
        share = reader.attribute(QUESTION, TEXTS, text).supported_share
        found = evaluator.evaluate(QUESTION, text, TEXTS)
        assert (found.score, found.passing) == (share, share == 1)
        assert (found.query, found.response, found.contexts) == (QUESTION, text, TEXTS)
        assert ("Bob." in (found.feedback or "")) == (share < 1)
        lenient = AT2SupportEvaluator(reader, score_threshold=0.0)
        assert lenient.evaluate(QUESTION, text, TEXTS).passing


def test_a_refusal_is_not_judged(evaluator):
    found = evaluator.evaluate(QUESTION, "I don't know.", TEXTS)
    assert (found.score, found.passing, found.invalid_result) == (None, None, True)


def test_responses_bring_their_contexts(evaluator):
    nodes = [NodeWithScore(node=TextNode(text=text)) for text in TEXTS]
    response = Response(TEXTS[0], source_nodes=nodes)
    expected = evaluator.evaluate(QUESTION, TEXTS[0], TEXTS)
    assert evaluator.evaluate_response(QUESTION, response) == expected
    assert asyncio.run(evaluator.aevaluate_response(QUESTION, response)) == expected
    assert evaluator.get_prompts() == {}


def test_a_response_without_contexts_is_supported_by_nothing(evaluator):
    """As ours are that cite nothing; they keep nothing of the others of a run back."""
    response = Response("The Danube is 12 hours long.", source_nodes=[])
    found = evaluator.evaluate_response("How long is the Danube?", response)
    assert (found.score, found.passing, found.invalid_result) == (0.0, False, False)
    assert "The Danube is 12 hours long." in found.feedback


def test_options_that_no_evaluation_could_take_are_refused_at_once(evaluator):
    for wrong in ({"max_citations": 0}, {"temperature": 0.5}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            AT2SupportEvaluator(evaluator.reader, reader_options=wrong)


def test_what_is_missing_is_told(evaluator):
    with pytest.raises(ValueError, match="all three"):
        evaluator.evaluate(QUESTION, "Yes.")
