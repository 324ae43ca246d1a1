"""What a notebook shows of what a reader returns: a line, and never a tensor."""

from dataclasses import replace

import pytest
from support.zandor import PASSAGES, QUESTION

from at2_rag import (
    Answer,
    Evidence,
    ScoreEstimator,
    ThinkingMarkers,
    Verification,
    VerifiedStatement,
)
from at2_rag.answer.in_short import counted, quoted
from at2_rag.worlds import generate_examples

#: A question that the demo reader answers.
WORLD = next(generate_examples(11, 8, 2))
THINK = ThinkingMarkers("", " Final answer: ")


@pytest.fixture(scope="module")
def answer(demo_reader):
    return demo_reader.answer(WORLD.question, WORLD.passages)


def test_a_text_is_quoted_on_one_line_and_a_long_one_shortened():
    assert quoted("Who built\n the mill?") == "'Who built the mill?'"
    assert quoted("It's") == '"It\'s"'
    assert quoted("x" * 60) == repr("x" * 60)
    assert quoted("word " * 20) == repr("word " * 11 + "wor …")


def test_one_thing_is_not_several():
    assert [counted(n, "token") for n in (0, 1, 2, 1234)] == [
        "0 tokens",
        "1 token",
        "2 tokens",
        "1,234 tokens",
    ]


def test_an_answer_is_its_text_and_what_is_known_of_its_statements(answer):
    supported = sum(bool(each.supported) for each in answer.statements)
    assert supported
    facts = (
        f"{len(answer.statements)} statements, {supported} supported, "
        f"{len(answer.citations)} citations"
    )
    assert repr(answer) == f"<Answer {quoted(answer.text)} to {quoted(answer.question)}: {facts}>"
    assert repr(replace(answer, truncated=True)) == repr(answer)[:-1] + ", cut off>"
    assert repr(Answer.from_dict(answer.to_dict())) == repr(answer)


def test_what_nobody_can_tell_is_not_told(demo_reader, answer):
    uniform = ScoreEstimator.uniform(demo_reader.model)
    average = demo_reader.with_options(estimator=uniform)
    cited = average.attribute(WORLD.question, WORLD.passages, answer.text)
    assert "supported" not in repr(cited)
    refused = demo_reader.attribute(QUESTION, PASSAGES, "I don't know.")
    assert repr(refused).endswith(": 1 statement, 1 refusal, 0 citations>")


def test_pruned_is_how_much_is_left(demo_reader):
    pruned = demo_reader.prune(QUESTION, PASSAGES, top_k=1)
    saved = pruned.saved
    left = f"1 of 4 passages, {saved.sentences[1]} of {saved.sentences[0]} sentences, "
    left += f"{saved.tokens[1]} of {saved.tokens[0]} tokens"
    assert repr(pruned) == f"<Pruned to {left} for {QUESTION!r}>"


def test_a_verification_is_its_weakest_and_its_strongest_evidence(answer):
    verified = [
        VerifiedStatement(statement, None if drop is None else Evidence((1,), drop), ())
        for statement, drop in zip(answer.statements, (2.0, None, 0.5), strict=True)
    ]
    assert repr(Verification(tuple(verified))) == (
        "<Verification of 3 statements, 2 with citations: 1.6 times less likely to "
        "7.4 times less likely without what they cite>"
    )
    assert repr(Verification((verified[0],))) == (
        "<Verification of 1 statement, 1 with citations: 7.4 times less likely without what "
        "they cite>"
    )
    assert repr(Verification(())) == "<Verification of 0 statements, 0 with citations>"


def test_a_reader_is_its_model_and_what_it_scores_with(demo_reader):
    assert repr(demo_reader) == (
        "<Reader 'at2-rag demo reader': LlamaForCausalLM, float32 on cpu, "
        "scored by network estimator>"
    )
    blend = demo_reader.with_options(method="at2+bm25")
    assert repr(blend).endswith(f"on cpu, scored by {blend.method.name}>")


def test_no_tensor_is_shown_of_anything_that_is_handed_out(demo_reader, answer):
    short = [
        demo_reader,
        demo_reader.estimator,
        ScoreEstimator.uniform(demo_reader.model),
        demo_reader.task(WORLD.question, WORLD.passages, answer.text),
        demo_reader.verify(answer),
        demo_reader.prune(QUESTION, PASSAGES, top_k=2),
        answer,
        answer.attribution,
    ]
    for each in short:
        assert "tensor" not in repr(each)
        assert "\n" not in repr(each)
        assert len(repr(each)) < 300


def test_thoughts_are_in_short_as_answers_are(demo_reader, answer):
    thinking = demo_reader.with_options(source_kinds=("passage", "thought"))
    cited = thinking.attribute(
        WORLD.question, WORLD.passages, "It is Nengos.", thoughts=answer.text, thinking=THINK
    )
    assert repr(cited.thoughts).startswith(f"<Thoughts {quoted(answer.text)}: ")
    assert repr(replace(cited.thoughts, finished=False)).endswith("s, cut off>")
