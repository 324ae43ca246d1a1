"""The shipped reader really answers; margins that a broken capture would not reach."""

from itertools import islice

import pytest

from at2_rag.worlds import generate_examples

SEED = 777


@pytest.fixture(scope="module")
def two_hops():
    """50 two-hop questions among 8 passages, answered, pruned to 3 and answered again."""
    from at2_rag import Reader

    reader = Reader.demo()
    examples = list(islice(generate_examples(SEED, 8, 2), 50))
    answers = reader.answer_batch([(e.question, e.passages) for e in examples], prune_to=3)
    return list(zip(examples, answers, strict=True))


def right(answer, example):
    return answer.text.endswith(f"Final answer: {example.final_answer}")


def test_supporting_passages_come_first(two_hops):
    """Chance for both of two among eight is 1 in 28."""
    both = sum(
        {i for i, _ in answer.draft.ranked_passages[:2]} == set(example.supporting_passages)
        for example, answer in two_hops
    )
    assert both >= 40  # 47 when it was trained


def test_pruning_raises_accuracy(two_hops):
    before = sum(right(answer.draft, example) for example, answer in two_hops)
    after = sum(right(answer, example) for example, answer in two_hops)
    assert after >= before + 2  # 44 and 40 when it was trained


def test_answers_end_by_themselves_in_full_sentences(two_hops):
    ended = [answer for _, answer in two_hops if not answer.truncated]
    assert len(ended) >= 49
    assert sum(len(answer.statements) == 3 for answer in ended) >= 45
