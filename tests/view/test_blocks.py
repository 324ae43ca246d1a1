"""What is shown of a text is the text: each character where it stands, whatever Markdown it is."""

import time

import pytest
from hypothesis import example, given
from support.markdown import documents
from support.texts import texts

from at2_rag.view.blocks import MOST_MARKDOWN, Run, blocks_of, safe_address


def runs(nodes):
    for node in nodes:
        yield from [node] if isinstance(node, Run) else runs(node.children)


def told_apart(text):
    """Check all runs of a text, and return its characters that are shown."""
    shown, done = set(), 0
    for run in runs(blocks_of(text)):
        start, end = run.span
        assert done <= start <= end <= len(text)  # in the text's own order
        done = end
        original = text[start:end].replace("\0", "\ufffd").replace("\r", "\n").replace("\t", " ")
        if run.divisible and not run.text.isspace():
            assert run.text.replace("\t", " ") == original.replace("\n", " ") or (
                run.text.replace("\t", " ") == original
            )
        shown.update(range(start, end))
    return shown


@given(documents)
@example("| a | b |\n|---|---|\n| x \\| y | `a` b |")
@example("> 1. # a `` b ` `` c\n>    d\\\n>    e &amp; **f *g* h**")
@example("# # a #\n\na  \nb\n===")
@example('[a *b* c](http://x.org/a "b c") c ![b](c) <http://a.b/c>')
@example("~~~a~~~ **a*** _*_ ***")
def test_every_character_is_where_it_stands(text):
    shown = told_apart(text)
    missing = {text[i] for i in set(range(len(text))) - shown if text[i].isalpha()}
    # What is not shown is addresses, names of languages and of characters.
    if not any(sign in text for sign in ("](", "```", "~~~", "&")):
        assert missing == set()


@given(texts)
def test_any_text(text):
    told_apart(text)


def tree(node):
    return node.text if isinstance(node, Run) else (node.tag, [tree(c) for c in node.children])


def test_markdown_is_shown_as_such():
    (table,) = blocks_of("| a | b |\n|---|--:|\n| **x** | `y|` |".replace("y|", "y"))
    assert tree(table) == (
        "table",
        [
            ("thead", [("tr", [("th", ["a"]), ("th", ["b"])])]),
            ("tbody", [("tr", [("td", [("strong", ["x"])]), ("td", [("code", ["y"])])])]),
        ],
    )
    (items,) = blocks_of("- a\n- b")
    assert tree(items) == ("ul", [("li", [("div", ["a"])]), ("li", [("div", ["b"])])])
    (code,) = blocks_of("```python\nx = 1\n\ny\n```")
    assert "".join(run.text for run in runs([code])) == "x = 1\n\ny"
    assert code.attributes == {"data-language": "python"}


def test_tags_scripts_and_definitions_are_text():
    text = "<script>alert(1)</script>\n\n<b>x</b> [a]: http://x.org <!-- y -->\n\n[b]: /z"
    assert "".join(run.text for run in runs(blocks_of(text))) == text.replace("\n\n", "")
    (paragraph,) = blocks_of("[a](javascript:alert(1)) [b](file:///x) [c](data:text/html,x)")
    assert not [node for node in paragraph.children if not isinstance(node, Run)]


@pytest.mark.parametrize("address", [None, "", "javascript:alert(1)", "data:x", "file:///x", "x"])
def test_what_a_page_does_not_link_to(address):
    assert safe_address(address) is None


def test_long_texts_are_shown_as_they_are():
    text = "**a** " * MOST_MARKDOWN
    (paragraph,) = blocks_of(text)
    assert tree(paragraph) == ("p", [text])
    assert tree(blocks_of("*a*", markdown=False)[0]) == ("p", ["*a*"])
    assert blocks_of("") == []


@pytest.mark.parametrize(
    "sign", ["[", "*a_", "`", "<", "> ", "- ", "![", "|a|\n|-|\n", "&", "**a "]
)
def test_nothing_takes_long(sign):
    begin = time.process_time()
    told_apart((sign * MOST_MARKDOWN)[:MOST_MARKDOWN])
    assert time.process_time() - begin < 20
