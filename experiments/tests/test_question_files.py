"""Files of questions with what is known about their answers, read by every experiment."""

import json

import pytest
from at2_rag import Passage
from at2_rag.errors import FileFormatError, InputError

from at2_rag_experiments import experiment_by_name
from at2_rag_experiments.examples import examples_for
from at2_rag_experiments.question_files import in_drawn_order, is_question_file, read_questions
from at2_rag_experiments.questions import gold_questions

ROW = {
    "id": "q-1",
    "question": "Who is the mayor of Pulpe?",
    "gold_answer": "Nengos",
    "passages": [{"id": "a", "title": "Pulpe", "text": "A town."}, {"text": "Nengos is mayor."}],
    "gold": [[1, 0, 16], [0, 2, 6]],
}


def written(path, *rows):
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def numbered(count):
    return [{**ROW, "id": index, "question": f"Question {index}?"} for index in range(count)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "questions.jsonl"


def test_a_row_is_read_with_the_places_of_its_facts(path):
    (found,) = read_questions(written(path, ROW))
    assert (found.id, found.question, found.answer) == ("q-1", ROW["question"], "Nengos")
    passages = Passage("A town.", title="Pulpe", id="a"), Passage("Nengos is mayor.")
    assert found.passages == passages
    assert found.gold == ((1, 0, 16), (0, 2, 6))
    assert [found.passages[i].text[a:b] for i, a, b in found.gold] == ["Nengos is mayor.", "town"]
    assert found.supporting == (0, 1)
    assert found.retrieval is None


def test_the_places_are_a_part_of_what_a_question_is(path):
    moved = ROW | {"id": "q-2", "gold": [[1, 0, 15], [0, 2, 6]]}
    one, other = read_questions(written(path, ROW, moved))
    assert one.fingerprint != other.fingerprint


def test_the_files_order_is_kept_and_what_cannot_be_compared_is_left_out(path):
    nothing = [ROW | {"id": "empty", "gold": []}, ROW | {"id": "blank", "gold_answer": " "}]
    rows = numbered(3)
    written(path, rows[0], nothing[0], "", rows[1], nothing[1], rows[2])
    assert [question.id for question in read_questions(path)] == ["0", "1", "2"]
    with pytest.raises(InputError, match="no question has a 'gold_answer'"):
        read_questions(written(path, *nothing))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": " "}, "'question' is ' '"),
        ({"gold_answer": None}, "'gold_answer' is null; expected a string"),
        ({"gold": None}, "'gold' is None; expected a list"),
        ({"gold": [[1, 0]]}, r"gold\[0\] is \[1, 0\]; expected"),
        ({"gold": [[1, 0, 4], [True, 0, 4]]}, r"gold\[1\] is \[True, 0, 4\]; expected"),
        ({"gold": [[2, 0, 4]]}, r"gold\[0\] is in passage 2; expected an index below 2"),
        ({"gold": [[-1, 0, 4]]}, r"gold\[0\] is in passage -1"),
        (
            {"gold": [[0, 3, 3]]},
            r"gold\[0\] goes from 3 to 3; expected a part of passage 0, which has 7",
        ),
        ({"gold": [[0, 3, 8]]}, r"gold\[0\] goes from 3 to 8; expected a part"),
    ],
)
def test_a_bad_row_is_told_with_its_line(path, change, message):
    written(path, ROW, "", ROW | {"id": "bad"} | change)
    with pytest.raises(FileFormatError, match=rf"questions\.jsonl:3: {message}"):
        read_questions(path)


def test_a_row_without_an_answer_is_told_with_its_line(path):
    written(path, {key: value for key, value in ROW.items() if key != "gold_answer"})
    with pytest.raises(FileFormatError, match=r"questions\.jsonl:1: 'gold_answer' is missing"):
        read_questions(path)


def test_a_file_that_is_not_there(path):
    with pytest.raises(FileFormatError, match=r"questions\.jsonl: cannot be read"):
        read_questions(path)


def test_a_file_is_told_from_a_data_set():
    assert is_question_file("some/questions.jsonl")
    for data in ("worlds", "hotpot_qa", "hotpot_qa=rows.jsonl", "questions.json"):
        assert not is_question_file(data)


def test_more_questions_of_a_file_begin_with_the_fewer(path):
    data = str(written(path, *numbered(12)))
    assert gold_questions(data, 9, 0)[:4] == gold_questions(data, 4, 0)
    assert gold_questions(data, 9, 0) != gold_questions(data, 9, 1)
    everything = gold_questions(data, 100, 3)
    assert everything == in_drawn_order(read_questions(path), 3)
    assert sorted(everything, key=lambda q: int(q.id)) == read_questions(path)


def test_training_and_measuring_divide_a_file(path):
    data = str(written(path, *numbered(7)))
    training = examples_for("training", data, 100, 0)
    measuring = examples_for("measuring", data, 100, 0)
    assert (len(training), len(measuring)) == (3, 4)
    assert {e.id for e in training} | {e.id for e in measuring} == set(map(str, range(7)))
    assert examples_for("measuring", data, 2, 0) == measuring[:2]
    assert examples_for("measuring", data, 100, 1) != measuring


@pytest.mark.parametrize(
    "name", ["thought-attribution", "hotpot-pruning", "conversation-sources", "sampling"]
)
def test_experiments_ask_what_a_file_holds(path, name):
    data = str(written(path, *numbered(8)))
    items = experiment_by_name(name, data=data, examples=2).items()
    assert len(items) == 2


def test_real_questions_are_read_whole(real_data):
    questions = read_questions(real_data("qa/hotpot_100.jsonl"))
    assert len(questions) == 100
    assert all(len(q.supporting) == 2 for q in questions)
    assert all(q.passages[i].text[a:b].strip() for q in questions for i, a, b in q.gold)
