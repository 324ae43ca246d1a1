"""A log gone through: each row as alone, in order, and none stopped by another."""

import json
from itertools import count, islice

import pytest
from support.comparing import check_same
from support.logs import make_rows

from at2_rag import ContextOverflowError, InputError


def alone(reader, row, **options):
    history = row.get("history", ())
    return reader.attribute(
        row["question"], row["passages"], row["answer"], history=history, **options
    )


def test_rows_are_cited_as_one_at_a_time_in_their_order(demo_reader):
    rows = make_rows(7)
    rows[3]["history"] = [
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hello."},
    ]
    found = list(demo_reader.audit(iter(rows), at_a_time=4))
    assert [each.row for each in found] == rows
    for each in found:
        check_same(each.answer.to_dict(), alone(demo_reader, each.row).to_dict())


def test_questions_are_answered_anew(demo_reader):
    right = (None, ["one", "another"], 308)  # whatever a data set has, it is not looked at
    rows = [{**row, "answer": told} for row, told in zip(make_rows(3), right, strict=True)]
    options = {"max_new_tokens": 16, "prune_to": 2}
    for each in demo_reader.audit(rows, anew=True, **options):
        row = each.row
        expected = demo_reader.answer(row["question"], row["passages"], **options)
        check_same(each.answer.to_dict(), expected.to_dict())


def test_rows_that_cannot_be_used_stop_no_other(golden_reader):
    good = make_rows(1)[0]
    bad = [
        ({}, InputError, "no question among the fields"),
        ({"question": "Who?"}, InputError, "no passages"),
        ({**good, "passages": "one text"}, InputError, "passages is a str"),
        ({**good, "passages": [3]}, InputError, r"passages\[0\] is a int"),
        ({**good, "passages": [{"title": "T"}]}, InputError, r"passages\[0\] has no 'text'"),
        ({**good, "answer": None}, InputError, "no answer to cite"),
        ({**good, "answer": ["yes"]}, InputError, "answer is a list"),
        ({**good, "answer": " "}, InputError, "expected text to cite"),
        ({**good, "question": " "}, InputError, "expected text to answer"),
        ({**good, "history": "Hello."}, InputError, "history is a str"),
        ({**good, "answer": "half \ud800"}, InputError, "surrogate"),
        ({**good, "passages": ["word " * 10_000]}, ContextOverflowError, "tokens"),
        ("text", InputError, "a row is a str"),
    ]
    rows = [row for each, *_ in bad for row in (good, each)]
    found = list(golden_reader.audit(rows))
    expected = alone(golden_reader, good).to_dict()
    for each in found[::2]:
        check_same(each.answer.to_dict(), expected)
    for each, (_, kind, message) in zip(found[1::2], bad, strict=True):
        assert each.answer is None
        with pytest.raises(kind, match=message):
            raise each.error


@pytest.mark.parametrize(
    "shape",
    [
        lambda q, p, a: {"user_input": q, "retrieved_contexts": p, "response": a, "reference": "x"},
        lambda q, p, a: {"question": q, "contexts": p, "answer": a, "ground_truth": "x"},
        lambda q, p, a: {"inputs": {"question": q}, "outputs": {"answer": a, "contexts": p}},
        lambda q, p, a: {
            "inputs": {"input": q, "context": p},
            "outputs": {"output": a},
            "metadata": {"model": "m"},
        },
        lambda q, p, a: {
            "inputs": json.dumps({"question": q}),
            "outputs": json.dumps({"answer": a, "documents": [{"page_content": t} for t in p]}),
            "run_type": "chain",
        },
        lambda q, p, a: {
            "inputs": {"query": q},
            "outputs": {
                "result": a,
                "source_documents": [{"page_content": t, "metadata": {"id": "doc"}} for t in p],
            },
        },
    ],
    ids=[
        "ragas",
        "ragas before 0.2",
        "langsmith",
        "langsmith, from inputs",
        "langsmith, exported in bulk",
        "documents",
    ],
)
def test_rows_of_other_tools_are_read(golden_reader, shape):
    question, passages, answer = "Who built it?", ["Anna Reed did.", "It is old."], "Anna Reed."
    [found] = golden_reader.audit([shape(question, passages, answer)])
    assert found.error is None
    assert (found.answer.question, found.answer.text) == (question, answer)
    assert [passage.text for passage in found.answer.passages] == passages


def test_what_a_passage_has_beside_its_text_is_kept(golden_reader):
    passage = {"text": "Yes.", "id": 7, "url": "u", "score": 0.5, "metadata": {"page": 3}}
    row = {"question": "Is it?", "passages": [passage, passage], "answer": "Yes."}
    [found] = golden_reader.audit([row])
    first, second = found.answer.passages
    assert (first.id, second.id, first.url, first.page) == ("7", None, "u", "p. 3")


def test_options_are_refused_before_any_row(golden_reader):
    for options, message in (
        ({"max_citation": 1}, "Unknown option max_citation"),
        ({"prune_to": 2}, "expected anew=True"),
        ({"anew": True, "prune_to": 0}, "prune_to is 0"),
        ({"at_a_time": 0}, "at_a_time is 0"),
    ):
        with pytest.raises(InputError, match=message):
            golden_reader.audit(iter(()), **options)


def test_no_more_of_a_log_is_held_than_asked(golden_reader):
    good, taken = make_rows(1)[0], count()
    endless = ({**good, "n": next(taken)} for _ in count())
    assert [each.row["n"] for each in islice(golden_reader.audit(endless, at_a_time=2), 3)]
    assert next(taken) == 4
