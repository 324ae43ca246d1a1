"""What is said beside citations: where else a source is, and what is not known."""

from dataclasses import replace

import pytest
from support.zandor import PASSAGES, QUESTION

from at2_rag import Answer, InputError
from at2_rag.answer.remarks import also_in_words


@pytest.mark.parametrize(
    ("copies", "words"),
    [
        ([], []),
        ([(1, "Tower")], ["also in Tower"]),
        ([(1, "Mill"), (2, None)], ["also in passage 2, passage 3"]),
        ([(0, "Mill"), (4, "Tower"), (5, "Tower")], ["also in the same passage, Tower, passage 6"]),
        ([(i, None) for i in range(1, 7)], ["also in passage 2, passage 3, passage 4, 3 more"]),
    ],
)
def test_copies_are_named_apart(copies, words):
    assert also_in_words((0, "Mill"), copies) == words


def test_a_guess_is_called_a_guess(golden_reader):
    average = golden_reader.with_options(estimator="average")
    answer = average.attribute(QUESTION, PASSAGES, "Zandor lies on the Mol.")
    assert (answer.calibrated, answer.to_dict()["calibrated"]) == (False, False)
    assert str(answer).endswith("Supported: unknown. Nothing tells from which score on average "
                                "attention is right, so what is cited is a guess.")  # fmt: skip
    refusal = golden_reader.attribute(QUESTION, PASSAGES, "I don't know.")
    assert refusal.calibrated
    assert refusal.citations == ()
    assert str(refusal) == "I don't know."


def test_what_is_not_supported_is_told_in_words(golden_reader):
    said = "It is old. It lies on the Mol. It is old."
    answer = golden_reader.attribute(QUESTION, PASSAGES, said)
    first, second, again = answer.statements
    judged = replace(
        answer,
        statements=(
            replace(first, citations=(), supported=False),
            replace(second, supported=True),
            replace(again, citations=(), supported=False),
        ),
    )
    assert judged.calibrated
    assert str(judged).endswith("\n\nNot supported by the passages: It is old.")
    assert str(judged).count("Not supported") == 1


@pytest.mark.parametrize("data", [{}, [], {"passages": 3}, None])
def test_what_is_no_answer_is_refused(data):
    with pytest.raises(InputError, match=r"The data .*expected all that Answer.to_dict\(\)"):
        Answer.from_dict(data)
