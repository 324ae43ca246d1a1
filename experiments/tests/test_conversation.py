"""Sources in conversations as an experiment: what must hold at a toy size."""

import pytest
from at2_rag.errors import InputError
from support.runs import as_read, results_of

from at2_rag_experiments.conversation.experiment import (
    ConversationSources,
    ConversationSourcesConfig,
)
from at2_rag_experiments.conversation.placements import PLACEMENTS
from at2_rag_experiments.questions import gold_questions
from at2_rag_experiments.run import run_experiment


def small(**told):
    base = {"examples": 1, "num_passages": 3, "measured_ablations": 6, "max_new_tokens": 20}
    methods = ("random", "leave-one-out")
    return ConversationSources(ConversationSourcesConfig(**{**base, "methods": methods, **told}))


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_every_place_tells_all_passages(placement, demo_reader):
    (question,) = gold_questions("worlds", 1, 0, 3)
    placed = PLACEMENTS[placement](question.question, question.passages)
    task = placed.task(demo_reader)
    texts = {source.text for source in task.answer.attribution.sources}
    sentences = {sentence for p in question.passages for sentence in p.text.split(". ")[:1]}
    assert all(any(sentence in text for text in texts) for sentence in sentences)
    tokenizer = demo_reader.tokenizer
    for (start, end), source in zip(task.sources, task.answer.attribution.sources, strict=True):
        assert source.text in tokenizer.decode(task.ids[start:end])
    asked = tokenizer.decode(task.ids[: task.prompt_length])
    assert all(asked.count(passage.text) == 1 for passage in question.passages)
    assert asked.count(question.question) == 1


def test_what_must_hold(demo_reader, tmp_path):
    results = run_experiment(small(), demo_reader, tmp_path).results
    found = results_of(tmp_path)
    assert found == as_read(results)
    assert [p["placement"] for p in found["placements"]] == list(PLACEMENTS)
    for placement in found["placements"]:
        assert placement["examples"] == 1
        by_method = {summary["method"]: summary for summary in placement["methods"]}
        assert set(by_method) == {"random", "leave-one-out", "at2"}
    first = {
        method: [p["supporting_first"][method]["mean"] for p in found["placements"]]
        for method in ("random", "leave-one-out")
    }
    assert sum(first["leave-one-out"]) > sum(first["random"]) + 1


def test_no_such_place():
    with pytest.raises(InputError, match="placements holds 'appendix'; expected any of passage"):
        small(placements=("appendix",))
