"""Many questions with ten passages each, end to end.

Those that the project wrote itself always, with a random model; HotpotQA's where they are, with
really trained weights.
"""

import json

import pytest
from support.golden import NAMES
from support.invariants import Unchanged, check_answer
from support.nasty import questions
from support.real_data import real_data

from at2_rag import ContextOverflowError, Passage, Reader, ScoreEstimator


@pytest.fixture(scope="module", params=["nasty", "hotpotqa"])
def asked(request):
    """Questions as the hub has HotpotQA's."""
    if request.param == "nasty":
        return questions(24)
    found = json.loads(real_data("hotpotqa_dev_100.json").read_text(encoding="utf-8"))
    assert len(found) == 100
    return found


@pytest.fixture
def reader(request, asked):
    """A reader with a context of 512 tokens."""
    trained = not asked[0].get("id", "").startswith("nasty")
    return request.getfixturevalue("stories_reader" if trained else "short_reader")


def passages_of(example):
    context = example["context"]
    return [
        Passage("".join(sentences).strip(), title=title, id=str(index))
        for index, (title, sentences) in enumerate(
            zip(context["title"], context["sentences"], strict=True)
        )
    ]


def test_what_does_not_fit_is_dropped(reader, asked):
    """The context holds a few of the ten passages, or of HotpotQA's not even one."""
    answered, dropped = 0, 0
    for example in asked:
        passages = passages_of(example)
        with Unchanged(passages):
            try:
                answer = reader.answer(
                    example["question"], passages, on_overflow="drop", prune_to=1, max_new_tokens=4
                )
            except ContextOverflowError:
                continue
        check_answer(answer, passages)
        assert len(answer.kept) == 1
        answered += 1
        dropped += len(answer.dropped)
    assert answered >= len(asked) / 2
    assert dropped > answered


def test_the_passages_that_matter(reader, asked):
    pairs = [(example["question"], wanted_of(example)) for example in asked]
    with Unchanged(pairs):
        answers = reader.answer_batch(pairs, max_new_tokens=8)
    for (question, passages), answer in zip(pairs, answers, strict=True):
        check_answer(answer, passages)
        assert answer.question == question
        assert answer.kept == tuple(range(len(passages)))


def wanted_of(example):
    wanted = set(example["supporting_facts"]["title"])
    found = [
        Passage(p.text[:150], title=p.title, id=p.id)
        for p in passages_of(example)
        if p.title in wanted
    ]
    assert found
    return found


def test_golden_models_on_whole_contexts(golden, asked):
    """Each context is answered by one of the models, which take turns, and cited by all.

    Of HotpotQA's, which are alike, every third; of those that are nasty, all.
    """
    estimator = ScoreEstimator.load(golden.folder)
    reader = Reader(golden.model, golden.tokenizer, estimator, max_new_tokens=8)
    turn = NAMES.index(golden.folder.name)
    for index, example in enumerate(asked if len(asked) < 100 else asked[::3]):
        question, passages = example["question"], passages_of(example)
        said = f"It is said. Final answer: {example['answer']}"
        with Unchanged(passages):
            cited = reader.attribute(question, passages[:3], said)
            if index % len(NAMES) == turn:
                answer = reader.answer(question, passages, on_overflow="drop")
                check_answer(answer, passages)
        check_answer(cited, passages[:3])
