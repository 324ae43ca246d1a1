"""Text that comes in pieces is wrapped as the whole would be."""

from io import StringIO
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from at2_rag.cli.wrapping import Hanging, WordWrap

WORDS = st.text("abc [1]., \n中文。é-", max_size=120)


def wrapped(pieces, width):
    wrap = WordWrap(width)
    return "".join([*(wrap.add(Text(piece)).plain for piece in pieces), wrap.end().plain])


def without_space(text):
    return "".join(text.split())


@given(WORDS, st.lists(st.integers(0, 120), max_size=8), st.integers(4, 40))
def test_pieces_do_not_matter_and_nothing_but_white_space_is_lost(text, cuts, width):
    places = [0, *sorted(cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(places)]
    assert wrapped(pieces, width) == wrapped([text], width)
    assert without_space(wrapped(pieces, width)) == without_space(text)


@given(st.lists(st.text("abcdé", min_size=1, max_size=9), max_size=30), st.integers(10, 40))
def test_lines_end_between_words_and_are_as_full_as_can_be(words, width):
    lines = wrapped([" ".join(words)], width).split("\n")
    assert [word for line in lines for word in line.split(" ") if word] == words
    assert all(len(line) <= width for line in lines)
    for line, following in pairwise(lines):
        assert len(line) + 1 + len(following.split(" ")[0]) > width


def test_a_word_goes_out_when_it_has_ended_and_keeps_its_style():
    wrap = WordWrap(20)
    assert wrap.add(Text("Hel")).plain == ""
    assert wrap.add(Text("lo wor")).plain == "Hello"
    out = wrap.add(Text.assemble("ld.", ("[1]", "bold"), " "))
    assert out.plain == " world.[1]"
    assert [(span.start, span.end, str(span.style)) for span in out.spans] == [(7, 10, "bold")]


def test_scripts_without_spaces_are_parted_and_marks_stay_with_what_they_mark():
    assert wrapped(["東京は日本の首都。[1]"], 10) == "東京は日本\nの首\n都。[1]"
    assert wrapped(["    code stays\n  indented"], 40) == "    code stays\n  indented"


def test_lines_hang_behind_their_numbers_on_a_terminal_and_stay_whole_in_a_pipe():
    lines = Text("[1]  A: one two three four five\n[10] B: six")
    screen = StringIO()
    Console(file=screen, force_terminal=True, width=20, no_color=True).print(Hanging(lines, 5))
    assert [line.rstrip() for line in screen.getvalue().splitlines()] == [
        "[1]  A: one two", "     three four five", "[10] B: six",
    ]  # fmt: skip
    pipe = StringIO()
    Console(file=pipe, width=20).print(Hanging(lines, 5), soft_wrap=True)
    assert pipe.getvalue() == f"{lines.plain}\n"
