"""Passages from files: what is read from each kind, and what every bad file says."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from at2_rag.documents.files import SUFFIXES, FilesWarning, read_passages
from at2_rag.documents.files.document import MAX_LENGTH
from at2_rag.documents.passages import Passage, as_passages
from at2_rag.errors import FileFormatError

HUB_EXAMPLE = {
    "id": "5a7",
    "question": "Who?",
    "context": {
        "title": ["Ed Wood", "Oddity"],
        "sentences": [["He made films.", " He died."], ['It was "O!', '", she said.']],
    },
}
ORIGINAL_EXAMPLE = {"_id": "5b8", "context": [["Ed Wood", ["He made films.", " He died."]]]}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_json(path, value):
    return write(path, json.dumps(value))


def assert_cut_verbatim(data, passages):
    """Every passage is a piece of the file, and no letter of it is lost or read twice."""
    text = data.decode("utf-8")
    position = 0
    for passage in passages:
        start, end = passage.metadata["start"], passage.metadata["end"]
        assert text[start:end] == passage.text
        assert position <= start < end
        assert not text[position:start].removeprefix("\ufeff").strip()
        assert 0 < len(passage.text.strip()) == len(passage.text) <= MAX_LENGTH
        position = end
    assert not text[position:].strip()


# Lines that make paragraphs, headings, long sentences, and every kind of line end and blank.
PIECES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.sampled_from(
        ["\n", "\n\n", "\r\n", "\r\n \r\n", "\r", "\u2028", "\x0c", "\t", " ", "\ufeff"]
    ),
    st.sampled_from(
        ["# A title\n", "\n## Below\n\n", "1.", "He came. She left! Who? ", "三日月。"]
    ),
    st.integers(100, 700).map(lambda n: "x" * n),
    st.integers(10, 90).map(lambda n: "Dr. Wu saw it. He ran " * n),
)


@given(st.lists(PIECES, max_size=12).map("".join), st.sampled_from(["f.md", "f.txt"]))
def test_any_text_is_cut_into_verbatim_pieces_that_cover_it_once(text, name):
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder, name), text)
        if text.removeprefix("\ufeff").strip():
            assert_cut_verbatim(text.encode(), read_passages([path]))
        else:
            with pytest.raises(FileFormatError, match="empty"):
                read_passages([path])


def test_short_paragraphs_are_merged_and_long_ones_cut_before_sentences(tmp_path):
    sentences = [f"Sentence {n} by Dr. Wu says nothing that was not said. " for n in range(60)]
    text = "First.\n\nSecond.\n \nThird.\n\n\n" + "".join(sentences)
    passages = read_passages([write(tmp_path / "notes.txt", text)])
    assert_cut_verbatim(text.encode(), passages)
    assert passages[0].text == "First.\n\nSecond.\n \nThird."
    assert len(passages) > 3
    assert all(p.text.startswith("Sentence") and p.text.endswith("said.") for p in passages[1:])
    assert all(len(p.text) > MAX_LENGTH - len(sentences[-1]) for p in passages[1:-1])
    assert [p.id for p in passages] == [f"notes.txt#{n + 1}" for n in range(len(passages))]
    assert {p.title for p in passages} == {"notes"}
    assert {p.metadata["path"] for p in passages} == {str(tmp_path / "notes.txt")}


def test_sentence_without_an_end_is_cut_at_spaces_and_a_word_without_spaces_anywhere(tmp_path):
    text = "word " * 500 + "x" * 2500
    passages = read_passages([write(tmp_path / "endless.txt", text)])
    assert_cut_verbatim(text.encode(), passages)
    assert {p.text.split()[0] for p in passages[:2]} == {"word"}
    assert all(p.text.endswith("word") for p in passages[:2])


def test_markdown_has_the_path_of_its_headings_as_title_and_keeps_sections_whole(tmp_path):
    sections = ["---", "## The *house* ##", "### Below", "It is old.", "# Garden\nIt is wide."]
    text = "\n\n".join([*sections, "And green."])
    passages = read_passages([write(tmp_path / "a.md", text)])
    assert_cut_verbatim(text.encode(), passages)
    assert [p.text for p in passages] == [
        "---",
        "## The *house* ##\n\n### Below\n\nIt is old.",
        "# Garden\nIt is wide.\n\nAnd green.",
    ]
    assert [p.title for p in passages] == ["a", "The *house* > Below", "Garden"]


def test_a_heading_without_a_blank_line_before_it_begins_a_passage(tmp_path):
    text = "It is old.\n# Garden\nIt is wide.\n## Pond\nIt is deep.\n## Trees #\nThey are high.\n"
    passages = read_passages([write(tmp_path / "a.md", text)])
    assert_cut_verbatim(text.encode(), passages)
    assert [(p.title, p.metadata["line"]) for p in passages] == [
        ("a", 1), ("Garden", 2), ("Garden > Pond", 4), ("Garden > Trees", 6),
    ]  # fmt: skip


@pytest.mark.parametrize("fence", ["```", "~~~~", "```sh"])
def test_a_number_sign_in_code_is_no_heading(tmp_path, fence):
    text = f"# Use\n\n{fence}\n# not a heading\n\n## nor this\n{fence.rstrip('sh')}\n\n# Then\n\nx"
    passages = read_passages([write(tmp_path / "a.md", text)])
    assert [p.title for p in passages] == ["Use", "Then"]


FRONT = """---
title: "The mill"
author: Ida Noor
tags: [mills, 'old ones']
years:
- 1203
- 1388
# a note
url: https://mill.test
---
"""


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_front_matter_gives_title_and_metadata_and_is_no_passage(tmp_path, mark, line_end):
    text = (mark + FRONT + "It is old.\n\n# The mill\n\nA\n\n## Wheel\n\nB").replace("\n", line_end)
    path = write(tmp_path / "a.md", text)
    passages = read_passages([path])
    assert [(p.title, p.text.split()[-1]) for p in passages] == [
        ("The mill", "old."), ("The mill", "A"), ("The mill > Wheel", "B"),
    ]  # fmt: skip
    first = passages[0]
    assert first.url == "https://mill.test"
    assert first.metadata == {
        "path": str(path), "line": 11, "start": text.index("It is"), "end": text.index("old.") + 4,
        "author": "Ida Noor", "tags": ["mills", "old ones"], "years": ["1203", "1388"],
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["---\ntitle: x\n\nNo end.", "---\nIt is old.\n---\n", "---\n---\nx", "x\n---\na: b\n---\n"],
)
def test_what_is_no_front_matter_stays_text(tmp_path, text):
    passages = read_passages([write(tmp_path / "a.md", text)])
    assert_cut_verbatim(text.encode(), passages)
    assert {p.title for p in passages} == {"a"}


def test_places_in_files(tmp_path):
    text = "One.\r\nTwo.\n\f\nFour.\n\nFive."
    passages = read_passages([write(tmp_path / "a.txt", text)])
    path = tmp_path / "a.txt"
    assert [(p.text, p.page) for p in passages] == [
        ("One.\r\nTwo.", "p. 1"), ("Four.\n\nFive.", "p. 2"),
    ]  # fmt: skip
    one, two = passages
    assert one.place_of(one.text.index("Two")) == f"{path}:2"
    assert (one.file, one.line_of(one.text.index("Two"))) == (str(path), 2)
    assert two.place_of(two.text.index("Five")) == f"{path}:6"
    [record] = read_passages([write(tmp_path / "p.jsonl", '\n{"text": "A.\\nB."}')])
    assert record.place_of(3) == f"{tmp_path / 'p.jsonl'}:2"
    [item] = read_passages([write(tmp_path / "p.json", '["A."]')])
    assert item.place_of(0) == str(tmp_path / "p.json")
    assert Passage("A.").place_of(0) is None
    assert (item.file, item.line_of(0)) == (str(tmp_path / "p.json"), None)
    assert (Passage("A.").file, Passage("A.").line_of(0)) == (None, None)


def test_heading_is_not_left_alone_above_a_long_paragraph(tmp_path):
    text = "# Long\n\n" + "It goes on. " * 200
    passages = read_passages([write(tmp_path / "a.md", text)])
    assert_cut_verbatim(text.encode(), passages)
    assert passages[0].text.startswith("# Long\n\nIt goes on.")


def test_plain_text_has_no_headings(tmp_path):
    [passage] = read_passages([write(tmp_path / "a.txt", "# one\n\nx\n\n# two\n\ny")])
    assert passage.title == "a"


def test_line_ends_and_byte_order_mark_keep_offsets_true(tmp_path):
    data = b"\xef\xbb\xbfOne\r\nline.\r\n\r\n\xf0\x9f\x8c\x99 Two.\r\n"
    [passage] = read_passages([write(tmp_path / "w.txt", data)])
    assert passage.text == "One\r\nline.\r\n\r\n🌙 Two."
    assert_cut_verbatim(data, [passage])


def test_json_lines(tmp_path):
    lines = [
        {"text": "A.", "id": "a", "title": "Letter", "url": "https://a.test", "year": 1900},
        {"text": "B.", "id": 7, "title": None, "metadata": {"year": 1901}, "tag": "x"},
        {"text": "C.\u2028D."},
    ]
    content = "\ufeff" + "\r\n\r\n".join(json.dumps(x, ensure_ascii=False) for x in lines) + "\n"
    path = write(tmp_path / "p.jsonl", content)
    place = {"path": str(path)}
    assert read_passages([path]) == [
        Passage("A.", "Letter", "a", "https://a.test", {**place, "line": 1, "year": 1900}),
        Passage("B.", None, "7", None, {**place, "line": 3, "tag": "x", "year": 1901}),
        Passage("C.\u2028D.", None, "p.jsonl#5", None, {**place, "line": 5}),
    ]


def test_json_list_of_strings_and_objects_and_a_single_object(tmp_path):
    path = write_json(tmp_path / "p.json", ["A.", {"text": "B.", "id": "b", "n": [1]}])
    assert read_passages([path]) == [
        Passage("A.", id="p.json#1", metadata={"path": str(path)}),
        Passage("B.", id="b", metadata={"path": str(path), "n": [1]}),
    ]
    [single] = read_passages([write_json(tmp_path / "one.json", {"text": "C."})])
    assert single.text == "C."


@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: [e]])
def test_hotpotqa_example_in_both_schemas(tmp_path, wrap):
    hub = read_passages([write_json(tmp_path / "hub.json", wrap(HUB_EXAMPLE))])
    assert [(p.id, p.title, p.text) for p in hub] == [
        ("hub.json#1", "Ed Wood", "He made films. He died."),
        ("hub.json#2", "Oddity", 'It was "O!", she said.'),
    ]
    [original] = read_passages([write_json(tmp_path / "first.json", wrap(ORIGINAL_EXAMPLE))])
    assert (original.title, original.text) == ("Ed Wood", "He made films. He died.")


def test_sentences_without_spaces_of_their_own_are_joined_with_one(tmp_path):
    path = write_json(tmp_path / "x.json", {"context": [["T", ["One.", "Two."]], ["U", []]]})
    assert [p.text for p in read_passages([path])] == ["One. Two.", ""]


def test_one_of_several_examples_is_chosen_by_number_or_id(tmp_path):
    path = write_json(tmp_path / "dev.json", [HUB_EXAMPLE, ORIGINAL_EXAMPLE])
    assert len(read_passages([f"{path}#1"])) == 2
    assert read_passages([f"{path}#2"]) == read_passages([f"{path}#2", f"{path}#2"])
    by_id = read_passages([f"{path}#5b8"])
    assert [(p.id, p.title) for p in by_id] == [("dev.json#5b8#1", "Ed Wood")]
    assert len({p.id for p in read_passages([f"{path}#1", f"{path}#2"])}) == 3


def test_file_whose_own_name_has_a_hash_sign(tmp_path):
    assert read_passages([write(tmp_path / "c#1.txt", "A.")])[0].text == "A."


def test_folder_is_read_below_sorted_without_hidden_blank_and_other_files(tmp_path):
    for name in ["b.txt", "sub/deep/a.MD", "a.txt", ".hidden.txt", ".git/x.txt", "code.py"]:
        write(tmp_path / "docs" / name, f"In {name}.")
    write(tmp_path / "docs/blank.txt", "\ufeff\u2003\n")
    with pytest.warns(FilesWarning, match="^skipped ") as told:
        passages = read_passages([tmp_path / "docs"])
    assert len(told) == 3
    assert [p.text for p in passages] == ["In a.txt.", "In b.txt.", "In sub/deep/a.MD."]
    assert [p.id for p in passages] == ["a.txt#1", "b.txt#1", "sub/deep/a.MD#1"]


def test_ids_are_unique_across_files_of_the_same_name_and_a_file_named_twice(tmp_path):
    one, two = write(tmp_path / "one/a.txt", "A."), write(tmp_path / "two/a.txt", "B.")
    passages = read_passages([one, str(two), tmp_path / "one"])
    assert [p.text for p in passages] == ["A.", "B."]
    assert [p.id for p in passages] == [f"{one.as_posix()}#1", f"{two.as_posix()}#1"]
    assert as_passages(passages) == tuple(passages)


BAD_FILES = [
    ("a.txt", b"", "{path}: the file is empty"),
    ("a.md", b"\xef\xbb\xbf \n\n", "{path}: the file is empty"),
    ("a.txt", b"\x00\xff\xfe\xfd", "{path}: is no text in any encoding that is known"),
    ("a.jsonl", b"\n \n", "{path}: the file is empty"),
    ("a.jsonl", b'{"text": "A."}\n\n{"text": }\n', "{path}:3: malformed JSON at column 10"),
    ("a.jsonl", b'{"text": "A."}\n{"title": "T"}', "{path}:2: no 'text' among 'title'"),
    ("a.jsonl", b"{}", "{path}:1: no 'text' among no keys"),
    ("a.jsonl", b'{"text": 3}', "{path}:1: 'text' is a JSON number; expected a string"),
    ("a.jsonl", b'{"text": null}', "{path}:1: 'text' is a JSON null"),
    ("a.jsonl", b'{"text": "A.", "title": ["T"]}', "{path}:1: 'title' is a JSON array"),
    ("a.jsonl", b'{"text": "A.", "id": true}', "{path}:1: 'id' is a JSON boolean"),
    ("a.jsonl", b'{"text": "A.", "metadata": 1.5}', "{path}:1: 'metadata' is a JSON number"),
    ("a.jsonl", b'{"text": "\\ud83d"}', "{path}:1: 'text' holds half of a surrogate pair"),
    ("a.jsonl", b'["A."]', "{path}:1: a JSON array; expected an object with a 'text'"),
    (
        "a.jsonl",
        b'{"text": "A.", "id": "x"}\n{"text": "B.", "id": "x"}',
        "{path}:2: the id 'x' is also used at {path}:1; expected unique ids",
    ),
    ("a.json", b'[\n{"text" "A."}]', "{path}:2: malformed JSON at column 9"),
    ("a.json", b"[" * 100_000, "{path}: JSON that cannot be read"),
    ("a.json", b"[" + b"1" * 5000 + b"]", "{path}: JSON that cannot be read"),
    ("a.md", b"---\na: b\n---\n \n", "{path}: the file has nothing but front matter"),
    ("a.json", b"[]", "{path}: the list is empty"),
    ("a.json", b'["A.", 3]', "{path}: item 2: a JSON number; expected an object"),
    ("a.json", b'[{"text": "A."}, {"context": []}]', "{path}: item 2: no 'text' among 'context'"),
    ("a.json", b"[{}, {}]", "{path}: item 1: no 'text'"),
    ("a.json", b'{"context": []}', "{path}: a 'context' that cannot be read; expected"),
    ("a.json", b'{"context": "words"}', "{path}: a 'context' that cannot be read"),
    ("a.json", b'{"context": [["T", "not a list"]]}', "{path}: a 'context' that cannot be read"),
    ("a.json", b'{"context": [["T", ["A."], 3]]}', "{path}: a 'context' that cannot be read"),
    ("a.json", b'{"context": {"title": ["T"], "sentences": []}}', "{path}: a 'context' that"),
    ("a.json", b'{"context": {"title": ["T"]}}', "{path}: a 'context' that cannot be read"),
    ("a.json", b'{"context": {"title": [3], "sentences": [["A."]]}}', "{path}: a 'context' that"),
    (
        "a.json",
        b'[{"context": []}, {"context": []}]',
        "{path}: the file holds 2 examples; expected one. Choose it by number or id: a.json#1 to",
    ),
    ("a.py", b"x = 1", f"{{path}}: has the suffix .py; expected one of {', '.join(SUFFIXES)}"),
    ("README", b"words", "{path}: has no suffix; expected one of .txt"),
    ("folder/a.py", b"words", "{folder}: a folder with no file that ends in .txt"),
    ("folder/a.txt", b"", "{path}: the file is empty"),
    ("folder/~$a.txt", b"x", "{folder}: a folder with nothing that can be read (~$a.txt: a note"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_FILES)
def test_bad_file_is_refused_with_path_line_and_what_was_expected(tmp_path, name, content, message):
    path = write(tmp_path / name, content)
    given_path = path.parent if path.parent.name == "folder" else path
    with pytest.raises(FileFormatError) as caught:
        read_passages([given_path])
    assert str(caught.value).startswith(message.format(path=path, folder=path.parent))


@pytest.mark.parametrize("selection", ["0", "3", "-1", "x", ""])
def test_example_that_is_not_in_the_file(tmp_path, selection):
    path = write_json(tmp_path / "dev.json", [HUB_EXAMPLE, ORIGINAL_EXAMPLE])
    with pytest.raises(FileFormatError, match=r"no example .*an id from the file.*1 to 2"):
        read_passages([f"{path}#{selection}"])


def test_choosing_an_example_where_there_are_none(tmp_path):
    path = write_json(tmp_path / "p.json", ["A."])
    with pytest.raises(FileFormatError, match="chooses an example, but"):
        read_passages([f"{path}#1"])


@pytest.mark.parametrize("name", ["gone.txt", "gone.json#1", "gone", "x" * 5000])
def test_missing_file_is_named(tmp_path, name):
    with pytest.raises(FileFormatError, match=f"{name[:50]}.*: (no such file|cannot be read)"):
        read_passages([tmp_path / name])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_file_that_may_not_be_read(tmp_path):
    path = write(tmp_path / "a.txt", "A.")
    path.chmod(0)
    with pytest.raises(FileFormatError, match="cannot be read: Permission denied"):
        read_passages([path])


def test_no_paths():
    with pytest.raises(FileFormatError, match="No files were given"):
        read_passages([])


def test_one_path_without_a_list_and_any_iterable(tmp_path):
    path = write(tmp_path / "a.txt", "A.")
    assert read_passages(path) == read_passages(str(path)) == read_passages(iter([path]))
