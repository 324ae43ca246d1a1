"""AT2SupportEvaluator: the share of supported statements, as LangSmith asks for it."""

import uuid
from datetime import UTC, datetime

import pytest
from at2_rag import InputError
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langsmith.evaluation import RunEvaluator
from langsmith.schemas import Example, Run

from langchain_at2 import AT2SupportEvaluator

TEXTS = ("Vungon is a city whose mayor is Tete Gorun.", "Tete Gorun plays the piano.")
QUESTION = "Who is the mayor of Vungon?"


def run_of(inputs, outputs):
    now, name = datetime.now(UTC), uuid.uuid4()
    return Run(
        id=name, name="rag", start_time=now, run_type="chain", inputs=inputs, outputs=outputs,
        trace_id=name, dotted_order="x",
    )  # fmt: skip


@pytest.fixture(scope="module")
def evaluator(reader):
    return AT2SupportEvaluator(reader=reader)


def test_it_is_the_share_of_supported_statements(evaluator, reader):
    assert isinstance(evaluator, RunEvaluator)
    for text in ("Bob.", TEXTS[0], f"Bob. {TEXTS[0]}", "I don't know."):
        answer = reader.attribute(QUESTION, TEXTS, text)
        judged = [s.supported for s in answer.statements if s.supported is not None]
        share = sum(judged) / len(judged) if judged else None
        found = evaluator.evaluate_run(
            run_of({"question": QUESTION}, {"answer": text, "context": list(TEXTS)})
        )
        assert (found.key, found.score) == ("at2_support", share)
        assert ("Bob." in (found.comment or "")) == (share is not None and share < 1)


@pytest.mark.parametrize("answer", [TEXTS[0], AIMessage(TEXTS[0])])
def test_runs_of_chains_and_examples(evaluator, answer):
    documents = [Document(text, id="a page") for text in TEXTS]
    example = Example(id=uuid.uuid4(), inputs={"input": QUESTION}, dataset_id=uuid.uuid4())
    found = evaluator.evaluate_run(run_of({}, {"answer": answer, "context": documents}), example)
    assert found.score == 1
    assert evaluator.feedback_keys == ["at2_support"]


async def test_asynchronously(evaluator):
    run = run_of({"question": QUESTION}, {"answer": TEXTS[0], "context": list(TEXTS)})
    assert await evaluator.aevaluate_run(run) == evaluator.evaluate_run(run)


def test_a_run_that_says_too_little_is_told(evaluator):
    with pytest.raises(InputError, match="no passages"):
        evaluator.evaluate_run(run_of({"question": QUESTION}, {"answer": "Yes."}))
