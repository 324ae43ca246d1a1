"""Where marks go: whatever Markdown an answer has, it has it with its marks as well."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.markdown import documents, shape
from support.texts import quick

from at2_rag.answer.marking import Marking, MarkPlace, marked
from at2_rag.answer.statement import Citation, Statement
from at2_rag.documents.sentences import statement_spans

#: Stands for a mark: a number that no text has.
MARK = "[1234567]"


def citation(number, start, end):
    return Citation(number, start, end, 0, None, None, None, 0, 1, "x", 1.0)


def cited(text, numbers=None):
    """Return the sentences of a text, each citing a source of its own, or those given."""
    spans = statement_spans(text)
    numbers = numbers or [[index + 1] for index in range(len(spans))]
    return [
        Statement(text[a:b], a, b, tuple(citation(number, a, b) for number in numbers[index]))
        for index, (a, b) in enumerate(spans)
    ]


def with_signs(text, statements):
    """Return the marked text with the same sign for each mark."""
    result, marks = marked(text, statements)
    for mark in reversed(marks):
        result = result[: mark.start] + MARK + result[mark.end :]
    return result


@quick
@given(text=documents)
def test_marks_leave_every_block_as_it_was(text):
    assert shape(with_signs(text, cited(text)), MARK) == shape(text)


@quick
@given(text=documents)
def test_without_marks_it_is_the_text(text):
    statements = cited(text)
    result, marks = marked(text, statements)
    assert {index for mark in marks for index in mark.statements} == set(range(len(statements)))
    for mark in marks:
        assert result[mark.start : mark.end] == f"[{'^' * mark.carets}{mark.number}]"
    for mark in reversed(marks):
        start, end = mark.start - len(mark.before), mark.end + len(mark.after)
        assert result[start : mark.start] == mark.before
        assert result[mark.end : end] == mark.after
        result = result[:start] + result[end:]
    assert result == text


def streamed(text, statements, pieces):
    """Return all pieces that come while a text comes in pieces of some lengths."""
    marking, found, done = Marking(), [], 0
    lengths = iter(pieces)
    for statement in statements:
        while done < statement.end:
            end = min(done + next(lengths, 7), statement.end)
            found += marking.add(text[done:end])
            done = end
        found += marking.add(statement)
    return [*found, *marking.add(text[done:]), *marking.finish()]


def told(pieces):
    """Return pieces with texts that follow each other put together."""
    result = []
    for piece in pieces:
        if isinstance(piece, str) and result and isinstance(result[-1], str):
            result[-1] += piece
        elif piece:
            result.append(piece)
    return result


@quick
@given(text=documents, pieces=st.lists(st.integers(1, 9), max_size=30))
def test_streamed_equals_whole(text, pieces):
    statements = cited(text)
    whole = told(Marking.of(text, statements).finish())
    assert told(streamed(text, statements, pieces)) == whole


@quick
@given(text=documents)
def test_statements_come_in_order_when_their_text_is_out(text):
    statements, out, seen = cited(text), 0, []
    for piece in streamed(text, statements, [5] * 200):
        if isinstance(piece, str):
            out += len(piece)
        elif isinstance(piece, Statement):
            seen.append(piece)
            assert out >= len(text[: piece.end].rstrip(" \t|#"))
        else:
            assert piece.position == out
            assert all(statements[index] in seen for index in piece.statements)
    assert seen == statements


#: What an answer says, and what it is with marks.
EXAMPLES = {
    "a block of code": (
        "So:\n\n```python\nx = values[1][2]\ny = a. B\n```\n\nThat is it.",
        "So:\n\n```python\nx = values[1][2]\ny = a. B\n```\n{code}\n\nThat is it.{last}",
    ),
    "code and text right behind it": (
        "```\nx = 1\n```\nThat is it.",
        "```\nx = 1\n```\n{code}\n\nThat is it.{last}",
    ),
    "code that was cut off": ("So:\n\n```\nx = 1", "So:\n\n```\nx = 1\n```\n{code}"),
    "code in a list": (
        "- One is:\n  ```\n  x = 1\n  ```\n- Two is.",
        "- One is:\n  ```\n  x = 1\n  ```\n  {code}\n- Two is.{last}",
    ),
    "a table": (
        "| Person | Born in |\n|---|---|\n| Ann | Bo |",
        "| Person | Born in |\n|---|---|\n| Ann | Bo[1] |",
    ),
    "a table without bars around it": (
        "Person | Born in\n---|---\nAnn | Bo",
        "Person | Born in[1]\n---|---\nAnn | Bo[2]",
    ),
    "two sentences in a row": (
        "| A |\n|---|\n| Ann is. She was. |",
        "| A |\n|---|\n| Ann is. She was.[1][2] |",
    ),
    "JSON": ('{"a": "x"}\n{"b": "y"}', '{"a": "x"}\n{"b": "y"}\n\n[1][2]'),
    "JSON below text": (
        'So:\n\n{"a": "x"}\n{"b": "y"}',
        'So:\n\n{"a": "x"}\n{"b": "y"}\n\n[1][2]',
    ),
    "code in a line": ("Use `x[1]. B is` here. Now.", "Use `x[1]. B is` here.[1][2] Now.[3]"),
    "a link": ("See [it. Now](http://x) there.", "See [it. Now](http://x) there.[1][2]"),
    "a formula": ("So $a. B$ is. Now.", "So $a. B$ is.[1][2] Now.[3]"),
    "an address": ("It is https://x.org/a. Now.", "It is https://x.org/a. [1] Now.[2]"),
    "a heading": ("## The end ##\n\nSo.", "## The end ##\n\nSo.[1]"),
    "an item with two sentences": ("- One. Two.\n- Three.", "- One.[1] Two.[2]\n- Three.[3]"),
    "HTML": ("<div>\nSo.\n</div>", "<div>\nSo.\n</div>\n\n[1][2][3]"),
    "numbers of its own": ("Ann is [3]. Bo is.", "Ann is [3].[^1] Bo is.[^2]"),
    "numbers of its own, later": ("Ann is. Bo is [3].", "Ann is.[1] Bo is [3].[^2]"),
    "notes of its own": ("Ann is [^3][4]. Bo is.", "Ann is [^3][4].[^^1] Bo is.[^^2]"),
    "numbers of its own in code": ("It is `x[3]`. So.", "It is `x[3]`.[1] So.[2]"),
    "a number of its own behind all": ("Ann is.[3]", "Ann is.[3] [^1]"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(name):
    text, expected = EXAMPLES[name]
    statements = cited(text)
    fenced = [i + 1 for i, s in enumerate(statements) if re.search("```|x = |y = |B$", s.text)]
    code = "".join(f"[{number}]" for number in fenced)
    last = f"[{len(statements)}]"
    if "{code}" in expected:
        expected = expected.replace("{code}", code).replace("{last}", last)
    assert marked(text, statements)[0] == expected


def test_numbers_of_several_statements_are_merged():
    text = "| A |\n|---|\n| Ann is. She was. |"
    result, marks = marked(text, cited(text, [[2, 1], [1, 3]]))
    assert result.endswith("She was.[1][2][3] |")
    assert [(mark.number, mark.statements) for mark in marks] == [
        (1, (0, 1)),
        (2, (0,)),
        (3, (1,)),
    ]


def test_what_cites_nothing_leaves_no_trace():
    text = "```\nx = a. B\n```\n\nSo."
    assert marked(text, cited(text, [[]] * 9)) == (text, ())
    assert marked("", []) == ("", ())


def test_plain_text_does_not_wait():
    marking = Marking()
    text = "Ann is.\n\n- **Bo** is. So"
    statements = cited(text)[:2]
    assert list(marking.add("Ann is.")) == ["Ann is."]
    assert list(marking.add(statements[0])) == [statements[0]]
    assert [type(piece) for piece in marking.add("\n\n- ")] == [MarkPlace, str]


def test_code_does_not_wait_for_its_marks():
    marking, text = Marking(), "```\nx = 1\ny = 2"
    statements = [s for s in cited(text) if s.text == "x = 1"]
    pieces = [*marking.add(text[:9]), *marking.add(statements[0]), *marking.add("\ny = 2\n")]
    assert "".join(piece for piece in pieces if isinstance(piece, str)).startswith("```\nx = 1")
    assert [piece for piece in marking.finish() if isinstance(piece, MarkPlace)]
