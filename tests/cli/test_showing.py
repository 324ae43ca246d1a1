"""Thoughts come behind the answer that they led to, which alone is written as it is made."""

from itertools import pairwise

import pytest
from support.terminals import without_escapes

from at2_rag import Reader, ThinkingMarkers
from at2_rag.cli.render import marked_answer, marked_thoughts
from at2_rag.cli.showing import answer_on_screen, counted, show_sources
from at2_rag.cli.streamed import write_as_it_comes
from at2_rag.worlds import generate_examples


@pytest.fixture(scope="module")
def thinker():
    return Reader.demo(thinking=ThinkingMarkers("", " Final answer: "))


@pytest.fixture(scope="module")
def world():
    return next(generate_examples(5, 6, hops=2))


@pytest.mark.parametrize("terminal", [True, False])
def test_the_answer_comes_first_and_thoughts_where_they_are_wanted(
    thinker, world, capsys, monkeypatch, terminal
):
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("NO_COLOR", "1")
    answer = answer_on_screen(thinker, world.question, world.passages)
    expected = thinker.answer(world.question, world.passages)
    assert answer.text == expected.text
    assert without_escapes(capsys.readouterr().out) == f"{marked_answer(expected).plain}\n"
    show_sources(answer, thoughts=True)
    shown = without_escapes(capsys.readouterr().out)
    assert shown.index("[1] ") < shown.index("Thoughts before it:\n")
    thoughts = shown.partition("Thoughts before it:\n")[2]
    assert thoughts.split() == marked_thoughts(expected.thoughts).plain.split()
    show_sources(answer)
    told = capsys.readouterr()
    assert "Thoughts before it:" not in told.out
    assert "of thoughts; --thoughts shows them" in told.err


def test_text_is_seen_while_it_is_written_though_citations_are_proven_behind_it(world):
    reader, seen = Reader.demo(prove=2), []

    class Shown:
        """What shows that something takes a while, as far as an answer asks for it."""

        add = turn_to = staticmethod(seen.append)

        def stop(self):
            seen.append(None)

    answer = write_as_it_comes(reader.stream(world.question, world.passages), Shown())
    assert len(seen) > 3
    *pieces, then, end = seen
    assert (pieces[-1], then, end) == (
        f"writing: {answer.text}",
        "looking for what it goes back to",
        None,
    )
    assert all(later.startswith(early) for early, later in pairwise(pieces))


def test_one_is_not_called_many():
    found = [counted(number, "passage") for number in (0, 1, 2, 1200)]
    assert found == ["0 passages", "1 passage", "2 passages", "1,200 passages"]
