"""Questions that a model wrote: what is taken for one, what is dropped, and their files."""

import pytest

from at2_rag import FileFormatError, Passage
from at2_rag.datasets.written import (
    Dropped,
    Written,
    WrittenFiles,
    plain,
    question_in,
    tells_of,
    unfit,
)
from at2_rag.training import read_examples

PASSAGES = (Passage("The mill was built in 1790.", "Mill", "a"), Passage("A bridge.", id="b"))
KEPT = Written(3, "When was the mill built?", ("a",), 1.5, PASSAGES, "In 1790.", 9.25)
DROPPED = Written(4, "Who?", ("b",), 0.5, dropped=Dropped.length)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("When was it built?", "When was it built?"),
        ('\n "When was  it built?" It is asked.', "When was it built?"),
        ("Question: When was it built? Answer: 1790", "When was it built?"),
        ("Q2. When was it built?\nWho?", "When was it built?"),
        ("It was built in 1790.\nWhen was it built?", None),
        ("?", None),
        ("", None),
    ],
)
def test_the_first_question_is_taken_out_of_what_was_written(text, question):
    assert question_in(text) == question


def test_what_a_question_is_dropped_for():
    asked = {plain("When was the mill built?")}
    assert unfit("When?", [0], set()) is Dropped.length
    assert unfit("When " + "or when " * 20 + "was it?", [0], set()) is Dropped.length
    assert unfit("when was the MILL built ?", [0], asked) is Dropped.repeated
    assert unfit("Who directed the song?", [7], asked) is Dropped.lost
    assert unfit("Who directed the song?", [7, 1], asked) is None  # one of two passages is enough


def test_an_answer_has_to_say_what_the_question_does_not():
    assert tells_of("It was built in 1790.", "When was the mill built?", PASSAGES[:1])
    assert not tells_of("The mill was built.", "When was the mill built?", PASSAGES[:1])
    assert not tells_of("It burned in 1802.", "When was the mill built?", PASSAGES[:1])


def test_files_give_back_what_was_added(tmp_path):
    files = WrittenFiles(tmp_path / "new")
    assert files.read() == {}
    files.add(DROPPED)
    files.add(KEPT)
    assert files.read() == {3: KEPT, 4: DROPPED}


def test_what_is_kept_is_read_as_examples(tmp_path):
    WrittenFiles(tmp_path).add(KEPT)
    [example] = read_examples(tmp_path / "questions.jsonl")
    assert example.fingerprint == KEPT.example.fingerprint


def test_without_its_passages_the_others_are_left():
    assert KEPT.without_its_passages.passages == PASSAGES[1:]
    assert KEPT.without_its_passages.answer == KEPT.answer
    assert KEPT.without_its_passages.id != KEPT.example.id


def test_half_a_line_is_written_again(tmp_path):
    files = WrittenFiles(tmp_path)
    files.add(KEPT)
    whole = files.kept.read_bytes()
    files.kept.write_bytes(whole + whole[:40])
    assert files.read() == {3: KEPT}
    files.kept.write_bytes(whole[:40])
    files.add(KEPT)
    assert files.kept.read_bytes() == whole


def test_a_line_that_is_something_else_is_named(tmp_path):
    files = WrittenFiles(tmp_path)
    files.kept.write_text('{"number": 1}\n')
    with pytest.raises(FileFormatError, match=r"questions\.jsonl:1: no written question"):
        files.read()
