"""All 100 HotpotQA questions, end to end, with really trained weights and with golden models."""

from support.golden import NAMES
from support.invariants import Unchanged, check_answer

from at2_rag import ContextOverflowError, Passage, Reader, ScoreEstimator


def passages_of(example):
    context = example["context"]
    return [
        Passage("".join(sentences).strip(), title=title, id=str(index))
        for index, (title, sentences) in enumerate(
            zip(context["title"], context["sentences"], strict=True)
        )
    ]


def test_stories_weights_through_the_overflow_path(stories_reader, hotpot):
    """A context of 512 tokens holds one to three of the ten passages, or not even one."""
    assert len(hotpot) == 100
    answered, dropped = 0, 0
    for example in hotpot:
        passages = passages_of(example)
        with Unchanged(passages):
            try:
                answer = stories_reader.answer(
                    example["question"], passages, on_overflow="drop", prune_to=1, max_new_tokens=4
                )
            except ContextOverflowError:
                continue
        check_answer(answer, passages)
        assert len(answer.kept) == 1
        answered += 1
        dropped += len(answer.dropped)
    assert answered >= 50
    assert dropped >= 6 * answered


def test_stories_weights_on_the_passages_that_matter(stories_reader, hotpot):
    asked = [(example["question"], wanted_of(example)) for example in hotpot]
    with Unchanged(asked):
        answers = stories_reader.answer_batch(asked, max_new_tokens=8)
    assert len(answers) == 100
    for (question, passages), answer in zip(asked, answers, strict=True):
        check_answer(answer, passages)
        assert answer.question == question
        assert answer.kept == (0, 1)


def wanted_of(example):
    wanted = set(example["supporting_facts"]["title"])
    return [
        Passage(p.text[:150], title=p.title, id=p.id)
        for p in passages_of(example)
        if p.title in wanted
    ]


def test_golden_models_on_whole_contexts(golden, hotpot):
    """Each context is answered by one of the models, which take turns, and cited by all."""
    estimator = ScoreEstimator.load(golden.folder)
    reader = Reader(golden.model, golden.tokenizer, estimator, max_new_tokens=8)
    turn = NAMES.index(golden.folder.name)
    for index, example in enumerate(hotpot):
        question, passages = example["question"], passages_of(example)
        said = f"It is said. Final answer: {example['answer']}"
        with Unchanged(passages):
            cited = reader.attribute(question, passages[:3], said)
            if index % len(NAMES) == turn:
                answer = reader.answer(question, passages, on_overflow="drop")
                check_answer(answer, passages)
        check_answer(cited, passages[:3])
