"""``at2-rag chat``: one question after the other, over passages that are read once."""

import pytest
from support.places import LLAMA
from typer.testing import CliRunner

from at2_rag import Reader
from at2_rag.cli.app import app
from at2_rag.cli.render import marked_answer
from at2_rag.documents.files import read_passages

MODEL = str(LLAMA / "model")
TEXTS = {
    "mill.md": "# Mill\n\nThe mill was built by Anna Reed. It has two wheels.\n",
    "bridge.md": "# Bridge\n\nThe bridge is older than the mill. Nobody built it.\n",
    "road.md": "# Road\n\nThe road ends at the bridge.\n",
}
FIRST, SECOND = "Who built the mill?", "And when?"


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notes")
    for name, text in TEXTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def reader():
    return Reader.from_pretrained(MODEL, "average", max_new_tokens=8)


@pytest.fixture
def chat(notes):
    """Types lines into a chat, and returns what comes of them."""

    def run(*lines, **options):
        arguments = ["chat", "-p", str(notes), "-m", MODEL, "--estimator", "average"]
        for name, value in {"max-new-tokens": 8, **options}.items():
            arguments += [f"--{name.replace('_', '-')}", str(value)]
        return CliRunner().invoke(app, arguments, input="".join(f"{line}\n" for line in lines))

    return run


def said(answer):
    return {"role": "assistant", "content": answer.text}


def asked(question):
    return {"role": "user", "content": question}


def test_questions_go_back_to_those_before_until_they_are_forgotten(chat, notes, reader):
    passages = read_passages([notes])
    first = reader.answer(FIRST, passages)
    second = reader.answer(SECOND, passages, history=[asked(FIRST), said(first)])
    alone = reader.answer(SECOND, passages)
    result = chat(FIRST, "", SECOND, "/forget", SECOND)
    assert result.exit_code == 0
    shown = result.stdout
    for answer in (first, second, alone):
        _, found, shown = shown.partition(f"{marked_answer(answer).plain}\n")
        assert found  # in this order, for the rest is looked at next
    assert result.stderr.startswith("note: scored by: average attention\nnote: 3 passages read; ")


def test_a_prompt_is_the_readers(chat, notes, reader):
    answer = reader.answer(FIRST, read_passages([notes]), prompt="from-passages")
    assert answer.text != reader.answer(FIRST, read_passages([notes])).text
    result = chat(FIRST, prompt="from-passages")
    assert f"{marked_answer(answer).plain}\n" in result.stdout


def test_the_last_answer_is_pruned_and_proven_without_asking_again(chat, notes, reader):
    passages = read_passages([notes])
    first = reader.answer(FIRST, passages)
    used = sorted(index for index, _ in first.ranked_passages[:2])
    pruned = reader.answer(FIRST, [passages[index] for index in used])
    later = reader.answer(SECOND, passages, history=[asked(FIRST), said(pruned)])
    proven = reader.attribute(FIRST, pruned.passages, pruned.text, prove=2)
    result = chat(FIRST, "/prune 2", "/prove 2", SECOND)
    assert result.exit_code == 0
    for answer in (first, pruned, proven, later):
        assert f"{marked_answer(answer).plain}\n" in result.stdout
    assert result.stdout.count("likely without it") == len(proven.citations)
    assert "note: answering again from " in result.stderr


def test_sources_are_the_cited_passages_with_what_is_cited(chat, notes, reader):
    first = reader.answer(FIRST, read_passages([notes]))
    shown = chat(FIRST, "/sources").stdout
    for citation in first.citations:
        assert f"{citation.text}[{citation.number}]" in shown.rpartition("\n\n[1] ")[2]
    left = 3 - len({citation.passage_index for citation in first.citations})
    assert f"Read, not cited: {left} passage" in shown


def test_many_passages_are_narrowed_by_the_question_and_the_one_before(chat):
    result = chat("Where does the road end?", "And?", max_passages=1)
    kept = "note: read 3 passages, kept the 1 best by BM25 of this question and the one before"
    assert result.stderr.count(kept) == 2
    assert result.stdout.count("Road: ") >= 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/nonsense", "There is no command /nonsense; expected one of /sources, /prune K, "),
        ("/prune x", "/prune was given 'x'; expected /prune 3."),
        ("/forget 3", "/forget was given '3'; expected /forget."),
        ("/sources", "There is no answer yet; ask a question first."),
        ("/prune 1", "There is no answer yet"),
        ("/prove", "There is no answer yet"),
    ],
)
def test_what_cannot_be_done_is_told_and_the_chat_goes_on(chat, line, message):
    result = chat(line, "/help")
    assert result.exit_code == 1
    assert f"\nerror: {message}" in result.stderr
    assert "/quit     end, as Ctrl-D does" in result.stdout


def test_what_looks_like_a_path_is_a_question(chat):
    result = chat("/etc/fstab says what?")
    assert result.exit_code == 0
    assert result.stdout.strip()


def test_the_oldest_is_forgotten_where_the_context_is_too_short(chat, reader):
    context = reader.model.config.max_position_embeddings
    long = "Who built the mill, and the bridge, and the road, and what else is there? " * 20
    prompt = reader.answer(long, ["The mill."]).prompt_tokens
    questions = [long] * (context // prompt + 2)
    result = chat(*questions, "/quit", "never asked")
    assert result.exit_code == 0
    assert "no longer fit, and are forgotten" in result.stderr
    assert result.stderr.count("error: ") == 0
