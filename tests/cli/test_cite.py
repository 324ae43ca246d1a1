"""``at2-rag cite``: an answer from anywhere, cited as the reader itself would."""

import json
import re

import pytest
from support.places import LLAMA
from typer.testing import CliRunner

from at2_rag import FROM_PASSAGES, Answer, PromptTemplate, Reader
from at2_rag.cli.app import app
from at2_rag.documents.files import read_passages

MODEL = str(LLAMA / "model")
QUESTION = "Who built the mill?"
ANSWER = "Anna Reed built it. It has two wheels.\n\n- Nobody knows why.\n"
NOTES = "# Mill\n\nThe mill was built by Anna Reed.\nIt has two wheels.\n"


@pytest.fixture
def place(tmp_path):
    """A folder with notes and an answer."""
    (tmp_path / "notes.md").write_text(NOTES, encoding="utf-8")
    (tmp_path / "answer.txt").write_text(f"\ufeff{ANSWER}", encoding="utf-8")
    return tmp_path


def cite(*args, given=None):
    arguments = ["cite", "-m", MODEL, "--estimator", "average", *map(str, args)]
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, arguments, input=given)


def test_it_is_what_the_reader_finds_from_a_file_or_standard_input(place):
    options = ("-q", QUESTION, "-p", place / "notes.md", "--json", "--scores")
    file = cite(*options, "--answer", place / "answer.txt")
    assert file.exit_code == 0
    told, guess = file.stderr.splitlines()
    assert told == "note: scored by: average attention"
    assert guess.startswith("note: Supported: unknown. ")
    piped = cite(*options, "--answer", "-", given=ANSWER)
    assert json.loads(piped.stdout) == json.loads(file.stdout)
    found = Answer.from_dict(json.loads(file.stdout))
    reader = Reader.from_pretrained(MODEL, "average")
    assert found == reader.attribute(QUESTION, found.passages, ANSWER)
    assert [passage.id for passage in found.passages] == ["notes.md#1"]


def test_the_marked_answer_and_its_references_are_shown(place):
    options = ("-q", QUESTION, place / "notes.md", "-a", place / "answer.txt", "--verify")
    shown, found = cite(*options).stdout, json.loads(cite(*options, "--json").stdout)
    assert shown.startswith(f"{found['marked_text']}\n\n[1] Mill: ")
    assert found["citations"]
    for citation in found["citations"]:
        assert f"{citation['file']}:{citation['line']})\n" in shown
        line = NOTES.splitlines()[citation["line"] - 1]
        assert citation["text"].split("\n")[0].split(".")[0] in line
    assert shown.count("likely without [") >= len(found["verification"]["statements"])


def test_a_prompt_is_the_readers(place):
    options = ("-q", QUESTION, "-p", place / "notes.md", "--answer", place / "answer.txt")
    result = cite(*options, "--json", "--prompt", "from-passages")
    told = json.loads(result.stdout)["settings"]["prompt"]
    assert PromptTemplate(**told) == FROM_PASSAGES
    refused = cite(*options, "--prompt", "paper")
    assert refused.exit_code == 2
    assert "prompt is 'paper'" in refused.stderr


def test_sentences_are_those_of_the_language(place, nltk_data):
    (place / "answer.txt").write_text("Heute bzw. Morgen geht es.", encoding="utf-8")
    options = ("-q", QUESTION, "-p", place / "notes.md", "--answer", place / "answer.txt", "--json")
    german, english = (json.loads(cite(*options, *more).stdout)
                       for more in (("--language", "german"), ()))  # fmt: skip
    assert [len(told["statements"]) for told in (german, english)] == [1, 2]
    refused = cite(*options, "--language", "klingon")
    assert refused.exit_code == 2
    said = " ".join(refused.stderr.replace("│", " ").split())
    assert "language='klingon'; expected one of english, german" in said


def test_what_is_too_long_for_the_demo_reader_is_told_with_its_name(place):
    (place / "long.txt").write_text("It rained. " * 20_000, encoding="utf-8")
    arguments = ["cite", "-q", QUESTION, "-p", place / "notes.md", "--answer", place / "long.txt"]
    for model, told in (([], True), (["-m", "demo"], False)):
        result = CliRunner().invoke(app, list(map(str, [*arguments, *model])))
        said = " ".join(result.stderr.split())
        assert "tokens too long" in said
        assert ("No --model was given, so that is the context of the tiny" in said) == told


def test_it_is_written_as_a_page(place):
    page = place / "page.html"
    options = ("-q", QUESTION, "-p", place / "notes.md", "-a", place / "answer.txt")
    done = cite(*options, "--html", page)
    assert done.exit_code == 0
    assert f"wrote {page}" in " ".join(done.stderr.split())
    assert "Anna Reed built it." in re.sub("<[^>]*>", "", page.read_text(encoding="utf-8"))
    refused = cite(*options, "--html", place)
    assert refused.exit_code == 2
    assert "cannot be written" in refused.stderr


def test_passages_are_narrowed_by_question_and_answer(place):
    for name in ("one", "two", "three"):
        (place / f"{name}.md").write_text(f"Of {name} there is little to say.", encoding="utf-8")
    options = ("-q", "What?", "-p", place, "--max-passages", "1", "--json", "-a", "-")
    result = cite(*options, given="Two said so.")
    assert "kept the 1 best by BM25 of question and answer" in result.stderr
    assert json.loads(result.stdout)["passages"][0]["text"].startswith("Of two")


@pytest.mark.parametrize(
    ("arguments", "given", "message"),
    [
        ((), None, "No answer; expected --answer with a text file, or - for standard input."),
        (("-a", "-"), "It.", "No question; expected --question"),
        (("-a", "-", "-q", " "), "It.", "The question is empty"),
        (("-a", "-", "-q", "Who?"), "It.", "No passages; expected --passages"),
        (("-a", "-", "-q", "Who?", "{notes}"), " \n", "--answer standard input: there is nothing"),
        (("-a", "-", "-q", "Who?", "{notes}"), b"a\n\xe9", "--answer standard input: line 2 is"),
        (("-a", "gone.txt", "-q", "Who?", "{notes}"), None, "--answer gone.txt: cannot be read: "),
        (
            ("-a", "It is so.", "-q", "Who?", "{notes}"),
            None,
            "--answer It is so.: cannot be read: ",
        ),
        (("-a", "{folder}", "-q", "Who?", "{notes}"), None, "--answer {folder}: cannot be read: "),
    ],
)
def test_what_is_missing_is_told_before_a_model_is_loaded(place, arguments, given, message):
    names = {"notes": place / "notes.md", "folder": place}
    arguments = [argument.format(**names) for argument in arguments]
    result = CliRunner().invoke(app, ["cite", "-m", "./gone", *arguments], input=given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {message.format(**names)}")
    if "cannot be read" in message:
        assert "pipe it: echo TEXT | at2-rag cite --answer -" in result.stderr


def test_words_that_are_from_no_passage_are_told(place):
    options = ("-q", QUESTION, "-p", place / "notes.md", "--answer", place / "answer.txt", "--json")
    plain, looked = (json.loads(cite(*options, *more).stdout) for more in ((), ("--groundedness",)))
    reader = Reader.from_pretrained(MODEL, "average")
    found = reader.attribute(
        QUESTION, read_passages([place / "notes.md"]), looked["text"], groundedness=True
    )
    assert [each["ungrounded"] for each in looked["statements"]] == [
        [list(span) for span in each.ungrounded] for each in found.statements
    ]
    assert all(each["ungrounded"] is None for each in plain["statements"])


def test_how_to_prove_needs_how_many_to_prove(place):
    options = ("-q", QUESTION, "-p", place / "notes.md", "--answer", place / "answer.txt")
    refused = cite(*options, "--prove-by", "knockout")
    assert refused.exit_code == 2
    assert "expected both, such as --prove 3 --prove-by knockout" in refused.stderr
    assert cite(*options, "--prove", "2", "--prove-by", "knockout").exit_code == 0


def test_it_is_told_what_cites(place):
    options = ("-q", QUESTION, "-p", place / "notes.md", "--answer", place / "answer.txt", "--json")
    by_gradient = cite(*options, "--score-by", "gradient")
    assert json.loads(by_gradient.stdout)["estimator"] == "knockout-gradient"
    assert "note: cited by: what each statement owes to each source" in by_gradient.stderr
    assert "cited by" not in cite(*options).stderr
