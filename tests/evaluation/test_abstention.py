"""Abstention: what is counted, and how signals are measured, against their definitions."""

import json
from dataclasses import replace
from itertools import product
from random import Random
from statistics import stdev

import pytest
import torch
from sklearn.metrics import roc_auc_score
from support.comparing import check_close
from support.places import DATA
from support.real_data import first_lines

from at2_rag import FileFormatError, Passage
from at2_rag.datasets.example import TrainingExample
from at2_rag.evaluation.abstention import (
    SIGNALS,
    AbstentionReport,
    JudgedAnswer,
    Separation,
    measure_abstention,
)
from at2_rag.evaluation.questions import (
    clapnq_questions,
    final_answer_in,
    says_unknown,
    world_questions,
)
from at2_rag.prompt.maker import PromptMaker
from at2_rag.prompt.request import Request
from at2_rag.worlds import generate_examples

CLAPNQ = DATA / "hub" / "clapnq.jsonl"


@pytest.fixture(scope="module")
def report(demo_reader):
    questions = world_questions(2_000_001, 4, 4, num_passages=4)
    return measure_abstention(demo_reader, questions, max_new_tokens=40)


# Separation


def normal(seed, count, mean):
    rng = Random(seed)
    return [rng.gauss(mean, 1.0) for _ in range(count)]


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    for seed, digits in ((0, 8), (1, 0), (2, 0)):
        right = [round(value, digits) for value in normal(seed, 30, 0.7)]
        made_up = [round(value, digits) for value in normal(seed + 10, 20, 0.0)]
        found = Separation.of(right, made_up)
        pairs = [(a > b) + (a == b) / 2 for a, b in product(right, made_up)]
        assert found.auroc == pytest.approx(sum(pairs) / len(pairs), abs=1e-12)
        labels = [1] * 30 + [0] * 20
        assert found.auroc == pytest.approx(roc_auc_score(labels, right + made_up), abs=1e-12)
        assert (found.right, found.made_up) == (30, 20)
        turned = Separation.of(made_up, right)
        assert turned.auroc == pytest.approx(1 - found.auroc)
        assert turned.standard_error == pytest.approx(found.standard_error)


@pytest.mark.parametrize("gap", [0.0, 1.0, 2.0])
def test_the_standard_error_is_the_spread_over_fresh_samples(gap):
    drawn = [
        Separation.of(normal(2 * seed, 60, gap), normal(2 * seed + 1, 40, 0.0))
        for seed in range(300)
    ]
    expected = stdev(found.auroc for found in drawn)
    mean = sum(found.standard_error for found in drawn) / len(drawn)
    assert mean == pytest.approx(expected, rel=0.2)


def test_ends_of_separation():
    assert Separation.of([2.0, 3.0], [1.0]) == Separation(1.0, 0.0, 2, 1)
    assert Separation.of([1.0, 1.0], [1.0]).auroc == 0.5
    assert Separation.of([], [1.0]) == Separation(None, None, 0, 1)
    assert str(Separation.of([], [1.0])) == "–"
    assert str(Separation(0.5, 0.25, 2, 2)) == "0.500 ± 0.250"


# Counting


def judged(index, outcome, signal=0.0, supported=(None,)):
    answerable = outcome in ("right", "wrong", "answered")
    signals = dict.fromkeys(SIGNALS, signal)
    return JudgedAnswer(str(index), "?", "text", answerable, outcome, supported, signals)


def test_only_right_and_made_up_answers_are_told_apart():
    outcomes = ("right", "answered", "made up", "wrong", "abstained")
    values = (3.0, 2.0, 1.0, 9.0, 9.0)
    answers = [judged(i, *pair) for i, pair in enumerate(zip(outcomes, values, strict=True))]
    report = AbstentionReport(tuple(answers), ())
    for signal in SIGNALS:
        assert report.separation(signal) == Separation.of([3.0, 2.0], [1.0])
    assert report.share("abstained", answerable=False).mean == 0.5
    assert report.share("right", answerable=True).mean == pytest.approx(1 / 3)
    unmeasured = replace(answers[2], signals=dict.fromkeys(SIGNALS))
    report = AbstentionReport((*answers[:2], unmeasured), ())
    assert report.separation(SIGNALS[0]) == Separation(None, None, 2, 0)
    with pytest.raises(KeyError, match="'luck' is not measured; there are"):
        report.separation("luck")


def test_precision_and_recall_of_supported():
    none = AbstentionReport((judged(0, "right"), judged(1, "made up")), ())
    assert (none.supported_precision, none.supported_recall) == (None, None)
    report = AbstentionReport(
        (
            judged(0, "right", supported=(True, True, False)),
            judged(1, "right", supported=(True, None)),
            judged(2, "made up", supported=(True, False)),
            judged(3, "wrong", supported=(True, True)),
            judged(4, "abstained", supported=(True,)),
        ),
        (),
    )
    assert report.supported_precision == 3 / 4
    assert report.supported_recall == 3 / 4
    assert "precision 0.750, recall 0.750" in str(report)


# Questions


def test_questions_about_worlds_have_their_answers_in_the_passages_or_not():
    questions = world_questions(3, 4, 2, num_passages=3, hops=(1, 2))
    assert [q.answerable for q in questions] == [True] * 4 + [False] * 2
    assert len({q.example.id for q in questions}) == 6
    for question in questions:
        text = " ".join(p.text for p in question.example.passages)
        assert (question.final_answer is not None) == question.answerable
        assert question.final_answer is None or question.final_answer in text
    two_hops = next(generate_examples(3, 3, 2))
    assert questions[1].example.question == two_hops.question
    assert world_questions(3, 2, 1, 3)[:2] == world_questions(3, 2, 0, 3)


def test_the_worlds_own_words_for_not_knowing():
    in_vain = next(generate_examples(1, 3, "unanswerable"))
    assert says_unknown(in_vain.answer)
    assert final_answer_in(in_vain.answer) == "unknown"
    known = next(generate_examples(1, 3, 1))
    assert not says_unknown(known.answer)
    assert final_answer_in(known.answer) == known.final_answer
    assert final_answer_in("Nothing final.") is None


# Measuring


def test_signals_are_those_of_passes_made_by_hand(demo_reader, report):
    assert len(report.answers) == 8
    question = world_questions(2_000_001, 4, 4, num_passages=4)[0]
    passages, found = question.example.passages, report.answers[0]
    task = demo_reader.task(question.example.question, passages, found.text)
    with torch.no_grad():
        logits = task.model(torch.tensor([task.ids])).logits[0, task.prompt_length - 1 : -1]
    wanted = torch.tensor(task.ids[task.prompt_length :])[:, None]
    mean = float(logits.double().log_softmax(-1).gather(-1, wanted).mean())
    attribution, statements = task.answer.attribution, task.answer.statements
    tops = [float(attribution.for_span(s.start, s.end).max()) for s in statements]
    count = len(task.sources)
    masks = torch.tensor([[1.0] * count, [0.0] * count])
    log_p = task.ablator().ablate(masks).log_probability(0, len(wanted))
    share, first, last, log_probability, drop, drop_each = (found.signals[s] for s in SIGNALS)
    said = [s.supported for s in statements if s.supported is not None]
    assert share == (pytest.approx(sum(said) / len(said)) if said else None)
    check_close((first, last), (tops[0], tops[-1]))
    check_close(log_probability, mean, scale=float(logits.abs().max()))
    check_close(drop, log_p[0] - log_p[1], scale=float(log_p.abs().max()))
    check_close(drop_each, drop / len(wanted))
    assert drop > 1.0


def test_outcomes_are_what_was_said(report):
    questions = world_questions(2_000_001, 4, 4, num_passages=4)
    for question, answer in zip(questions, report.answers, strict=True):
        assert answer.id == question.example.id
        said = says_unknown(answer.text)
        assert (answer.outcome == "abstained") == said
        if question.answerable and not said:
            right = final_answer_in(answer.text) == question.final_answer
            assert answer.outcome == ("right" if right else "wrong")
    assert report.count("right") >= 2


def test_a_report_is_plain_json_and_plain_text(report):
    found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert [answer["id"] for answer in found["answers"]] == [a.id for a in report.answers]
    assert list(found["separation"]) == list(SIGNALS)
    text = str(report)
    assert "4 questions with an answer in the passages:" in text
    assert all(signal in text for signal in SIGNALS)


def test_what_abstains_can_be_told_otherwise(demo_reader):
    questions = world_questions(2_000_001, 1, 1, num_passages=2)
    done = []
    report = measure_abstention(
        demo_reader, questions, abstains=lambda text: True, on_answer=done.append, max_new_tokens=8
    )
    assert report.count("abstained") == 2
    assert done == [1, 2]


# ClapNQ


def test_clapnq_has_questions_with_an_answer_and_without():
    questions = clapnq_questions(CLAPNQ)
    assert [(q.example.id, q.answerable) for q in questions] == [
        ("clapnq-41", True), ("clapnq-42", True), ("clapnq-43", False),
    ]  # fmt: skip
    assert all(q.final_answer is None for q in questions)


def test_real_clapnq_is_answered_where_it_fits_and_counted_where_not(
    golden_reader, stories_reader, tmp_path
):
    """Neither reader knows such questions: this shows that they go through."""
    path = tmp_path / "clapnq.jsonl"
    names = ("clapnq_dev_answerable_100.jsonl", "clapnq_dev_unanswerable_100.jsonl")
    path.write_text("".join(line for name in names for line in first_lines(name, 10)), "utf-8")
    questions = clapnq_questions(path)
    assert [q.answerable for q in questions] == [True] * 10 + [False] * 10
    report = measure_abstention(golden_reader, questions, max_new_tokens=8)
    assert (len(report.answers), report.skipped) == (20, ())
    report = measure_abstention(stories_reader, questions, max_new_tokens=8)
    check_skipped(report, stories_reader, questions)


def test_what_does_not_fit_is_counted(golden_reader, short_reader):
    """With a passage that is as long as ten."""
    questions = clapnq_questions(CLAPNQ)
    example = questions[1].example
    long = Passage(example.passages[0].text * 10)
    questions[1] = replace(questions[1], example=replace(example, passages=(long,)))
    report = measure_abstention(golden_reader, questions, max_new_tokens=8)
    assert (len(report.answers), report.skipped) == (3, ())
    report = measure_abstention(short_reader, questions, max_new_tokens=8)
    assert report.skipped == ("clapnq-42",)
    check_skipped(report, short_reader, questions)


def check_skipped(report, reader, questions):
    """Assert that what does not fit into 512 tokens, and nothing else, was left out."""
    count = len(questions)
    tokens = {q.example.id: prompt_tokens(reader, q.example) for q in questions}
    long = tuple(name for name, count in tokens.items() if count > 512 - 8)
    assert report.skipped == long
    assert [a.id for a in report.answers] == [name for name in tokens if name not in long]
    assert 0 < len(long) < count
    assert {a.outcome for a in report.answers} <= {"answered", "made up", "abstained"}
    assert f"{len(long)} more are too long for the model." in str(report)


def prompt_tokens(reader, example):
    passages = example.passages
    request = Request(example.question, passages, settings=reader.settings)
    maker = PromptMaker.of(reader.tokenizer, request)
    return len(maker.make(range(len(passages))).ids)


def test_bad_rows_are_named_with_their_place(tmp_path):
    path = tmp_path / "rows.jsonl"
    row = json.loads(CLAPNQ.read_text(encoding="utf-8").splitlines()[0])
    path.write_text(json.dumps(row) + "\n" + json.dumps({**row, "output": None}), encoding="utf-8")
    with pytest.raises(FileFormatError, match=r"rows\.jsonl:2: 'output' is null; expected"):
        clapnq_questions(path)
    path.write_text("[]\n", encoding="utf-8")
    with pytest.raises(FileFormatError, match=r"rows\.jsonl:1: the row is a list; expected"):
        clapnq_questions(path)


def test_an_example_is_asked_in_its_own_way(demo_reader):
    question = world_questions(2_000_001, 1, 0, num_passages=2)[0]
    example = question.example
    own = TrainingExample("own", example.question, example.passages, system="You are brief.")
    found = measure_abstention(demo_reader, [replace(question, example=own)], max_new_tokens=24)
    expected = demo_reader.answer(
        example.question, example.passages, system="You are brief.", max_new_tokens=24
    )
    assert found.answers[0].text == expected.text
