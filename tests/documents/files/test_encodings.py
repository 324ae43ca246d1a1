"""What bytes are read as that are not UTF-8, and what is said of it."""

import pytest

from at2_rag.documents.files import FilesWarning, read_passages
from at2_rag.documents.files.encodings import decode
from at2_rag.errors import FileFormatError

TEXTS = {
    "cp1252": "Die Mühle am Brel wurde 1820 von Anna Müller gebaut – „für immer“, schrieb sie.",
    "latin-1": "El molino se construyó en 1820; el dueño volvió el año siguiente y lo vendió.",
    "cp1250": "Młyn nad rzeką zbudowała w 1820 roku Łucja Zając, a później go sprzedała.",
    "cp1254": "Değirmen 1820 yılında yapıldı; sahibi ertesi yıl geri döndü ve onu sattı, doğru.",
    "cp1251": "Мельница на реке была построена в 1820 году, а потом её продали.",
    "koi8_r": "Мельница на реке была построена в 1820 году, а потом её продали.",
    "cp1253": "Ο μύλος χτίστηκε το 1820 από την Άννα, και αργότερα πουλήθηκε.",
    "shift_jis": "水車小屋は1820年にアンナによって建てられた。その後売却された。",
    "euc_jp": "水車小屋は1820年にアンナによって建てられた。その後売却された。",
    "gb18030": "这座磨坊建于1820年,由安娜建造,后来被卖掉了。",
    "big5": "這座磨坊建於1820年,由安娜建造,後來被賣掉了。",
    "cp949": "이 물레방아는 1820년에 안나가 지었고 나중에 팔렸다.",
    "utf-16-le": "The mill was built in 1820.",
    "utf-16-be": "The mill was built in 1820.",
}


@pytest.mark.parametrize("encoding", TEXTS)
def test_the_encoding_of_a_text_is_found_and_called_a_guess(encoding):
    text, remarks = decode(TEXTS[encoding].encode(encoding))
    assert text == TEXTS[encoding]
    [remark] = remarks
    assert remark.startswith("is not UTF-8; read as ")
    assert remark.endswith(", which is a guess")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("text", ["", "words", *TEXTS.values()])
def test_what_is_marked_is_no_guess(encoding, text):
    decoded = decode(text.encode(encoding))
    assert decoded.text.removeprefix("\ufeff") == text
    assert decoded.remarks == ()


def test_a_declared_encoding_is_believed_where_it_can_be():
    data = "młyn".encode("iso8859-2")
    assert decode(data, "iso8859-2") == ("młyn", ())
    assert decode("młyn".encode(), "iso8859-2").text == "młyn"
    assert decode("Die Mühle von Müller".encode("cp1252"), "none").text == "Die Mühle von Müller"


def test_a_few_bad_bytes_do_not_change_how_the_rest_is_read():
    text = "Größe, Müller, Mühle, größer: " * 20
    decoded = decode(text.encode()[:-3] + b"\xff\xc3")
    assert decoded.text.startswith(text[:-3])
    assert decoded.remarks == ("is not all UTF-8; \ufffd stands where it is not",)


@pytest.mark.parametrize(
    "data", [bytes(range(256)) * 9, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(128, 256)) * 3]
)
def test_what_is_no_text(tmp_path, data):
    assert decode(data) is None
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(FileFormatError, match=r"a.txt: is no text in any encoding that is known"):
        read_passages(tmp_path / "a.txt")


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv", "a.rst", "a.html"])
def test_files_say_what_was_guessed(tmp_path, name):
    text = "<p>" * name.endswith("html") + f"Name;Ort\n{TEXTS['cp1252']};Brel\n"
    (tmp_path / name).write_bytes(text.encode("cp1252"))
    with pytest.warns(FilesWarning, match=rf"^{name}: is not UTF-8; read as cp1252, which is a"):
        passages = read_passages(tmp_path / name)
    assert TEXTS["cp1252"] in " ".join(passage.text for passage in passages)


def test_records_in_another_encoding(tmp_path):
    (tmp_path / "a.jsonl").write_bytes('{"text": "Mühle."}\n'.encode("utf-16"))
    [passage] = read_passages(tmp_path / "a.jsonl")
    assert passage.text == "Mühle."
