"""All 100 HotpotQA questions, end to end, with really trained weights and with golden models."""

import pytest
from conftest import load_golden
from invariants import Unchanged, check_answer

from at2_rag import Passage, Reader, ScoreEstimator


def passages_of(example):
    context = example["context"]
    return [
        Passage("".join(sentences).strip(), title=title, id=str(index))
        for index, (title, sentences) in enumerate(
            zip(context["title"], context["sentences"], strict=True)
        )
    ]


def test_stories_weights_through_the_overflow_path(stories_reader, hotpot):
    assert len(hotpot) == 100
    dropped = 0
    for example in hotpot:
        passages = passages_of(example)
        # Two passages of at most one sentence each: 512 tokens of 2.5 characters hold no more.
        short = [Passage(p.text[:160], title=p.title, id=p.id) for p in passages]
        with Unchanged(short):
            answer = stories_reader.answer(
                example["question"], short, on_overflow="drop", prune_to=1, max_new_tokens=8
            )
        check_answer(answer, short)
        assert len(answer.kept) == 1
        dropped += len(answer.dropped)
    assert dropped > 100


@pytest.mark.parametrize("name", ["llama", "qwen2", "phi3"])
def test_golden_models_on_whole_contexts(name, hotpot):
    golden = load_golden(name)
    estimator = ScoreEstimator.load(golden.folder)
    reader = Reader(golden.model, golden.tokenizer, estimator, max_new_tokens=8)
    chosen = hotpot[{"llama": 0, "qwen2": 1, "phi3": 2}[name] :: 3]
    for example in chosen:
        passages = passages_of(example)
        with Unchanged(passages):
            answer = reader.answer(example["question"], passages, on_overflow="drop")
            cited = reader.attribute(
                example["question"], passages[:3], f"It is said. Final answer: {example['answer']}"
            )
        check_answer(answer, passages)
        check_answer(cited, passages[:3])
