"""Passages from web pages: the text with its headings, and nothing of what is around it."""

import pytest

from at2_rag.documents.files import FilesWarning, read_passages
from at2_rag.documents.files.nesting import is_too_deep
from at2_rag.errors import FileFormatError


def read(tmp_path, html, name="page.html"):
    path = tmp_path / name
    path.write_bytes(html if isinstance(html, bytes) else html.encode())
    return read_passages(path)


def text_of(tmp_path, html):
    return "\n\n".join(passage.text for passage in read(tmp_path, html))


PAGE = """<!doctype html><html><head><title>The mill — Brel pages</title><style>p {}</style>
<script>var x = "nothing";</script></head><body class="has-sidebar">
<header><a href="/">Home</a></header><nav><ul><li><a href="/a">All pages</a></li></ul></nav>
<div class="cookie-banner">We like cookies.</div>
<main><h1>The mill<a class="headerlink" href="#mill">¶</a></h1>
<p>It was built by <b>Anna&nbsp;Reed</b> in
1820.<br>It is <a href="/old">old</a>.</p>
<aside class="footnote">A note that matters.</aside>
<h2>Wheels</h2>Loose words
<p>There were two.<p>One was lost.
<ul><li>oak <li><p>elm</p></ul>
<div hidden>Nobody sees it.</div><button>Copy</button></main>
<footer>Copyright</footer></body></html>"""


def test_main_text_under_its_headings(tmp_path):
    passages = read(tmp_path, PAGE)
    assert [(p.title, p.text) for p in passages] == [
        (
            "The mill",
            "The mill\n\nIt was built by Anna Reed in 1820.\nIt is old.\n\nA note that matters.",
        ),
        (
            "The mill > Wheels",
            "Wheels\n\nLoose words\n\nThere were two.\n\nOne was lost.\n\n- oak\n- elm",
        ),
    ]
    assert passages[1].metadata["path"] == passages[1].place_of(0) == str(tmp_path / "page.html")


def test_a_page_without_a_main_part_is_read_without_what_is_around(tmp_path):
    html = PAGE.replace("<main>", "<div>").replace("</main>", "</div>")
    told = text_of(tmp_path, html)
    assert "Anna Reed" in told
    assert "- elm" in told
    assert not any(word in told for word in ("Home", "cookies", "Copyright", "All pages"))


def test_a_small_article_is_not_taken_for_the_page(tmp_path):
    html = (
        "<article>Read more.</article>" + "<p>The mill stands on the Brel, and it is old.</p>" * 9
    )
    assert "stands on the Brel" in text_of(tmp_path, html)


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ("<title>Mills</title><h1>The mill</h1>", "Mills > The mill"),
        ("<title>The Mill | Site</title><h1>The mill</h1>", "The mill"),
        ("<title>Mills</title><h1>One</h1><h1>Two</h1>", "Mills > Two"),
        ("<h1>The mill</h1>", "The mill"),
        ("<title> </title>", "page"),
        ("", "page"),
    ],
)
def test_title(tmp_path, head, title):
    assert read(tmp_path, f"{head}<p>It is old.")[-1].title == title


TABLE = """<table><caption>Mills</caption>
<tr><th>Name<th>Built<th>By</tr>
<tr><td rowspan=2>Brel<td>1820<td>Anna Reed
<tr><td>1834<td>
<tr><td>Zados<td colspan="2">unknown</table>"""


def test_rows_name_their_columns(tmp_path):
    assert text_of(tmp_path, TABLE) == (
        "Mills\nName: Brel; Built: 1820; By: Anna Reed\nName: Brel; Built: 1834\n"
        "Name: Zados; Built: unknown; By: unknown"
    )


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<table><tr><td>Name<td>Built<tr><td>Brel<td>1820</table>", "Name: Brel; Built: 1820"),
        ("<table><tr><th>Built<td>1820<tr><th>By<td>Reed</table>", "Built: 1820\nBy: Reed"),
        ("<table><tr><td>1<td>2<tr><td>3<td>4</table>", "1; 2\n3; 4"),
        ("<table><tr><td><p>One.</p><p>Two.</p><td>x</table>", "One.\n\nTwo.\n\nx"),
        ("<table role=presentation><tr><td>One<td>Two</table>", "One\n\nTwo"),
        ("<table><tr><td>One<tr><td>Two</table>", "One\n\nTwo"),
        ("<table><tr><th>A<th>B</table>", "A; B"),
        ('<table><tr><td rowspan="9999999999999" colspan=x>1<td>2<tr><td>3</table>', "1; 2\n1; 3"),
        (
            "<table><tr><th rowspan=2>A<th colspan=2>B<tr><th>C<th>D<tr><td>1<td>2<td>3</table>",
            "A: 1; B C: 2; B D: 3",
        ),
    ],
)
def test_tables_of_all_kinds(tmp_path, html, text):
    assert text_of(tmp_path, html) == text


def test_code_keeps_its_lines(tmp_path):
    html = (
        "<p>Run:<pre>one\n  two<button>copy</button></pre><pre><code>a</code><code>b</code></pre>"
    )
    assert text_of(tmp_path, html) == "Run:\n\n```\none\n  two\n```\n\n```\na\nb\n```"


@pytest.mark.parametrize(
    ("meta", "encoding", "word"),
    [
        ('<meta charset="windows-1251">', "cp1251", "мельница"),
        ('<meta http-equiv=x content="text/html; charset=Shift_JIS">', "shift_jis", "水車小屋"),
        ("<meta charset=iso-8859-1>", "cp1252", "“müller”"),
        ('<?xml version="1.0" encoding="ISO-8859-2"?>', "iso8859-2", "młyn"),
        ("<meta charset=ascii-that-is-none>", "utf-8", "müller"),
        ("<meta charset=iso-8859-1>", "utf-8", "müller"),
        ("", "utf-16", "müller"),
    ],
)
def test_encodings_that_pages_say(tmp_path, meta, encoding, word):
    assert text_of(tmp_path, f"{meta}<p>{word}".encode(encoding)) == word


def test_an_encoding_that_no_page_says_is_guessed(tmp_path):
    with pytest.warns(FilesWarning, match="^page.html: is not UTF-8; read as cp1252, which is a"):
        assert text_of(tmp_path, "<p>Die Mühle wurde 1820 gebaut.".encode("cp1252")) == (
            "Die Mühle wurde 1820 gebaut."
        )


@pytest.mark.parametrize("html", ["<script>x</script>", "<body><nav>Home</nav>", "<p> </p>"])
def test_a_page_without_text(tmp_path, html):
    with pytest.raises(FileFormatError, match=r"page.html: has no text; pages that a script fills"):
        read(tmp_path, html)


def test_a_page_that_is_nested_too_deep(tmp_path):
    assert text_of(tmp_path, "<div>" * 200 + "deep") == "deep"
    with pytest.raises(FileFormatError, match=r"page.html: is nested too deep to be read"):
        read(tmp_path, "<div>" * 2000 + "deep")


DEEP = (
    "<div>" * 200_000, "<div></span>" * 200_000, "<span><div></span>" * 100_000,
    "<b class=x>" * 200_000, "<DIV/>" * 200_000,
)  # fmt: skip


@pytest.mark.parametrize("html", DEEP)
def test_a_page_that_no_parser_gets_through_is_refused_before(tmp_path, html):
    """Each of these would take minutes, as it is gone through anew for each tag."""
    assert is_too_deep(html)
    with pytest.raises(FileFormatError, match=r"page.html: is nested too deep to be read"):
        read(tmp_path, html + "deep")


LONG = (
    "<div><p>said</div>" * 20_000, "<ul>" + "<li>said" * 20_000, "<br>said<img>" * 20_000,
    f"<!-- {'<div>' * 20_000} -->said", f"<script>{'<div>' * 20_000}</script>said",
    f"<svg>{'<path/>' * 20_000}</svg>said", f"said<!-- {'<div>' * 20_000}",
    f"said{'<!-' * 20_000}", f"<table>{'<tr><td>said' * 20_000}",
)  # fmt: skip


@pytest.mark.parametrize("html", LONG)
def test_a_page_that_is_long_is_not_deep(html):
    assert not is_too_deep(html)
