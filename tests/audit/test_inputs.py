"""Log files, row by row, whatever they are written as."""

import json

import pytest

from at2_rag import FileFormatError, InputError
from at2_rag.audit import open_logs

ROWS = [{"question": "Who?", "n": 1}, {"question": "Wer?", "n": None}, {"question": "誰", "n": 3}]


def rows_of(path):
    [log] = open_logs([path])
    lines = list(log.lines())
    assert log.count() == len(lines)
    return [(line.place, line.row()) for line in lines]


@pytest.mark.parametrize(
    ("name", "text", "numbers"),
    [
        ("a.jsonl", "{}\n{}\n{}\n", (":1", ":2", ":3")),
        ("a.ndjson", "\ufeff{}\r\n\n  \n{}\n{}", (":1", ":4", ":5")),
        ("a.json", "{}\n{}\n{}", (":1", ":2", ":3")),
        ("a.json", " [{}, {}, {}]", ("#1", "#2", "#3")),
    ],
)
def test_json(tmp_path, name, text, numbers):
    path = tmp_path / name
    filled = text.replace("{}", "%s") % tuple(json.dumps(row) for row in ROWS)
    path.write_text(filled, encoding="utf-8")
    assert rows_of(path) == [
        (f"{path}{number}", row) for number, row in zip(numbers, ROWS, strict=True)
    ]


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.Table.from_pylist(ROWS), path)
    assert rows_of(path) == [(f"{path}#{number}", row) for number, row in enumerate(ROWS, start=1)]


@pytest.mark.parametrize(
    ("line", "message"),
    [(b"[1]", "a JSON list"), (b"{", "malformed JSON"), (b"\xff{}", "byte 0xff is not UTF-8")],
)
def test_a_line_that_is_no_row_is_told_by_itself(tmp_path, line, message):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"n": 1}\n' + line + b'\n{"n": 2}\n')
    [log] = open_logs([path])
    first, bad, last = log.lines()
    assert (first.row(), last.row()) == ({"n": 1}, {"n": 2})
    with pytest.raises(InputError, match=message):
        bad.row()


def test_files_that_cannot_be_read_are_told(tmp_path):
    (tmp_path / "a.csv").write_text("x", encoding="utf-8")
    (tmp_path / "a.json").write_text("[{", encoding="utf-8")
    (tmp_path / "a.parquet").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="No files"):
        open_logs([])
    with pytest.raises(FileFormatError, match=r"gone\.jsonl: cannot be read"):
        open_logs([tmp_path / "gone.jsonl"])
    with pytest.raises(FileFormatError, match="is of another kind"):
        open_logs([tmp_path / "a.csv"])
    [log] = open_logs([tmp_path / "a.json"])
    with pytest.raises(FileFormatError, match="malformed JSON"):
        log.count()
    [log] = open_logs([tmp_path / "a.parquet"])
    with pytest.raises(FileFormatError, match="no Parquet file"):
        log.count()
