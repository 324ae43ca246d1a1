"""What is not read is skipped with a word, and ends nothing but where nothing is left."""

import json
import os
import subprocess
import sys
import warnings

import docx
import pytest
from support.pdf_files import pdf_bytes

from at2_rag.documents.files import SUFFIXES, FilesWarning, read_passages
from at2_rag.documents.passages import as_passages
from at2_rag.errors import FileFormatError


def said(folder):
    """Read a folder; return the texts of its passages, and what was said of it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        passages = read_passages(folder)
    assert {each.category for each in caught} <= {FilesWarning}
    return [passage.text for passage in passages], [str(each.message) for each in caught]


def write_all(folder):
    """Write a file of each kind, each with a sentence that tells its suffix."""
    told = {suffix: f"The {suffix[1:]} mill is old." for suffix in SUFFIXES}
    for suffix, text in told.items():
        (folder / f"mill{suffix}").write_text(text, encoding="utf-8")
    for suffix in (".html", ".htm"):
        (folder / f"mill{suffix}").write_text(f"<p>{told[suffix]}</p>", encoding="utf-8")
    (folder / "mill.pdf").write_bytes(pdf_bytes([[told[".pdf"]]]))
    document = docx.Document()
    document.add_paragraph(told[".docx"])
    document.save(folder / "mill.docx")
    (folder / "mill.json").write_text(json.dumps([told[".json"]]), encoding="utf-8")
    (folder / "mill.jsonl").write_text(json.dumps({"text": told[".jsonl"]}), encoding="utf-8")
    return told


def test_a_folder_gives_each_kind_once(tmp_path):
    told = write_all(tmp_path)
    texts, remarks = said(tmp_path)
    assert sorted(texts) == sorted(told.values())
    assert remarks == []
    each = [passage for suffix in SUFFIXES for passage in read_passages(tmp_path / f"mill{suffix}")]
    whole = read_passages(tmp_path)
    assert sorted(whole, key=lambda p: p.id) == sorted(each, key=lambda p: p.id)
    assert len(as_passages(whole)) == len(SUFFIXES)


def test_what_cannot_be_read_is_told_in_a_line_and_the_rest_is_read(tmp_path):
    write_all(tmp_path)
    for name in ("a.pdf", "b.pdf", "c.pdf", "d.pdf"):
        (tmp_path / name).write_bytes(pdf_bytes([[]]))
    (tmp_path / "a.docx").write_bytes(b"words")
    (tmp_path / "a.txt").write_bytes(b" \n")
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "A."}\n{"text": }\n')
    (tmp_path / "~$mill.docx").write_bytes(b"x")
    (tmp_path / "code.py").write_text("x = 1")
    (tmp_path / ".hidden.txt").write_text("hidden")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.txt").write_text("hidden")
    texts, remarks = said(tmp_path)
    assert len(texts) == len(SUFFIXES)
    assert sorted(remarks) == [
        "skipped .git, .hidden.txt: hidden",
        "skipped a.docx: is no .docx that can be read: File is not a zip file",
        "skipped a.jsonl, for its line 2: malformed JSON at column 10: Expecting value.",
        "skipped a.pdf, b.pdf, c.pdf and 1 more: has no text on its 1 page, as scans have none; "
        "text recognition (OCR) adds it.",
        "skipped a.txt: the file is empty; expected text in it.",
        "skipped code.py: not of a kind that is read",
        "skipped ~$mill.docx: a note that another program has the file open",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_that_lead_in_circles_or_nowhere(tmp_path):
    (tmp_path / "a.txt").write_text("It is old.")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "up").symlink_to(tmp_path)
    (tmp_path / "self.txt").symlink_to(tmp_path / "self.txt")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere.txt")
    (tmp_path / "same.txt").symlink_to(tmp_path / "a.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    texts, remarks = said(tmp_path)
    assert texts == ["It is old."]
    assert sorted(remarks) == [
        "skipped folder/up: a link to a folder",
        "skipped gone.txt, pipe.txt, self.txt: no file, or a link to none",
    ]


def test_a_huge_file_is_read_only_if_it_is_named(tmp_path):
    (tmp_path / "a.txt").write_text("It is old.")
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(100_000_001)
    texts, remarks = said(tmp_path)
    assert texts == ["It is old."]
    assert remarks == ["skipped huge.csv: larger than 100 MB; name it itself to read it"]


def test_files_that_were_named_are_skipped_too_but_for_those_that_are_not_there(tmp_path):
    good, bad = tmp_path / "a.txt", tmp_path / "b.json"
    good.write_text("It is old.")
    bad.write_text("{")
    with pytest.warns(FilesWarning, match=r"^skipped b.json:1: malformed JSON"):
        assert len(read_passages([good, bad])) == 1
    with pytest.raises(FileFormatError, match="no such file or folder"):
        read_passages([good, tmp_path / "gone.txt"])


def test_where_nothing_is_left_the_error_says_why_of_each(tmp_path):
    (tmp_path / "a.txt").write_text(" ")
    (tmp_path / "b.txt").write_text("")
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(FileFormatError) as caught:  # and no warning, which would be an error
        read_passages(tmp_path)
    assert str(caught.value) == (
        "Nothing could be read. a.txt, b.txt: the file is empty; expected text in it. c.json:1: "
        "malformed JSON at column 2: Expecting property name enclosed in double quotes."
    )


def test_the_same_id_in_two_files(tmp_path):
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text('{"text": "A.", "id": "x"}')
    assert [passage.id for passage in read_passages(tmp_path)] == ["x", "b.jsonl#x"]


MISSING = """
import sys, warnings
for name in ("pypdf", "docx", "selectolax", "selectolax.lexbor", "charset_normalizer"):
    sys.modules[name] = None
from at2_rag.documents.files import read_passages
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(len(read_passages(sys.argv[1])))
print(*sorted(str(each.message) for each in caught), sep="\\n")
"""


def test_without_the_libraries_each_kind_says_once_what_to_install(tmp_path):
    write_all(tmp_path)
    (tmp_path / "second.pdf").write_bytes(pdf_bytes([["It is old."]]))
    (tmp_path / "latin.txt").write_bytes("Die Mühle".encode("cp1252"))
    done = subprocess.run(
        [sys.executable, "-c", MISSING, str(tmp_path)], capture_output=True, text=True, check=True
    )
    install = "pip install 'at2-rag[files]'"
    assert done.stdout.splitlines() == [
        str(len(SUFFIXES) - 4),
        f"skipped latin.txt: is not UTF-8; convert it, or have its encoding guessed: {install}",
        f"skipped mill.docx: reading .docx needs python-docx: {install}",
        f"skipped mill.htm, mill.html: reading web pages needs selectolax: {install}",
        f"skipped mill.pdf, second.pdf: reading .pdf needs pypdf: {install}",
    ]


def test_libraries_are_loaded_only_when_they_are_needed(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    code = (
        "import sys; from at2_rag.documents.files import read_passages; "
        f"read_passages({str(tmp_path)!r}); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"pypdf", "docx", "selectolax", "charset_normalizer", "torch"})
