"""What a terminal shows: answers as they are made, whole words, links, a chat that is stopped."""

import json
import os
import re
import sys

import pytest
from support.places import LLAMA
from support.terminals import Terminal, screen_lines

from at2_rag.cli.marker import Marker
from at2_rag.cli.render import marked_answer, references
from at2_rag.worlds import generate_examples

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")


@pytest.fixture(scope="module")
def world():
    return next(generate_examples(5, 6, hops=2))


@pytest.fixture(scope="module")
def file(world, tmp_path_factory):
    path = tmp_path_factory.mktemp("world") / "passages.jsonl"
    lines = (json.dumps({"text": p.text, "title": p.title}) for p in world.passages)
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def reader():
    from at2_rag import Reader

    return Reader.demo()


def without_space(text):
    return "".join(text.split())


def test_the_terminal_has_the_same_words_as_a_pipe_and_links_to_files(reader, world, file):
    terminal = Terminal("ask", world.question, "-p", str(file))
    assert terminal.end() == 0
    lines = screen_lines(terminal.output)
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].startswith("note: no --model was given")
    shown = without_space("".join(lines))
    answer = reader.answer(world.question, world.passages)
    assert answer.citations
    assert without_space(marked_answer(answer).plain) in shown
    for line in references(answer).plain.splitlines():
        assert without_space(line).rstrip(")") in shown
    assert f";file://{os.path.abspath(file)}\x1b\\" in terminal.output
    assert terminal.output.index("answering from 6 passages") < terminal.output.index("[1]")
    # The notes are wrapped at words: none of their lines ends within one.
    note = " ".join(lines[: next(i for i, line in enumerate(lines) if "scored by" in line)])
    assert "which knows a made-up world and nothing else. Name a real one:" in note


def is_stopped(chat, question):
    """Ask, and press Ctrl-C; false where the answer was whole before the key was seen."""
    chat.type(f"{question}\n")
    chat.wait_for("answering from 1 passage")
    chat.type("\x03")
    chat.wait_for("> ")
    return "note: \x1b[0mstopped; Ctrl-D ends" in chat.output


def test_a_chat_is_stopped_by_ctrl_c_and_ended_by_ctrl_d(world, file):
    # It writes nonsense, and as much of it as it may.
    options = ("-m", str(LLAMA / "model"), "--estimator", "average", "--max-new-tokens", "1500")
    chat = Terminal("chat", "-p", str(file), "--max-passages", "1", *options)
    chat.wait_for("> ")
    assert any(is_stopped(chat, world.question) for _ in range(5))
    chat.press_until("\x03", "> ")
    chat.type("\x04")
    assert chat.end() == 0
    assert "Traceback" not in chat.output


def test_a_streamed_answer_is_the_whole_one_with_its_marks_in_place(reader, world):
    marker, shown, answer = Marker(), "", None
    for event in reader.stream(world.question, world.passages):
        if type(event).__name__ == "Answer":
            answer = event
        else:
            shown += marker.add(event).plain
    shown += marker.finish().plain
    assert re.search(r"\[1\].+\[\d\]", shown)
    assert shown == marked_answer(answer).plain
