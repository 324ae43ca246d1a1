"""Citations that are asked for in the prompt: marks in texts, and whom they belong to."""

import pytest
from at2_rag import Passage
from at2_rag.errors import InputError
from hypothesis import given
from hypothesis import strategies as st
from support.runs import records_of, results_of, table_of

from at2_rag_experiments import run_experiment
from at2_rag_experiments.prompted.experiment import PromptedCitations, PromptedCitationsConfig
from at2_rag_experiments.prompted.marks import Mark, by_statement, numbered, without_marks
from at2_rag_experiments.prompted.results import summarize


def test_marks_are_taken_out_of_a_text():
    text, marks = without_marks("Mills grind [2]. They turn.[1][3] So [1, 2] it is.")
    assert text == "Mills grind. They turn. So it is."
    assert marks == [Mark(11, 2), Mark(23, 1), Mark(23, 3), Mark(26, 1), Mark(26, 2)]
    assert by_statement(marks, [(0, 12), (13, 23), (24, 33)]) == [[2], [1, 3], [1, 2]]


def test_a_mark_before_all_belongs_to_the_first_statement():
    text, marks = without_marks("[4] Mills grind. They turn.")
    assert text == "Mills grind. They turn."
    assert by_statement(marks, [(0, 12), (13, 23)]) == [[4], []]


@given(
    st.lists(
        st.tuples(
            st.text("ab .", min_size=1, max_size=5), st.lists(st.integers(0, 99), max_size=3)
        ),
        max_size=6,
    )
)
def test_all_that_is_no_mark_stays(pieces):
    marked = "".join(text + "".join(f"[{n}]" for n in numbers) for text, numbers in pieces)
    text, marks = without_marks(marked)
    assert text.replace(" ", "") == "".join(t for t, _ in pieces).replace(" ", "")
    assert [mark.number for mark in marks] == [n for _, numbers in pieces for n in numbers]
    assert all(0 <= mark.place <= len(text) + 5 for mark in marks)


def test_passages_are_numbered_as_the_prompt_tells():
    found = numbered([Passage("A town.", title="Pulpe"), Passage("Nengos is mayor.")])
    assert [passage.text for passage in found] == ["[1] Pulpe: A town.", "[2] Nengos is mayor."]


@pytest.fixture(scope="module")
def run(demo_reader, tmp_path_factory):
    """Two questions to a reader that was never taught to cite."""
    folder = tmp_path_factory.mktemp("run")
    told = PromptedCitationsConfig(examples=2, passages=4, max_new_tokens=32)
    run_experiment(PromptedCitations(told), demo_reader, folder)
    return folder


def test_the_reader_cites_where_the_model_does_not(run):
    results = results_of(run)
    asked, own = results["kinds"]
    assert asked["citations"] == results["marks"] == 0
    assert own["citations"] > 0
    assert own["precision"]["mean"] >= 0.5
    assert "asked for in the prompt" in table_of(run)
    assert (run / "figure.png").stat().st_size > 5_000


def test_marks_count_as_what_they_name(run):
    record = records_of(run)[0]
    gold = record["gold"].index(True)
    marked = [[gold + 1, 99] for _ in record["marked"]]
    found = summarize([{**record, "marked": marked}])
    asked = found.kinds[0]
    assert found.impossible == len(marked)
    assert asked.citations == len(marked)
    assert asked.in_gold.mean == 1.0
    assert asked.cites.mean == 1.0


def test_nothing_measured_is_nothing_found():
    assert summarize([{"text": ""}]) is None
    with pytest.raises(InputError, match="None of the 1 questions"):
        PromptedCitations().report([{"text": ""}])
