"""Passages from PDFs: whole sentences on the pages that they begin on."""

from io import BytesIO

import pypdf
import pytest
from support.pdf_files import pdf_bytes

from at2_rag.documents.files import FilesWarning, read_passages
from at2_rag.documents.sentences import sentence_spans
from at2_rag.errors import FileFormatError

MILL = [
    ["The mill on the Brel was built by Anna Reed in 1820, and it was the first", "of its kind."],
    ["It burned down in 1833 after a dry summer and was", "given up by everybody who had"],
    ["worked in it, but for one old man. Nobody knows his name."],
]


def read(tmp_path, data, name="mill.pdf"):
    path = tmp_path / name
    path.write_bytes(data)
    return read_passages(path)


def changed(data, change):
    """Return a PDF after something was done to it by pypdf."""
    writer = pypdf.PdfWriter(clone_from=BytesIO(data))
    change(writer)
    written = BytesIO()
    writer.write(written)
    return written.getvalue()


def sentences(passage):
    return [" ".join(passage.text[a:b].split()) for a, b in sentence_spans(passage.text)]


def test_a_sentence_over_a_page_end_is_whole_and_on_the_page_it_begins_on(tmp_path):
    passages = read(tmp_path, pdf_bytes(MILL))
    assert [(p.page, sentences(p)) for p in passages] == [
        ("p. 1", ["The mill on the Brel was built by Anna Reed in 1820, and it was the first of its"
                  " kind."]),
        ("p. 2", ["It burned down in 1833 after a dry summer and was given up by everybody who had"
                  " worked in it, but for one old man."]),
        ("p. 3", ["Nobody knows his name."]),
    ]  # fmt: skip
    assert {p.title for p in passages} == {"mill"}
    assert [p.metadata["page"] for p in passages] == [1, 2, 3]
    assert passages[0].place_of(0) == str(tmp_path / "mill.pdf")


def test_pages_with_nothing_on_them_are_counted(tmp_path):
    passages = read(tmp_path, pdf_bytes([["First."], [], [], ["Last."]]))
    assert [(p.text, p.metadata["page"]) for p in passages] == [("First.", 1), ("Last.", 4)]


def test_long_pages_are_cut_before_sentences(tmp_path):
    lines = [
        f"Sentence {n} says nothing that was not said before it, or behind." for n in range(50)
    ]
    passages = read(tmp_path, pdf_bytes([lines, ["The end."]]))
    assert len(passages) > 4
    assert [s for p in passages for s in sentences(p)] == [*lines, "The end."]
    assert [p.metadata["page"] for p in passages] == [1] * (len(passages) - 1) + [2]


def test_running_heads_and_page_numbers_are_dropped_and_nothing_else(tmp_path):
    pages = [
        ["The history of mills", f"Wheels: {n + 20}", f"{1848 + n}", f"Page {n} of 4", f"{n}"]
        for n in range(1, 5)
    ]
    passages = read(tmp_path, pdf_bytes(pages))
    assert [p.text for p in passages] == [f"Wheels: {n + 20}\n{1848 + n}" for n in range(1, 5)]


def test_two_pages_that_begin_alike_are_left_as_they_are(tmp_path):
    passages = read(tmp_path, pdf_bytes([["Mills", "One."], ["Mills", "Two."]]))
    assert [p.text for p in passages] == ["Mills\nOne.", "Mills\nTwo."]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["The wheels were con-", "structed of oak."], "The wheels were constructed\nof oak."),
        (["A well-known man was well-", "known."], "A well-known man was well-known.\n"),
        (["It was written by Jean-", "Paul alone."], "It was written by Jean-Paul\nalone."),
        (["The rest -", "all of it"], "The rest -\nall of it"),
        (["From 1914-", "1918 it stood."], "From 1914-\n1918 it stood."),
    ],
)
def test_words_that_were_broken_at_line_ends_are_whole(tmp_path, lines, text):
    [passage] = read(tmp_path, pdf_bytes([lines]))
    assert passage.text == text.strip()


def test_title_contents_and_page_labels(tmp_path):
    def change(writer):
        writer.add_metadata({"/Title": "Mills of the Brel"})
        first = writer.add_outline_item(title="History", page_number=1)
        writer.add_outline_item(title="Fire", page_number=1, parent=first)
        writer.set_page_label(page_index_from=0, page_index_to=0, style="/r")
        writer.set_page_label(page_index_from=1, page_index_to=2, style="/D")

    pages = [["A preface."], ["1 History", "It is old.", "1.1 Fire", "It burned."], ["It ended."]]
    passages = read(tmp_path, changed(pdf_bytes(pages), change))
    assert [(p.title, p.text, p.page) for p in passages] == [
        ("Mills of the Brel", "A preface.", "p. i"),
        ("Mills of the Brel > History", "1 History\nIt is old.", "p. 1"),
        ("Mills of the Brel > History > Fire", "1.1 Fire\nIt burned.", "p. 1"),
        ("Mills of the Brel > History > Fire", "It ended.", "p. 2"),
    ]
    assert [p.metadata["page"] for p in passages] == [1, 2, 2, 3]


@pytest.mark.parametrize("title", ["", "Untitled", "Microsoft Word - mill.doc", "mill_v2.indd"])
def test_a_title_that_nobody_gave_is_none(tmp_path, title):
    data = changed(pdf_bytes([["A text."]]), lambda w: w.add_metadata({"/Title": title}))
    assert read(tmp_path, data)[0].title == "mill"


def test_encrypted(tmp_path):
    secret = changed(pdf_bytes(MILL), lambda w: w.encrypt("secret", algorithm="RC4-128"))
    with pytest.raises(FileFormatError, match=r"mill.pdf: is encrypted; expected one without"):
        read(tmp_path, secret)
    limited = changed(pdf_bytes(MILL), lambda w: w.encrypt("", "owner", algorithm="RC4-128"))
    assert len(read(tmp_path, limited)) == 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"%PDF-1.4\n", "is no PDF that can be read: "),
        (b"\x00\x01\x02" * 100, "is no PDF that can be read: "),
        (pdf_bytes(MILL)[:300], "is no PDF that can be read: "),
        (pdf_bytes([[], []]), "has no text on its 2 pages, as scans have none; text recognition"),
        (pdf_bytes([[]]), "has no text on its 1 page, as"),
        (b"", "the file is empty"),
    ],
)
def test_unreadable(tmp_path, data, message):
    with pytest.raises(FileFormatError, match=f"mill.pdf: {message}"):
        read(tmp_path, data)


def test_what_a_library_says_of_oddities_does_not_reach_the_terminal(tmp_path, capfd):
    data = pdf_bytes(MILL).replace(b"startxref\n", b"startxref\n9")
    assert len(read(tmp_path, data)) == 3
    assert capfd.readouterr() == ("", "")


def test_a_page_that_is_broken_is_told_and_the_others_are_read(tmp_path):
    def change(writer):
        name = pypdf.generic.NameObject
        writer.pages[1]["/Contents"].get_object()[name("/Filter")] = name("/Unknown")

    with pytest.warns(FilesWarning, match=r"^mill.pdf: page 2 could not be read$"):
        passages = read(tmp_path, changed(pdf_bytes([["One."], ["Two."], ["Three."]]), change))
    assert [p.text for p in passages] == ["One.", "Three."]
