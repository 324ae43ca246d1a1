"""Models whose layers look back through a window shorter than the text, or within chunks.

Their own caches forget what a window has passed. What goes on from what was remembered while an
answer was written must be what a pass over the whole text computes.
"""

from dataclasses import replace

import pytest
from support.architectures import build
from support.comparing import check_close
from support.saying import saying
from support.zandor import PASSAGES, QUESTION

from at2_rag import Reader
from at2_rag.methods import method_by_name

TEXT = "Zandor lies on the Mol. It was founded in 1203."
#: Shorter than the prompt, and long enough for the answer to see something of it.
WINDOW = 60


@pytest.fixture(scope="module", params=["gemma3_text", "gemma2", "mistral", "llama4_text"])
def reader(request, golden_llama):
    tokenizer = golden_llama.tokenizer
    told = {"vocab_size": len(tokenizer) + 8, "max_position_embeddings": 2048}
    told |= {"sliding_window": WINDOW, "attention_chunk_size": WINDOW}
    return Reader(build(request.param, **told), tokenizer, "average")


@pytest.mark.parametrize("name", ["leave-one-out", "knockout", "knockout-gradient", "esm-8"])
def test_what_was_remembered_while_writing_is_gone_on_from(reader, name):
    # An option with which an answer is run again, so that what is remembered is kept.
    task = reader.task(QUESTION, PASSAGES, **saying(reader, TEXT), prove=1)
    assert task.prompt_length > 2 * WINDOW
    assert task.known is not None
    method = method_by_name(name)
    scores = method.scores(task)
    assert scores.abs().max() > 1e-3
    check_close(scores, method.scores(replace(task, known=None)), scale=10.0)
    assert method.forward_passes(task) <= method.forward_passes(replace(task, known=None))


@pytest.mark.parametrize(
    "options",
    [{"prove": 3}, {"prove": 3, "prove_by": "knockout"}, {"score_by": "gradient"}],
    ids=str,
)
def test_answers_are_run_again_whatever_for(reader, options):
    answer = reader.answer(QUESTION, PASSAGES, **saying(reader, TEXT), **options)
    assert answer.text == TEXT
    assert all(statement.supported is not None for statement in answer.statements)


def test_words_are_held_against_the_passages(reader):
    answer = reader.answer(QUESTION, PASSAGES, **saying(reader, TEXT), groundedness=True)
    assert all(statement.ungrounded is not None for statement in answer.statements)


def test_passages_are_ranked(reader):
    ranked = reader.rank(QUESTION, PASSAGES, rank_by="question")
    assert sorted(index for index, _ in ranked) == list(range(len(PASSAGES)))
