"""Ungrounded words, against passes that are masked by hand."""

import json
import re

import pytest
from support.by_hand import hidden_behind_sources
from support.comparing import check_same

from at2_rag import Answer, InputError
from at2_rag.ablation.groundedness import (
    LIKELIER,
    UNLIKELY,
    is_detail,
    tells_names,
    with_ungrounded_words,
    words,
)
from at2_rag.worlds import generate_examples


@pytest.fixture(scope="module")
def asked():
    """Questions about made-up worlds, with right answers and ones that name somebody else."""
    found = []
    for seed in range(6):
        example = next(generate_examples(seed, 3, hops=1))
        told = " ".join(passage.text for passage in example.passages)
        names = sorted(set(re.findall(r"[A-Z][a-z]{3,}", told)))
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
            for start, end in words(text):
                if not (statement.start <= start and end <= statement.end):
                    continue
                own = [i for i, (a, b) in enumerate(spans) if max(a, start) < min(b, end)]
                least = 0 if is_detail(text, start, end) else LIKELIER
                unlikely = bool((beside[own] <= UNLIKELY).any())
                if unlikely and bool((without[own] - beside[own] > least).any()):
                    expected.append((start, end))
            looked = statement.supported is not False
            assert statement.ungrounded == (tuple(expected) if looked else None)
            marked += len(expected) if looked else 0
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
    found = [span for span in words(text) if is_detail(text, *span)]
    assert [text[start:end] for start, end in found] == details


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It was 1,024.5 m on 12.05.1907, at 2:30.", "It was 1,024.5 m on 12.05.1907 at 2:30"),
        ("mill-v2.3.1 isn't O’Brien's.", "mill-v2.3.1 isn't O’Brien's"),
        ("大桥耗资48500元，于1907年开通。", "48500 1907"),
        ("สร้างในปี 1823 และ", "1823"),
        ("Ju\u0308rgen Größler ging.", "Ju\u0308rgen Größler ging"),
        ("पुल १२ में बना।", "पुल १२ में बना"),
    ],
)
def test_words_are_whole_and_without_spaces_between_them_numbers_alone(text, expected):
    assert " ".join(text[start:end] for start, end in words(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Der Chef der Firma heißt Karl Baum. Er wohnt in Bonn.", False),
        ("The Eiffel Tower in Paris was built by Gustave Eiffel.", True),
        ("Die Hard is a film, which four others followed over the years.", True),
        ("Le moulin fut bâti par Anne Martin à Lyon.", True),
        ("", True),
    ],
)
def test_in_german_a_capital_tells_no_name(text, expected):
    """Every noun has one, and who says in other words what a passage says takes other nouns."""
    assert tells_names(text + " 1907." * 3) == expected
    assert not is_detail("Wer Leiter ist", 4, 10, names=False)


def test_every_way_to_an_answer_finds_the_same(demo_reader, asked):
    alone = [demo_reader.attribute(*each, groundedness=True) for each in asked]
    together = demo_reader.attribute_batch(asked, groundedness=True)
    for one, other in zip(together, alone, strict=True):
        check_same(one.to_dict(), other.to_dict())
    question, passages, _ = asked[0]
    answer = demo_reader.answer(question, passages, groundedness=True)
    *_, last = demo_reader.stream(question, passages, groundedness=True)
    assert last == answer
    for statement in answer.statements:
        assert (statement.ungrounded is None) == (statement.supported is False)
    proven = demo_reader.attribute(*asked[1], groundedness=True, prove=2)
    assert [s.ungrounded for s in proven.statements] == [s.ungrounded for s in alone[1].statements]
    assert any(c.effect is not None for c in proven.citations)


@pytest.mark.parametrize("value", ["no", 1, None])
@pytest.mark.parametrize("name", ["groundedness", "transitive"])
def test_yes_and_no_are_no_words(demo_reader, asked, name, value):
    with pytest.raises(InputError, match=rf"{name} is {value!r}; expected True or False"):
        demo_reader.attribute(*asked[1], **{name: value})


def test_nobody_looks_unless_told(demo_reader, asked):
    answer = demo_reader.attribute(*asked[1])
    assert all(statement.ungrounded is None for statement in answer.statements)
    looked = demo_reader.attribute(*asked[1], groundedness=True)
    for each in (answer, looked):
        assert Answer.from_dict(json.loads(json.dumps(each.to_dict()))) == each
    refused = demo_reader.attribute(*asked[1][:2], "I don't know.", groundedness=True)
    assert [statement.ungrounded for statement in refused.statements] == [None]


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
