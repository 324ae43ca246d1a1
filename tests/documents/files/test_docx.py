"""Passages from Word documents: paragraphs under their headings, items, tables, notes."""

import zipfile
from io import BytesIO

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from at2_rag.documents.files import read_passages
from at2_rag.errors import FileFormatError


def read(tmp_path, document):
    path = tmp_path / "mill.docx"
    document.save(path)
    return read_passages(path)


def text_of(tmp_path, document):
    return "\n\n".join(passage.text for passage in read(tmp_path, document))


def test_sections_items_and_tables(tmp_path):
    document = docx.Document()
    document.core_properties.title = "Mills of the Brel"
    document.add_paragraph("A preface.")
    document.add_heading("History", 1)
    document.add_paragraph("It was built by ").add_run("Anna Reed").bold = True
    document.add_heading("Wheels", 2)
    document.add_paragraph("oak", style="List Bullet")
    document.add_paragraph("elm", style="List Number")
    table = document.add_table(0, 3)
    for row in (("Name", "Built", "By"), ("Brel", "1820", "Anna\nReed"), ("Zados", "1834", "")):
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    document.add_paragraph("The end.")
    passages = read(tmp_path, document)
    assert [(p.title, p.text) for p in passages] == [
        ("Mills of the Brel", "A preface."),
        ("Mills of the Brel > History", "History\n\nIt was built by Anna Reed"),
        (
            "Mills of the Brel > History > Wheels",
            "Wheels\n\n- oak\n- elm\nName: Brel; Built: 1820; By: Anna Reed\n"
            "Name: Zados; Built: 1834\n\nThe end.",
        ),
    ]
    assert passages[0].place_of(0) == str(tmp_path / "mill.docx")


def test_a_heading_by_a_style_of_ones_own_or_by_its_outline(tmp_path):
    document = docx.Document()
    style = document.styles.add_style("Chapter", 1)
    style.base_style = document.styles["Heading 1"]
    document.add_paragraph("One", style="Chapter")
    document.add_paragraph("It is old.")
    document.add_paragraph("Two")
    [*_, element] = document.element.body.xpath("./w:p")
    element.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="1"/>'))
    document.add_paragraph("It is wide.")
    assert [(p.title, p.text) for p in read(tmp_path, document)] == [
        ("One", "One\n\nIt is old."), ("One > Two", "Two\n\nIt is wide."),
    ]  # fmt: skip


def test_merged_cells_are_in_each_row_and_column(tmp_path):
    document = docx.Document()
    table = document.add_table(3, 3)
    texts = (("Name", "Built", "By"), ("Brel", "1820", "Reed"), ("", "1834", "Wu"))
    for row, cells in zip(table.rows, texts, strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    table.cell(1, 0).merge(table.cell(2, 0))
    assert text_of(tmp_path, document) == (
        "Name: Brel; Built: 1820; By: Reed\nName: Brel; Built: 1834; By: Wu"
    )


def test_a_frame_around_text_is_no_table(tmp_path):
    document = docx.Document()
    cell = document.add_table(1, 1).cell(0, 0)
    cell.text = "One."
    cell.add_paragraph("Two.")
    assert text_of(tmp_path, document) == "One.\n\nTwo."


BODY = """
<w:sdt {w}><w:sdtContent><w:p><w:r><w:t>In a form.</w:t></w:r></w:p></w:sdtContent></w:sdt>
<w:p {w}><w:r><w:t>It was </w:t></w:r><w:ins><w:r><w:t>never </w:t></w:r></w:ins><w:del><w:r>
<w:delText>always </w:delText></w:r></w:del><w:r><w:t>lost.</w:t><w:br/><w:t>A</w:t><w:tab/>
<w:t>B</w:t></w:r></w:p>
"""


def test_what_is_in_forms_and_tracked_changes(tmp_path):
    document = docx.Document()
    for element in reversed(list(parse_xml(f"<w:x {nsdecls('w')}>{BODY.format(w='')}</w:x>"))):
        document.element.body.insert(0, element)
    assert text_of(tmp_path, document) == "In a form.\n\nIt was never lost.\nA\tB"


def test_a_title_that_a_program_gave_is_none(tmp_path):
    document = docx.Document()
    document.core_properties.title = "Word Document"
    document.add_paragraph("It is old.")
    assert read(tmp_path, document)[0].title == "mill"


def test_a_title_in_the_text(tmp_path):
    document = docx.Document()
    document.add_heading("Mills", 0)
    document.add_paragraph("They are old.")
    document.add_heading("History", 1)
    document.add_paragraph("It is long.")
    assert [p.title for p in read(tmp_path, document)] == ["Mills", "Mills > History"]


def zipped():
    data = BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("a.txt", "no document")
    return data.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"words", "is no .docx that can be read: "),
        (zipped(), "is no .docx that can be read: "),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "is encrypted, or an old .doc; save it"),
    ],
)
def test_unreadable(tmp_path, data, message):
    path = tmp_path / "mill.docx"
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match=f"mill.docx: {message}"):
        read_passages(path)


def test_a_document_without_text(tmp_path):
    with pytest.raises(FileFormatError, match="has no text"):
        read(tmp_path, docx.Document())


def test_one_that_was_cut_off(tmp_path):
    path = tmp_path / "mill.docx"
    document = docx.Document()
    document.add_paragraph("It is old.")
    document.save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(FileFormatError, match=r"is no .docx that can be read"):
        read_passages(path)
