"""Passages from reStructuredText: sections without markup, each line where it was."""

import pytest

from at2_rag.documents.files import read_passages
from at2_rag.errors import FileFormatError


def read(tmp_path, text):
    path = tmp_path / "mill.rst"
    path.write_text(text, encoding="utf-8", newline="")
    return read_passages(path)


def lines_of(tmp_path, text):
    """Return each line that is kept, by its number in the file."""
    return {
        passage.metadata["line"] + at: line
        for passage in read(tmp_path, text)
        for at, line in enumerate(passage.text.split("\n"))
        if line
    }


SECTIONS = """\
:orphan:

.. _mills:

=====
Mills
=====

They are old.

----

History
=======
.. contents::
   :local:

It is long.

Fire
----

It burned.

Wheels
======

.. toctree::

   oak
   elm

Names
=====

Nobody knows.
"""


def test_sections_and_lines(tmp_path):
    passages = read(tmp_path, SECTIONS)
    path = tmp_path / "mill.rst"
    assert [(p.title, p.text.split(), p.place_of(0)) for p in passages] == [
        ("Mills", ["Mills", "They", "are", "old."], f"{path}:6"),
        ("Mills > History", ["History", "It", "is", "long."], f"{path}:13"),
        ("Mills > History > Fire", ["Fire", "It", "burned."], f"{path}:20"),
        ("Mills > Names", ["Names", "Nobody", "knows."], f"{path}:33"),
    ]
    assert passages[1].place_of(passages[1].text.index("It is")) == f"{path}:18"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (".. note:: It is old.\n   And wide.\n", {1: "It is old.", 2: "And wide."}),
        (".. warning::\n   :class: big\n\n   It is *old*.\n", {4: "It is *old*."}),
        (".. versionadded:: 3.2\n   A wheel.\n", {1: "Added in 3.2", 2: "A wheel."}),
        ("Oak\n  .. deprecated:: 3\n\n  A tree.\n", {1: "Oak", 2: "Deprecated since 3",
                                                      4: "  A tree."}),
        (".. image:: mill.png\n   :alt: x\n\nText.", {4: "Text."}),
        (".. figure:: mill.png\n   :alt: x\n\n   The mill.\n", {4: "The mill."}),
        (".. a comment\n   that goes on\n\n..\n\n   and on\n\nText.", {8: "Text."}),
        (".. [1] A book.\n   Its page.\n", {1: "[1] A book.", 2: "Its page."}),
        (".. |x| replace:: y\n\nText.", {3: "Text."}),
        (".. py:function:: mill(x)\n\n   It mills.\n", {1: "mill(x)", 3: "It mills."}),
        (":Author: Anna Reed\n:tocdepth: 2\n", {1: "Author: Anna Reed"}),
        ("Run::\n\n  one :x:`y`\n    two\n\nThen.",
         {1: "Run:", 2: "```", 3: "one :x:`y`", 4: "  two", 5: "```", 6: "Then."}),
        (".. code-block:: sh\n   :linenos:\n\n   ls ``a``\n\nThen.",
         {3: "```", 4: "ls ``a``", 5: "```", 6: "Then."}),
        ("::\n\n  x = 1", {3: "x = 1"}),
    ],
)  # fmt: skip
def test_directives(tmp_path, text, lines):
    assert lines_of(tmp_path, text) == lines


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Use :func:`~a.b.run` or :ref:`the mill <mill>`.", "Use run or the mill."),
        ("Use :cmake:var:`CMP<NNNN>` and :c:`!x`.", "Use CMP<NNNN> and x."),
        ("It is ``a `b` c``.", "It is a `b` c."),
        ("See `the page <https://mill.test>`_.", "See the page (https://mill.test)."),
        ("See `the\npage <mill>`__ and [1]_ or `it`_.", "See the\npage and [1] or it."),
        (r"A \*star\* and ``x``\ s.", "A *star* and xs."),
        (
            "A long `title\n<https://mill.test>`_\nhere.",
            "A long title (https://mill.test)\n\nhere.",
        ),
    ],
)
def test_marks_within_lines(tmp_path, text, told):
    [passage] = read(tmp_path, text)
    assert passage.text == told


def test_what_is_no_heading(tmp_path):
    text = "=====  ====\nName   By\n=====  ====\nBrel   Reed\n=====  ====\n\nText\n..\n\n3 - 1\n"
    assert {p.title for p in read(tmp_path, text)} == {"mill"}


@pytest.mark.parametrize("text", [".. toctree::\n\n   a\n", "Mills\n=====\n\n.. image:: x\n"])
def test_a_file_for_tools_alone(tmp_path, text):
    with pytest.raises(FileFormatError, match=r"mill.rst: has nothing but what tools read"):
        read(tmp_path, text)
