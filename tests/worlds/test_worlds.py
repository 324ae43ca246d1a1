"""Made-up worlds: true to themselves, seeded, and cut into the sentences they claim."""

from itertools import islice

import pytest

from at2_rag.documents.sentences import sentence_spans
from at2_rag.worlds import generate_examples, generate_world


@pytest.mark.parametrize("hops", [1, 2])
@pytest.mark.parametrize("passages", [2, 5, 10])
def test_the_supporting_sentences_hold_the_answer(hops, passages):
    for example in islice(generate_examples(3, passages, hops), 40):
        assert len(example.passages) == passages
        assert example.hops == hops
        index, sentence = example.supporting_sentences[-1]
        text = example.passages[index].text
        start, end = sentence_spans(text)[sentence]
        assert example.final_answer in text[start:end]
        assert example.answer.endswith(f"Final answer: {example.final_answer}")
        assert len(sentence_spans(example.answer)) == hops + 1
        assert len(set(example.supporting_passages)) == hops


def test_the_second_hop_is_about_what_the_first_one_found():
    for example in islice(generate_examples(4, 6, 2), 40):
        (first, sentence), (second, _) = example.supporting_sentences
        start, end = sentence_spans(example.passages[first].text)[sentence]
        middle = example.passages[second].title
        assert middle in example.passages[first].text[start:end]
        assert middle not in example.question


def test_supporting_passages_alone():
    for example in islice(generate_examples(5, 8, 2), 20):
        alone = example.supported_only
        assert len(alone.passages) == 2
        assert (alone.question, alone.answer) == (example.question, example.answer)
        for (old, s), (new, t) in zip(
            example.supporting_sentences, alone.supporting_sentences, strict=True
        ):
            assert (example.passages[old], s) == (alone.passages[new], t)


def test_unanswerable_questions_are_about_the_world_and_not_in_it():
    for example in islice(generate_examples(6, 5, "unanswerable"), 20):
        assert example.final_answer == "unknown"
        assert example.supporting_sentences == ()
        assert any(passage.title in example.question for passage in example.passages)


def test_the_same_seed_is_the_same_world():
    def first(seed):
        return next(generate_examples(seed, 6, 2))

    assert first(1) == first(1)
    assert first(1) != first(2)


def test_names_are_told_apart_by_either_piece():
    example = next(generate_examples(8, 10, 2))
    titles = [p.title for p in example.passages]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize(("passages", "hops"), [(1, 2), (0, 1), (5, 3)])
def test_impossible_worlds(passages, hops):
    from random import Random

    with pytest.raises(ValueError, match="expected"):
        generate_world(Random(0), passages, hops)
