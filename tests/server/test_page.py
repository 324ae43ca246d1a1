"""What a page asks for: everything that the reader has, as it has it."""

import json

import pytest
from support.comparing import check_same, what_was_said
from support.serving import PASSAGES, QUESTION, error_of, events_of, served

from at2_rag import Answer, Passage, Statement

TEXT = "Vungon is led by Tete Gorun. She was born in Nengos."
GIVEN = [Passage(**fields) for fields in PASSAGES]
ASKING = {"question": QUESTION, "passages": PASSAGES}


@pytest.fixture(scope="module")
def server(demo_reader):
    with served(demo_reader) as running:
        yield running


def check_answer(told, own):
    """Assert that an answer from the server is the reader's, but for the model's name."""
    found = Answer.from_dict(told)
    assert found.model == "tiny"
    told, own = what_was_said(found), what_was_said(own)
    for each in (told, told["draft"] or {}):
        each["model"] = own["model"]
    check_same(told, own)


def test_events_add_up_to_the_readers_answer(server, demo_reader):
    events = events_of(server.post("/api/answer", json=ASKING))
    *pieces, (name, answer) = events
    own = demo_reader.answer(QUESTION, GIVEN)
    assert name == "answer"
    check_answer(answer, own)
    text, statements = "", []
    for name, data in pieces:
        if name == "text":
            text += data["text"]
        else:
            assert name == "statement"
            statements.append(Statement.from_dict(data))
            assert len(text) == statements[-1].end
    assert text == own.text
    assert len(statements) == len(own.statements)


def test_what_is_proven_comes_behind_the_text_as_it_is_written(server, demo_reader):
    events = events_of(server.post("/api/answer", json={**ASKING, "options": {"prove": 2}}))
    texts = {name: "".join(data["text"] for found, data in events if found == name)
             for name in ("writing", "text")}  # fmt: skip
    own = demo_reader.answer(QUESTION, GIVEN, prove=2)
    assert texts == {"writing": own.text, "text": own.text}
    names = [name for name, _ in events]
    assert names.index("text") == names.count("writing") > 3
    last = [data["last"] for name, data in events if name == "writing"]
    assert last == [False] * (len(last) - 1) + [True]
    check_answer(events[-1][1], own)


def test_an_answer_may_come_at_once_and_without_its_scores(server, demo_reader):
    body = {**ASKING, "stream": False, "options": {"prune_to": 2}}
    whole = server.post("/api/answer", json=body).json()["answer"]
    check_answer(whole, demo_reader.answer(QUESTION, GIVEN, prune_to=2))
    short = server.post("/api/answer", json={**body, "attribution": False}).json()["answer"]
    assert short["attribution"] is short["draft"]["attribution"] is None
    assert short["statements"] == whole["statements"]


def test_citing_is_the_readers(server, demo_reader):
    told = server.post("/api/cite", json={**ASKING, "answer": f" {TEXT}"}).json()["answer"]
    check_answer(told, demo_reader.attribute(QUESTION, GIVEN, f" {TEXT}"))


@pytest.mark.parametrize("by", ["attention", "removal"])
def test_proof_is_the_readers(server, demo_reader, by):
    own = demo_reader.verify(demo_reader.attribute(QUESTION, GIVEN, TEXT), by=by).to_dict()
    told = server.post("/api/prove", json={**ASKING, "answer": TEXT, "by": by}).json()
    check_same(told["verification"], own)


def without_factors(statement):
    """Leave out what is the exponential of a drop, and has a million times its rounding."""

    def drops(evidence):
        return {name: value for name, value in evidence.items() if name != "factor"}

    alone = [drops(evidence) for evidence in statement["alone"]]
    return {**statement, "together": drops(statement["together"]), "alone": alone}


def test_one_statement_may_be_proven(server, demo_reader):
    own = demo_reader.verify(demo_reader.attribute(QUESTION, GIVEN, TEXT)).to_dict()
    asking = {**ASKING, "answer": TEXT, "statement": 1}
    told = server.post("/api/prove", json=asking).json()["verification"]
    assert [bool(each["alone"]) for each in told["statements"]] == [False, True]
    check_same(*map(without_factors, (told["statements"][1], own["statements"][1])))
    error = error_of(server.post("/api/prove", json={**asking, "statement": 2}))
    assert error["message"].startswith("statement is 2; expected below 2")


@pytest.mark.parametrize(
    "rule", [{"top_k": 1}, {"min_share": 0.3}, {"top_k": 2, "unit": "sentence"}]
)
def test_pruning_is_the_readers(server, demo_reader, rule):
    own = demo_reader.prune(QUESTION, GIVEN, **rule)
    told = server.post("/api/prune", json={**ASKING, **rule}).json()["pruned"]
    assert [passage["text"] for passage in told["passages"]] == [p.text for p in own.passages]
    assert told["kept"] == list(own.kept)
    assert told["spans"] == [[list(span) for span in spans] for spans in own.spans]
    assert told["saved"]["tokens"] == list(own.saved.tokens)
    check_same(told["scores"], list(own.scores))
    check_answer(told["draft"], own.draft)


def test_pruning_by_the_question_tells_of_no_draft(server, demo_reader):
    own = demo_reader.prune(QUESTION, GIVEN, top_k=1, rank_by="question")
    asking = {**ASKING, "top_k": 1, "options": {"rank_by": "question"}}
    told = server.post("/api/prune", json=asking).json()["pruned"]
    assert (told["kept"], told["draft"]) == (list(own.kept), None)
    check_same(told["scores"], list(own.scores), steps=4096)
    asking = {**ASKING, "options": {"rank_by": "question", "prune_to": 1}}
    *_, (name, answer) = events_of(server.post("/api/answer", json=asking))
    assert (name, answer["kept"]) == ("answer", list(own.kept))


def test_sampling_is_not_for_citing(server):
    body = {**ASKING, "answer": TEXT, "options": {"temperature": 1.0, "seed": 3}}
    assert server.post("/api/cite", json=body).status_code == 200


REFUSED = {
    "/api/answer": ({"passages": []}, {"question": ""}, {"options": {"on_overflow": "cry"}},
                    {"history": [{"role": "user"}]}, {"language": "english"},
                    {"passages": [{"text": "x", "metadata": 3}]},
                    {"options": {"language": "klingon"}, "stream": False}),
    "/api/cite": ({}, {"answer": " "}, {"answer": TEXT, "thoughts": "Hm."}),
    "/api/prove": ({}, {"answer": TEXT, "by": "magic"}),
    "/api/prune": ({}, {"top_k": 1, "min_share": 0.5}, {"top_k": 0}),
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "change"), [(path, change) for path, all_ in REFUSED.items() for change in all_]
)
def test_what_cannot_be_done_is_refused_in_words(server, path, change):
    response = server.post(path, json={**ASKING, **change})
    assert response.status_code == 400
    error_of(response)


def test_more_passages_than_are_taken_are_refused(server):
    response = server.post("/api/answer", json={**ASKING, "passages": ["A."] * 1001})
    assert error_of(response)["code"] == "too_many_documents"


def test_what_cannot_be_written_in_utf8_comes_back(server):
    """Half a character in a passage's id, which no model reads."""
    passages = [{"text": "Zandor lies on the Mol.", "id": "\ud83d"}]
    body = {"question": "Where?", "passages": passages, "answer": "On the Mol."}
    kind = {"Content-Type": "application/json"}
    response = server.post("/api/cite", content=json.dumps(body), headers=kind)
    assert response.status_code == 200
    assert json.loads(response.text)["answer"]["passages"][0]["id"] == "\ud83d"


def upload(server, *files):
    return server.post("/api/passages", files=[("files", file) for file in files])


def test_files_are_read_as_passages(server):
    response = upload(
        server,
        ("notes/mill.md", b"# Mill\n\nThe mill was built in 1820."),
        ("b.jsonl", b'{"text": "Vungon is a city.", "title": "Vungon"}\n'),
    )
    passages = response.json()["passages"]
    mill, city = sorted(passages, key=lambda passage: passage["text"])
    assert "The mill was built in 1820." in mill["text"]
    assert city["text"] == "Vungon is a city."
    assert mill["metadata"]["path"] == "notes/mill.md"
    assert "at2-rag-upload" not in response.text
    told = server.post(
        "/api/cite", json={"question": "When?", "passages": passages, "answer": "In 1820."}
    )
    assert told.status_code == 200


OUTSIDE = (
    "../secret.txt", "a/../../secret.txt", "/etc/passwd.txt", "..", "C:secret.txt", ".hidden.txt",
    "a/.git/config.txt", "x" * 600 + ".txt", "/".join("a" * 40) + ".md",
)  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_path_outside_the_upload_is_refused(server, tmp_path, monkeypatch, name):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    response = upload(server, ("fine.txt", b"Yes."), (name, b"Written outside."))
    assert response.status_code == 400
    assert "leads out of the upload" in error_of(response)["message"]
    assert list(tmp_path.rglob("*")) == []


BAD_FILES = (
    (("a.exe", b"MZ"),), (("a.jsonl", b"{"),), (("a.md", b""),), (("a.json", b"[1]"),),
    (("a.txt", b"A."), ("a.txt", b"B.")), (("a.txt", b"\xff\xfe\x00"),),
)  # fmt: skip


@pytest.mark.parametrize("files", BAD_FILES)
def test_a_bad_file_is_told_by_its_name(server, tmp_path, monkeypatch, files):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    response = upload(server, *files)
    assert response.status_code == 400
    message = error_of(response)["message"]
    assert str(tmp_path) not in message
    assert "at2-rag-upload" not in message
    assert list(tmp_path.rglob("*")) == []


def test_no_file_is_no_upload(server):
    assert server.post("/api/passages", data={"files": ""}).status_code == 400
