"""Answers right and wrong: how they are made, and what must hold of the verdicts on them."""

import pytest
from at2_rag import Passage
from at2_rag.errors import InputError
from hypothesis import given
from hypothesis import strategies as st
from support.runs import FILES, records_of, results_of, table_of

from at2_rag_experiments import run_experiment
from at2_rag_experiments.gold_question import GoldQuestion
from at2_rag_experiments.support.altered import negated, with_another_digit, with_exchanged_names
from at2_rag_experiments.support.experiment import Support, SupportConfig
from at2_rag_experiments.support.given import (
    ALTERED,
    EXCHANGED,
    FOREIGN,
    MISQUOTED,
    NEGATED,
    QUOTED,
    REMOVED,
    RIGHT,
    given_answers,
    paired,
)
from at2_rag_experiments.support.results import summarize


def question(name, answer, supporting=(0,)):
    passages = tuple(Passage(f"{name} {index}.") for index in range(3))
    return GoldQuestion(name, f"What is {name}?", passages, answer, supporting)


def test_each_question_is_paired_with_another_answer():
    asked = paired([question("a", "Paris"), question("b", "Paris"), question("c", "Rome")])
    assert [item.foreign for item in asked] == ["Rome", "Rome", "Paris"]
    assert len({item.fingerprint for item in asked}) == 3
    assert paired([question("a", "Paris"), question("b", "Paris")]) == []


def test_answers_are_right_or_wrong_in_ways_that_are_known():
    [item, _] = paired([question("a", "In 1889", supporting=(1,)), question("b", "Rome")])
    found = {one.kind: one for one in given_answers(item, [0, 1, 2])}
    assert list(found) == [RIGHT, REMOVED, FOREIGN, ALTERED]
    assert [p.text for p in found[REMOVED].passages] == ["a 0.", "a 2."]
    assert found[REMOVED].answer == found[RIGHT].answer == "In 1889"
    assert found[FOREIGN].answer == "Rome"
    assert found[ALTERED].answer[:-1] == "In 188"
    [_, item] = paired([question("a", "In 1889"), question("b", "Rome", supporting=(0, 1, 2))])
    assert [one.kind for one in given_answers(item, [0, 1, 2])] == [RIGHT, FOREIGN]


@given(st.text("a1 29.", max_size=12), st.text("ab", max_size=3))
def test_one_digit_is_changed_and_nothing_else(text, seed):
    found = with_another_digit(text, seed)
    assert found == with_another_digit(text, seed)
    assert (found is None) == (not any(c.isdigit() for c in text))
    if found is not None:
        [(old, new)] = [pair for pair in zip(text, found, strict=True) if pair[0] != pair[1]]
        assert (old + new).isdigit()


@pytest.mark.parametrize(
    ("text", "denied", "exchanged"),
    [
        (
            "The prize was won by Anna Reed of York.",
            "The prize was not won by Anna Reed of York.",
            "The prize was won by York of Anna Reed.",
        ),
        ("Reed has 62 in York .", "Reed has not 62 in York .", None),
        ("It is not so, and can be in Rome.", "It is not so, and can not be in Rome.", None),
        ("It decays into York, as York does n't.", None, None),
        ("Old Ann met Ann in Rome.", None, "Rome met Ann in Old Ann."),
    ],
)
def test_small_changes_turn_a_sentence_into_its_contrary(text, denied, exchanged):
    assert negated(text) == denied
    assert with_exchanged_names(text) == exchanged


def test_evidence_that_is_shown_is_quoted_and_made_wrong():
    text = "Hm. Anna Reed was in York 7. Yes."
    passages = (Passage("x"), Passage(text))
    asked = GoldQuestion("a", "Who?", passages, "Anna", (1,), gold=((1, 4, 29),))
    [item, _] = paired([asked, question("b", "Rome")])
    found = {one.kind: one.answer for one in given_answers(item, [0, 1])}
    assert found[QUOTED] == "Anna Reed was in York 7."
    assert found[NEGATED] == "Anna Reed was not in York 7."
    assert found[EXCHANGED] == "York was in Anna Reed 7."
    assert found[MISQUOTED] == with_another_digit(found[QUOTED], "a")
    assert QUOTED not in {one.kind for one in given_answers(item, [0])}


def test_what_was_made_of_quotations_is_compared_with_them():
    answer = {"estimator": "e", "tokens": 1, "cited": [1], "ungrounded": [False]}
    kinds = {RIGHT: (3.0, True), QUOTED: (1.0, True), NEGATED: (2.0, True), REMOVED: (2.0, False)}
    record = {
        kind: {**answer, "supported": [yes], "highest": {"at2": [score]}}
        for kind, (score, yes) in kinds.items()
    }
    found = summarize([{"answers": record}])
    [method] = found.methods
    separated = {kind: one.auroc for kind, one in method.from_kind.items()}
    assert separated == {REMOVED: 1.0, NEGATED: 0.0}
    assert {one.kind: one.balanced for one in found.kinds} == {
        RIGHT: None, QUOTED: None, NEGATED: 0.5, REMOVED: 1.0,
    }  # fmt: skip


@pytest.fixture(scope="module")
def run(demo_reader, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    told = SupportConfig(
        examples=6, passages=4, methods=("average-attention", "equal-tokens", "at2", "bm25")
    )
    run_experiment(Support(told), demo_reader, folder)
    return folder


def test_what_no_passage_says_is_called_supported_less_often(run):
    assert {path.name for path in run.iterdir()} >= set(FILES)
    results = results_of(run)
    by_kind = {one["kind"]: one for one in results["kinds"]}
    right, removed = by_kind[RIGHT], by_kind[REMOVED]
    assert right["answers"] == removed["answers"] == 6
    assert right["supported"]["mean"] > removed["supported"]["mean"]
    assert right["balanced"] is None
    assert removed["balanced"] == pytest.approx(
        (right["supported"]["mean"] + 1 - removed["supported"]["mean"]) / 2
    )
    own = next(one for one in results["methods"] if one["method"] == "at2")
    assert own["from_kind"][REMOVED]["auroc"] > 0.5
    assert "Right answers against the others" in table_of(run)


def test_an_answer_is_as_good_as_its_worst_statement(run):
    records = records_of(run)
    for record in records:
        for answer in record["answers"].values():
            answer["supported"] = [True, False]
    found = summarize(records)
    assert [one.supported.mean for one in found.kinds] == [0.0] * len(found.kinds)


def test_nothing_measured_is_nothing_found():
    assert summarize([{"too_long_by": 3}]) is None
    with pytest.raises(InputError, match="None of the 1 questions"):
        Support().report([{"answers": {}}])
