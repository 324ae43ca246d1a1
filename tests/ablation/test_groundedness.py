"""Ungrounded words, against passes that are masked by hand."""

import json
import re

import pytest
from support.by_hand import hidden_behind_sources
from support.comparing import check_same

from at2_rag import Answer
from at2_rag.ablation.groundedness import (
    LIKELIER,
    UNLIKELY,
    is_detail,
    with_ungrounded_words,
)
from at2_rag.worlds import generate_examples


@pytest.fixture(scope="module")
def asked():
    """Questions about made-up worlds, with right answers and ones that name somebody else."""
    found = []
    for seed in range(6):
        example = next(generate_examples(seed, 3, hops=1))
        names = sorted(
            set(re.findall(r"[A-Z][a-z]{3,}", " ".join(p.text for p in example.passages)))
        )
        right = example.passages[0].text
        name = next(each for each in names if each in right.split(".")[0])
        other = next(each for each in names if each not in right)
        wrong = right.replace(name, other, 1)
        found += [(example.question, example.passages, text) for text in (right, wrong)]
    return found


def test_words_are_marked_that_the_sources_do_not_make_likelier(demo_reader, asked):
    marked = 0
    for question, passages, text in asked:
        task = demo_reader.task(question, passages, text)
        beside, without = hidden_behind_sources(task, task.sources)
        spans = task.answer.attribution.token_spans
        answer = with_ungrounded_words(task)
        for statement in answer.statements:
            expected = []
            for found in re.finditer(r"\d+(?:[.,:/]\d+)*\w*|\w+(?:[-'’]\w+)*", statement.text):
                start, end = (statement.start + place for place in found.span())
                own = [i for i, (a, b) in enumerate(spans) if max(a, start) < min(b, end)]
                least = 0 if is_detail(text, start, end) else LIKELIER
                unlikely = bool((beside[own] <= UNLIKELY).any())
                if unlikely and bool((without[own] - beside[own] > least).any()):
                    expected.append((start, end))
            judged = statement.supported is False
            assert statement.ungrounded == (() if judged else tuple(expected))
            marked += len(statement.ungrounded)
    assert marked


@pytest.mark.parametrize(
    ("text", "details"),
    [
        ("In 1889 the Eiffel Tower stood, 1,024.5 steps.", ["1889", "Eiffel", "Tower", "1,024.5"]),
        ('Yes. He said: "Reed was here" (Brel too).', ["Brel"]),
        ("- Anna\n- B2 is I.\n**Rome** and **Oslo**", ["B2", "Oslo"]),
    ],
)
def test_details_are_numbers_and_names_within_sentences(text, details):
    words = re.finditer(r"\d[\d.,]*\d|\w+", text)
    assert [w.group() for w in words if is_detail(text, *w.span())] == details


def test_every_way_to_an_answer_finds_the_same(demo_reader, asked):
    alone = [demo_reader.attribute(*each, groundedness=True) for each in asked]
    together = demo_reader.attribute_batch(asked, groundedness=True)
    for one, other in zip(together, alone, strict=True):
        check_same(one.to_dict(), other.to_dict())
    question, passages, _ = asked[0]
    answer = demo_reader.answer(question, passages, groundedness=True)
    *_, last = demo_reader.stream(question, passages, groundedness=True)
    assert last == answer
    assert all(statement.ungrounded is not None for statement in answer.statements)
    proven = demo_reader.attribute(*asked[1], groundedness=True, prove=2)
    assert [s.ungrounded for s in proven.statements] == [s.ungrounded for s in alone[1].statements]
    assert any(c.effect is not None for c in proven.citations)


def test_nobody_looks_unless_told(demo_reader, asked):
    answer = demo_reader.attribute(*asked[1])
    assert all(statement.ungrounded is None for statement in answer.statements)
    looked = demo_reader.attribute(*asked[1], groundedness=True)
    for each in (answer, looked):
        assert Answer.from_dict(json.loads(json.dumps(each.to_dict()))) == each
    [refusal] = demo_reader.attribute(*asked[1][:2], "I don't know.", groundedness=True).statements
    assert refusal.ungrounded == ()


def test_it_is_told_wherever_an_answer_is_shown(demo_reader, asked):
    found = (demo_reader.attribute(*each, groundedness=True) for each in asked)
    answer = next(a for a in found if any(s.ungrounded for s in a.statements))
    [word, *_] = next(s for s in answer.statements if s.ungrounded).ungrounded_words
    assert f"Ungrounded in the passages: “{word}”" in str(answer)
    page = answer.to_html()
    assert f"ungrounded: <bdi>{word}</bdi>" in page
    marked = re.findall(r'class="[^"]*\bungrounded\b[^"]*"[^>]*>([^<]*)<', page)
    assert word in "".join(marked)
    unmarked = demo_reader.attribute(answer.question, answer.passages, answer.text).to_html()
    assert "ungrounded: <bdi>" not in unmarked
    assert not re.search(r'class="[^"]*\bungrounded\b', unmarked)
