"""What all experiments measure with: means, methods by name, first sources, final answers."""

import pytest
from at2_rag.evaluation import Estimate
from at2_rag.evaluation.results import Comparison, MeasuredTarget, Measurement, Timing
from at2_rag.worlds import generate_examples
from hypothesis import given
from hypothesis import strategies as st

from at2_rag_experiments.estimates import mean_of, mean_over
from at2_rag_experiments.measuring import in_short, share_of_firsts
from at2_rag_experiments.methods import SHIPPED, methods_beside, methods_of
from at2_rag_experiments.short_answers import final_answer
from at2_rag_experiments.stated import sources_by_sentence


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=9))
def test_values_of_examples_of_their_own_are_independent(values):
    found = mean_of(values)
    assert found == mean_over(enumerate(values))
    # Told twice, each value says nothing new.
    twice = mean_over((example, value) for example, value in enumerate(values) for _ in range(2))
    assert twice.mean == pytest.approx(found.mean)
    assert twice.standard_error == pytest.approx(found.standard_error, abs=1e-9)


def test_of_nothing_there_is_no_mean():
    assert mean_of([]) == mean_over([]) == Estimate(None, None, 0)
    assert mean_of([True, False]).mean == 0.5


@pytest.fixture
def comparison():
    """Two methods on three targets of two examples, of which the last depends on no source."""
    dependent = {(0, 0): True, (0, 1): True, (1, 0): False}
    targets = tuple(
        MeasuredTarget(*place, "It is.", -1.0, 2.0, d) for place, d in dependent.items()
    )
    firsts = {"a": (2, 5, 5), "b": (3, 2, 2)}
    measurements = tuple(
        Measurement(name, *place, 0.5, (1.0,), first)
        for name, found in firsts.items()
        for place, first in zip(dependent, found, strict=True)
    )
    timings = tuple(Timing(name, e, 1.0, 1.0, 1.0) for name in firsts for e in (0, 1))
    return Comparison(tuple(firsts), (1,), 8, 0.7, 0, 0, targets, measurements, timings)


def test_first_sources_are_looked_at_where_statements_depend_on_them(comparison):
    found = share_of_firsts(comparison, lambda m: m.first == 2)
    assert {name: (e.mean, e.count) for name, e in found.items()} == {"a": (0.5, 2), "b": (0.5, 2)}
    known = share_of_firsts(comparison, lambda m: None if m.target == 0 else m.first == 2)
    assert {name: (e.mean, e.count) for name, e in known.items()} == {"a": (0.0, 1), "b": (1.0, 1)}
    short = in_short(comparison)
    assert (short["examples"], short["statements"], short["dependent"]) == (2, 3, 2)
    assert [summary["method"] for summary in short["methods"]] == ["a", "b"]


def test_methods_that_a_reader_has_no_estimator_for_are_left_out(demo_reader, plain_reader):
    names = ("random", "at2", "leave-one-out")
    learned = {"new": demo_reader.estimator}

    def beside(reader, unit):
        return [method.name for method in methods_beside(reader, learned, names[::2], unit, 0)]

    assert [method.name for method in methods_of(demo_reader, names, 0)] == list(names)
    assert [method.name for method in methods_of(plain_reader, names, 0)] == list(names[::2])
    assert beside(demo_reader, "sentence") == ["random", "leave-one-out", "new", SHIPPED]
    # With tokens it would take as many passes as there are tokens.
    assert beside(demo_reader, "token") == ["random", "new", SHIPPED]
    assert beside(plain_reader, "token") == ["random", "new"]


def test_all_counts_where_nothing_marks_the_final_answer():
    assert final_answer("She sings. Final answer: Nengos") == "Nengos"
    assert final_answer("Nengos") == "Nengos"


def test_sentences_are_found_by_passage_and_place(demo_reader):
    world = next(generate_examples(5, 3, 2))
    task = demo_reader.task(world.question, world.passages, world.answer)
    sources = task.answer.attribution.sources
    found = sources_by_sentence(sources)
    assert sorted(found.values()) == list(range(len(sources)))
    for passage, sentence in world.supporting_sentences:
        text = sources[found[passage, sentence]].text
        assert world.passages[passage].text.split(". ")[sentence].rstrip(".") in text
