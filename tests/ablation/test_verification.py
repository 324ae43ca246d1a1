"""Verification against ablations made by hand."""

import json
import math
from dataclasses import replace

import pytest
import torch
from support.comparing import check_close
from support.zandor import PASSAGES, QUESTION

from at2_rag import Answer, InputError
from at2_rag.ablation.verification import Evidence
from at2_rag.worlds import generate_examples

#: A question that the demo reader answers.
WORLD = next(generate_examples(11, 8, 2))


@pytest.mark.parametrize("by", ["attention", "knockout"])
def test_drops_are_those_of_ablations_made_by_hand(demo_reader, by):
    example = next(generate_examples(11, 6, 2))
    options = {"transitive": False, "max_citations": 2}
    answer = demo_reader.answer(example.question, example.passages, **options)
    task = demo_reader.task(example.question, example.passages, answer.text)
    verification = demo_reader.verify(answer, by=by)
    assert len(verification.statements) == len(answer.statements) == 3
    assert sum(len(statement.citations) for statement in answer.statements) >= 2
    places = [(s.passage_index, s.start, s.end) for s in task.answer.attribution.sources]
    for verified, target in zip(verification.statements, task.targets, strict=True):
        cited = [
            places.index((c.passage_index, c.source_start, c.source_end))
            for c in verified.statement.citations
        ]
        masks = torch.ones(2 + len(cited), len(places))
        masks[1, cited] = 0
        for row, source in enumerate(cited, start=2):
            masks[row, source] = 0
        log_p = task.ablator(by=by).ablate(masks).log_probability(*target)
        drops, scale = (log_p[0] - log_p).tolist(), float(log_p.abs().max())
        if cited:
            check_close(verified.together.drop, drops[1], scale=scale)
        else:
            assert verified.together is None
        check_close([e.drop for e in verified.alone], drops[2:], scale=scale)
        assert [e.numbers for e in verified.alone] == [
            (c.number,) for c in verified.statement.citations
        ]


def test_a_statement_without_citations_has_no_evidence(demo_reader):
    answer = demo_reader.answer(QUESTION, PASSAGES, min_score=1e9)
    verification = demo_reader.verify(answer)
    assert all(v.together is None and v.alone == () for v in verification.statements)
    assert "cites nothing" in str(verification)


def test_the_words_say_less_or_more_likely():
    assert str(Evidence((1, 2), math.log(148))) == "148 times less likely without [1][2]"
    assert str(Evidence((1,), math.log(774_999))) == "more than 1,000 times less likely without [1]"
    assert str(Evidence((3,), -math.log(2))) == "2 times more likely without [3]"
    assert Evidence((1,), 1e6).factor < math.inf


def test_an_answer_is_verified_as_it_was_asked_for(demo_reader):
    """It keeps its settings and history, also as JSON; nobody has to tell them again."""
    talk = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hello."}]
    kinds = ("passage", "message")
    answer = demo_reader.answer(
        WORLD.question, WORLD.passages, history=talk, source_unit="word", source_kinds=kinds
    )
    assert (answer.settings.source_unit, list(answer.history)) == ("word", talk)
    verification = demo_reader.verify(answer)
    assert any(v.together for v in verification.statements)
    again = Answer.from_dict(json.loads(json.dumps(answer.to_dict())))
    assert demo_reader.verify(again) == verification


def test_citations_of_other_sources_are_refused(demo_reader):
    answer = demo_reader.answer(WORLD.question, WORLD.passages, source_unit="word")
    settings = replace(answer.settings, source_unit="sentence")
    with pytest.raises(InputError, match=r"Citation \[\d+\] is characters .* no source of this"):
        demo_reader.verify(replace(answer, settings=settings))
