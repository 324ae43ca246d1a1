"""Passages from tables: each row says what its values are, and where it is."""

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from at2_rag.documents.files import read_passages
from at2_rag.documents.files.document import MAX_LENGTH
from at2_rag.documents.sentences import sentence_spans
from at2_rag.errors import FileFormatError


def read(tmp_path, text, name="mills.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_passages(path)


def text_of(tmp_path, text, name="mills.csv"):
    return "\n".join(passage.text for passage in read(tmp_path, text, name))


def test_rows_name_their_columns_and_tell_their_lines(tmp_path):
    text = 'Name,Built,By\r\nBrel,1820,"Reed, Anna"\r\n\r\nZados,,"Wu\r\nLi"\r\nTilvo,1848,\r\n'
    [passage] = read(tmp_path, "\ufeff" + text)
    lines = ["Name: Brel; Built: 1820; By: Reed, Anna", "", "Name: Zados; By: Wu Li", "",
             "Name: Tilvo; Built: 1848"]  # fmt: skip
    assert passage.text.split("\n") == lines
    assert passage.title == "mills"
    assert passage.metadata["line"] == passage.metadata["row"] == 2
    for word, line in (("Brel", 2), ("Zados", 4), ("Tilvo", 6)):
        assert passage.place_of(passage.text.index(word)) == f"{tmp_path / 'mills.csv'}:{line}"


def test_a_column_of_texts_has_the_passages_and_others_are_their_own(tmp_path):
    text = (
        'ID,Title,Text,url,metadata,Year\r\nb7,Mill,"The mill is old.\r\n\r\nIt has two wheels.",'
        "https://example.org/mill,seen,1820\r\n,,It rained.,,,\r\nc1,Empty,,,,1900\r\n"
    )
    mill, rain = read(tmp_path, text)
    assert mill.text == "The mill is old.\n\nIt has two wheels."
    assert (mill.id, mill.title, mill.url) == ("b7", "Mill", "https://example.org/mill")
    path = {"path": str(tmp_path / "mills.csv")}
    assert mill.metadata == path | {"line": 2, "row": 2, "metadata": "seen", "Year": "1820"}
    assert (rain.id, rain.title, rain.text) == ("mills.csv#3", None, "It rained.")
    assert rain.metadata == path | {"line": 5, "row": 3}
    assert mill.place_of(mill.text.index("wheels")) == f"{tmp_path / 'mills.csv'}:2"


def test_a_column_of_texts_without_one_is_told(tmp_path):
    with pytest.raises(FileFormatError, match="no row has anything in its column 'text'"):
        read(tmp_path, "text,title\n,Mill\n")


def test_big_tables_are_cut_between_rows(tmp_path):
    rows = [f"Mill {n},{n},It is old. It has {n} wheels." for n in range(300)]
    passages = read(tmp_path, "\n".join(["Name,Number,Note", *rows]))
    assert len(passages) > 10
    assert all(p.text.startswith("Name: Mill ") and len(p.text) <= MAX_LENGTH for p in passages)
    told = [line for p in passages for line in p.text.split("\n")]
    assert told[7] == "Name: Mill 7; Number: 7; Note: It is old. It has 7 wheels."
    assert len(told) == 300
    second = passages[1]
    assert second.metadata["row"] == second.metadata["line"] == passages[0].text.count("\n") + 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Name;Price\nOak;1,50\nElm;2,75\n", "Name: Oak; Price: 1,50\nName: Elm; Price: 2,75"),
        ("Name|Built\nBrel|1820\n", "Name: Brel; Built: 1820"),
        ("Name\tNote\nBrel\tOld, and wide.\n", "Name: Brel; Note: Old, and wide."),
        ("Name, Built\nBrel, 1820\n", "Name: Brel; Built: 1820"),
        ("Name\nBrel\nZados\n", "Name: Brel\nName: Zados"),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", "5.1; 3.5; setosa\n4.9; 3.0; setosa"),
        ("City,2019,2020\nParis,1,2\n", "City: Paris; 2019: 1; 2020: 2"),
        (",Built\nBrel,1820\n", "Brel; Built: 1820"),
        ("Name,Built\nBrel,1820,and more\nZados\nA,B\n",
         "Name: Brel; Built: 1820; and more\nName: Zados\nName: A; Built: B"),
        ("Source: a book\n\nName,Built\nBrel,1820\n", "Source: a book\n\nName: Brel; Built: 1820"),
        ('Name,Size\nBrel,5" wide\nZados,7" wide\n',
         'Name: Brel; Size: 5" wide\nName: Zados; Size: 7" wide'),
        ('Name,Note\nBrel,"never closed\nZados,x\n', 'Name: Brel; Note: "never closed\n'
         "Name: Zados; Note: x"),
        ("Name,Note\nBrel,a\u2028b\n", "Name: Brel; Note: a b"),
        ("Name,Note\nBrel,a\0b\n", "Name: Brel; Note: ab"),
        ("Name,Built\n", "Name; Built"),
    ],
)  # fmt: skip
def test_tables_as_people_write_them(tmp_path, text, told):
    lines = [line for line in text_of(tmp_path, text).split("\n") if line]
    assert lines == [line for line in told.split("\n") if line]


def test_tabs_come_first_in_files_that_are_named_for_them(tmp_path):
    assert text_of(tmp_path, "a\tb,c\n1\t2,3\n", "x.tsv") == "a: 1; b,c: 2,3"


def test_every_row_is_a_sentence_of_its_own(tmp_path):
    rows = ["the mill on the river brel,it was lost", "another mill,it is still there"]
    [passage] = read(tmp_path, "\n".join(["name of the mill and of its river,note", *rows]))
    assert len(sentence_spans(passage.text)) == 2


@pytest.mark.parametrize("text", ["", " \n", ",,\n,,\n"])
def test_a_table_without_values(tmp_path, text):
    with pytest.raises(FileFormatError, match=r"mills.csv: (the file is empty|has no rows)"):
        read(tmp_path, text)


def test_a_cell_that_is_too_long(tmp_path):
    with pytest.raises(FileFormatError, match=r"mills.csv: is no table that can be read: field"):
        read(tmp_path, "Name,Note\nBrel," + "x" * 200_000)


CELLS = st.text(st.characters(exclude_categories=["C"], exclude_characters="\ufeff"), max_size=20)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=8),
       st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n"]))  # fmt: skip
def test_whatever_is_in_cells_is_told_in_the_line_of_its_row(rows, delimiter, line_end):
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter, lineterminator=line_end,
                        quoting=csv.QUOTE_ALL)  # fmt: skip
    writer.writerow(["first name", "last name"])
    writer.writerows(rows)
    words = [[" ".join(cell.split()) for cell in row] for row in rows]
    assume(any(cell for row in words for cell in row))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.csv")
        path.write_text(written.getvalue(), encoding="utf-8", newline="")
        passages = read_passages(path)
    told = {
        passage.metadata["line"] + at: line
        for passage in passages
        for at, line in enumerate(passage.text.split("\n"))
    }
    for number, (first, last) in enumerate(words, start=2):
        parts = [f"first name: {first}"] * bool(first) + [f"last name: {last}"] * bool(last)
        assert told.get(number, "") == "; ".join(parts)
