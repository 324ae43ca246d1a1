"""Statements that lean on earlier ones, and inherit what these cite."""

import json
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.leaning import CALIBRATION, SOURCES, TEXT

from at2_rag import Answer, Passage, Reader, ScoreEstimator
from at2_rag.answer.attribution import Attribution
from at2_rag.answer.citing import cite
from at2_rag.documents.sources import Source
from at2_rag.prompt.settings import Settings
from at2_rag.worlds import generate_examples

PASSAGES = [Passage("One. Two."), Passage("Three.")]


def attribution(scores, leans):
    """One token per statement; leans[i][j]: how much statement i leans on statement j."""
    return Attribution(
        SOURCES,
        torch.tensor(scores).T.float(),
        torch.zeros(2, 3),
        ((0, 3), (4, 7), (8, 11)),
        len(TEXT),
        ((0, 3), (4, 7), (8, 11)),
        torch.tensor(leans).T.float(),
        torch.zeros(0, 3),
    )


NONE = [[0, 0, 0]] * 3


def numbers(statements):
    return [[(c.number, c.via) for c in s.citations] for s in statements]


def test_a_statement_that_leans_on_another_inherits_its_citations():
    found = attribution([[1, 0, 0], [0, 0, 2], [0, 0, 0]], [[0, 0, 0], [0, 0, 0], [0.9, 0.8, 0]])
    statements = cite(TEXT, found, PASSAGES, Settings(), CALIBRATION).statements
    assert numbers(statements) == [[(1, None)], [(2, None)], [(1, 0), (2, 1)]]
    assert [s.supported for s in statements] == [True, True, True]
    inherited = statements[2].citations[0]
    assert (inherited.start, inherited.end) == (8, 11)
    assert inherited.score == pytest.approx(0.9)
    assert inherited.text == "One."


def test_a_refusal_cites_nothing_and_lends_no_support():
    found = attribution([[1, 0, 0], [1, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0], [0.9, 0, 0]])
    settings = Settings(refusals=(TEXT[0:3],))
    refusal, statement, leaning = cite(TEXT, found, PASSAGES, settings, CALIBRATION).statements
    assert (refusal.refusal, refusal.citations, refusal.supported) == (True, (), None)
    assert not statement.refusal
    assert statement.citations
    assert (leaning.citations, leaning.supported) == ((), False)


def test_inheriting_goes_on_and_never_doubles():
    found = attribution([[1, 0, 0], [1, 0, 1], [0, 0, 1]], [[0, 0, 0], [0.9, 0, 0], [0, 0.9, 0]])
    statements = cite(TEXT, found, PASSAGES, Settings(), CALIBRATION).statements
    assert numbers(statements) == [[(1, None)], [(1, None), (2, None)], [(2, None), (1, 1)]]


def test_what_is_not_supported_lends_no_support():
    found = attribution(NONE, [[0, 0, 0], [0.9, 0, 0], [0, 0.9, 0]])
    statements = cite(TEXT, found, PASSAGES, Settings(), CALIBRATION).statements
    assert numbers(statements) == [[], [], []]
    assert [s.supported for s in statements] == [False, False, False]


def test_off_for_the_papers_own_behaviour():
    found = attribution([[1, 0, 0], [0, 0, 0], [0, 0, 0]], [[0, 0, 0], [0.9, 0, 0], [0.9, 0, 0]])
    statements = cite(TEXT, found, PASSAGES, Settings(transitive=False), CALIBRATION).statements
    assert numbers(statements) == [[(1, None)], [], []]
    assert [s.supported for s in statements] == [True, False, False]


def test_at_most_so_many_citations_with_those_inherited():
    found = attribution([[1, 0.9, 0], [0, 0, 1], [0, 0, 0]], [[0, 0, 0], [0.9, 0, 0], [0, 0, 0]])
    statements = cite(TEXT, found, PASSAGES, Settings(max_citations=2), CALIBRATION).statements
    assert numbers(statements)[1] == [(3, None), (1, 0)]


def test_a_supported_statement_cites_its_strongest_source():
    """Where no single source is missed, as when two say the same, they are missed together."""
    careful = replace(CALIBRATION, citations=replace(CALIBRATION.citations, threshold=2.0))
    found = attribution([[0.7, 0.6, 0.0], [3.0, 2.5, 0.0], [0.4, 0, 0]], NONE)
    statements = cite(TEXT, found, PASSAGES, Settings(), careful).statements
    assert numbers(statements) == [[(1, None)], [(1, None), (2, None)], []]
    assert [s.supported for s in statements] == [True, True, False]


def test_the_threshold_decides_and_not_a_share_of_the_best():
    found = attribution([[9, 0.6, 0.4], [0.4, 0, 0], [0, 0, 0]], NONE)
    statements = cite(TEXT, found, PASSAGES, Settings(), CALIBRATION).statements
    assert numbers(statements) == [[(1, None), (2, None)], [], []]
    assert [s.supported for s in statements] == [True, False, False]


@given(
    st.lists(st.lists(st.floats(0, 2), min_size=3, max_size=3), min_size=3, max_size=3),
    st.lists(st.floats(0.01, 1), min_size=1, max_size=4),
)
def test_what_is_shared_out_among_copies_is_cited_as_before(scores, shares):
    """However it is shared out: the same citations of the same texts, which tell their copies."""
    parts = [share / sum(shares) for share in shares]
    once = attribution(scores, NONE)
    table = torch.cat([once.scores * part for part in parts])
    count = len(PASSAGES)
    sources = [
        replace(source, passage_index=source.passage_index + copy * count)
        for copy in range(len(parts))
        for source in SOURCES
    ]
    many = replace(once, sources=tuple(sources), scores=table)
    for known in (CALIBRATION, None):
        before = cite(TEXT, once, PASSAGES, Settings(), known).statements
        after = cite(TEXT, many, PASSAGES * len(parts), Settings(), known).statements
        margin = [s for row in scores for s in row if abs(s - 0.5) < 1e-5 or s < 1e-5]
        if margin or known is None:
            continue  # rounding decides
        assert [s.supported for s in before] == [s.supported for s in after]
        for one, other in zip(before, after, strict=True):
            assert {c.text for c in one.citations} == {c.text for c in other.citations}
            assert {c.passage_index for c in other.citations} <= {0, 1}
            assert all(len(c.also_in) == len(parts) - 1 for c in other.citations)
            assert all(copy.text == c.text for c in other.citations for copy in c.also_in)


def test_what_compares_words_has_the_same_scores_with_copies():
    double = [*SOURCES, *(replace(s, passage_index=s.passage_index + 2) for s in SOURCES)]
    once = attribution([[1.0, 0.6, 0.1]] * 3, NONE)
    twice = replace(once, sources=tuple(double), scores=torch.cat([once.scores, once.scores]))
    found = cite(TEXT, twice, PASSAGES * 2, Settings(), shared=False).statements
    for statement in found:
        assert [c.score for c in statement.citations] == [pytest.approx(1.0), pytest.approx(0.6)]


@pytest.fixture(scope="module")
def answered(demo_reader):
    example = next(generate_examples(11, 8, 2))
    return demo_reader, example, demo_reader.answer(example.question, example.passages)


def test_final_answers_go_back_to_passages(answered):
    """What only repeats an earlier statement is explained by no source, but by that statement."""
    reader, example, answer = answered
    last = answer.statements[-1]
    assert last.text.startswith("Final answer:")
    assert last.supported
    assert last.citations
    assert all(c.via is not None for c in last.citations)
    plain = reader.answer(example.question, example.passages, transitive=False)
    assert plain.text == answer.text
    assert not plain.statements[-1].citations
    assert not plain.statements[-1].supported


def test_copies_are_told_left_out_together_and_kept_in_json(answered):
    reader, example, answer = answered
    copied = [*example.passages, *example.passages]
    twice = reader.attribute(example.question, copied, answer.text, transitive=False)
    assert Answer.from_dict(json.loads(json.dumps(twice.to_dict()))) == twice
    found = [c for s in twice.statements for c in s.citations]
    assert found
    scores = {s.place: i for i, s in enumerate(twice.attribution.sources)}
    for citation in found:
        [copy] = citation.also_in
        assert copy.text == citation.text
        assert copy.passage_index == citation.passage_index + len(example.passages)
        parts = twice.attribution.for_span(citation.start, citation.end)
        both = parts[scores[citation.place]] + parts[scores[copy.place]]
        assert citation.score == pytest.approx(float(both), rel=1e-5)
        assert f"also in passage {copy.passage_index + 1}" in str(twice)
    alone = [replace(s, citations=tuple(replace(c, also_in=()) for c in s.citations))
             for s in twice.statements]  # fmt: skip
    both, one = (reader.verify(each) for each in (twice, replace(twice, statements=tuple(alone))))
    assert both.statements[0].together.drop > one.statements[0].together.drop


def test_inherited_citations_can_be_proven(answered):
    """A source is left out together with the statements that repeat it: then it is missed."""
    reader, _, answer = answered
    verified = reader.verify(answer).statements[-1]
    assert verified.together is not None
    assert verified.together.factor > 2
    task = reader.task(answer.question, answer.passages, answer.text)
    index = {s: i for i, s in enumerate(task.answer.attribution.sources)}
    citation = answer.statements[-1].citations[0]
    place = Source(
        citation.passage_index, citation.source_start, citation.source_end, citation.text
    )
    masks = torch.ones(2, len(task.sources), dtype=torch.bool)
    masks[1, index[place]] = False
    log_p = task.ablator().ablate(masks).log_probability(*task.targets[-1])
    assert abs(float(log_p[0] - log_p[1])) < math.log(2)  # the source alone is not missed
    assert verified.alone[0].drop > math.log(2)


def test_the_demo_reader_without_thresholds_inherits_nothing(answered):
    reader, example, _ = answered
    average = Reader(reader.model, reader.tokenizer, ScoreEstimator.uniform(reader.model))
    answer = average.answer(example.question, example.passages)
    assert all(c.via is None for s in answer.statements for c in s.citations)
