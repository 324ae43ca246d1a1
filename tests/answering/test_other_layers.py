"""Models that remember something else than keys and values, in all that runs an answer again."""

import pytest
from support.architectures import build

from at2_rag import Reader, UnsupportedModelError

QUESTION, PASSAGES, TEXT = "Who?", ["One is here.", "Two is there."], "One is here."


@pytest.fixture(scope="module", params=["qwen3_5_text", "qwen3_next", "lfm2"])
def reader(request, golden_llama):
    tokenizer = golden_llama.tokenizer
    told = {"vocab_size": len(tokenizer) + 8, "max_position_embeddings": 2048}
    if request.param == "lfm2":  # else all are attention
        told["layer_types"] = ["conv", "full_attention"] * 2
    return Reader(build(request.param, **told), tokenizer, "average", max_new_tokens=8)


def test_answers_are_proven_and_held_against_the_passages(reader):
    answer = reader.attribute(QUESTION, PASSAGES, TEXT, prove=2, groundedness=True)
    assert all(citation.effect is not None for citation in answer.citations)
    written = reader.answer(QUESTION, PASSAGES, prove=1)
    assert written.settings.prove == 1


def test_passages_are_ranked(reader):
    ranked = reader.rank("Who is it?", PASSAGES, rank_by="question")
    assert sorted(index for index, _ in ranked) == [0, 1]


def test_what_no_gradient_passes_is_refused_in_words(reader):
    with pytest.raises(UnsupportedModelError, match="layers other than attention"):
        reader.attribute(QUESTION, PASSAGES, TEXT, score_by="gradient")
