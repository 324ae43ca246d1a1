"""Logs audited into a folder: nothing lost, nothing twice, and columns come out as they were."""

import datetime
import json
from dataclasses import replace

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.comparing import check_same
from support.logs import make_rows, write_rows

from at2_rag import Answer, FileFormatError, InputError
from at2_rag.audit import AuditFolder, AuditOptions, audit_files
from at2_rag.audit.formats import decode, encode
from at2_rag.audit.records import make_record, without_scores
from at2_rag.reader import Reader

OPTIONS = AuditOptions(rows_per_part=2)


@pytest.fixture
def log(tmp_path):
    return write_rows(tmp_path / "log.jsonl", make_rows(7))


def records_of(out):
    return list(AuditFolder.at(out).records())


def test_a_record_has_the_rows_columns_and_what_was_found(demo_reader, log, tmp_path):
    report = audit_files(demo_reader, [log], tmp_path / "out", OPTIONS)
    assert (report.audited, report.resumed, report.rejected) == (7, 0, 0)
    for index, (record, row) in enumerate(
        zip(records_of(report.folder), make_rows(7), strict=True)
    ):
        assert {name: record[name] for name in row} == row
        assert record["at2_row"] == f"{log}:{index + 1}"
        answer = demo_reader.attribute(row["question"], row["passages"], row["answer"])
        check_same(record["at2_record"], json.loads(json.dumps(without_scores(answer.to_dict()))))
        check_columns(record, answer)


def check_columns(record, answer):
    said = [statement for statement in answer.statements if not statement.refusal]
    cited = {c.passage_index for s in answer.statements for c in s.citations}
    assert record["at2_statements"] == len(said)
    assert record["at2_refused"] == (not said)
    assert record["at2_citations"] == len(answer.citations)
    assert set(record["at2_used"]) == cited
    assert sorted(record["at2_used"] + record["at2_never_used"]) == list(answer.kept)
    assert record["at2_enough"] == max(cited, default=-1) + 1
    assert 0 <= record["at2_unused_tokens"] < record["at2_prompt_tokens"]
    if said:
        share = sum(s.supported for s in said) / len(said)
        assert record["at2_supported_share"] == pytest.approx(share)
        assert record["at2_supported"] + record["at2_unsupported"] == len(said)
    else:
        assert record["at2_supported_share"] is None


class Stopped(BaseException):
    """As abrupt as a kill: nothing handles it."""


@pytest.mark.parametrize("parts", [0, 1, 3])
def test_what_was_stopped_goes_on_and_does_nothing_twice(
    demo_reader, log, tmp_path, monkeypatch, parts
):
    whole = records_of(audit_files(demo_reader, [log], tmp_path / "whole", OPTIONS).folder)

    def stop(done, total, before):
        assert total == 7
        if done >= 2 * parts:
            raise Stopped

    out = tmp_path / "out"
    if parts:
        with pytest.raises(Stopped):
            audit_files(demo_reader, [log], out, OPTIONS, progress=stop)
        assert len(records_of(out)) == 2 * parts
    seen, told = [], []
    audit = Reader.audit

    def watched(self, rows, **options):
        seen.extend(row["id"] for row in rows)
        return audit(self, rows, **options)

    monkeypatch.setattr(Reader, "audit", watched)
    progress = lambda done, total, before: told.append((done, total, before))  # noqa: E731
    report = audit_files(demo_reader, [log], out, OPTIONS, progress=progress)
    assert (report.audited, report.resumed) == (7 - 2 * parts, 2 * parts)
    assert seen == [f"row {index}" for index in range(2 * parts, 7)]
    before = [(2 * parts, 7, True)] if parts else []
    assert told == before + [(n, 7, False) for n in (2, 4, 6, 7) if n > 2 * parts]
    check_same(records_of(out), whole)


def test_another_run_is_refused(demo_reader, golden_reader, log, tmp_path):
    out = tmp_path / "out"
    audit_files(demo_reader, [log], out, OPTIONS)
    other = write_rows(tmp_path / "other.jsonl", make_rows(3))
    calibration = demo_reader.estimator.calibrations[0]
    strict = replace(calibration.supported, threshold=2 * calibration.supported.threshold)
    stricter = replace(calibration, supported=strict)
    recalibrated = demo_reader.with_options(estimator=demo_reader.estimator.calibrated(stricter))
    for reader, files, options, message in (
        (golden_reader, [log], OPTIONS, "the model is"),
        (demo_reader, [other], OPTIONS, r"files\.0 is"),
        (demo_reader, [log], AuditOptions(rows_per_part=3), "rows_per_part is 3, there 2"),
        (demo_reader, [log], AuditOptions(rows_per_part=2, options={"prove": 2}), "settings.prove"),
        (demo_reader, [log], AuditOptions(anew=True, rows_per_part=2), "anew is True"),
        (recalibrated, [log], OPTIONS, "estimator is"),
    ):
        with pytest.raises(InputError, match=message):
            audit_files(reader, files, out, options)
    (out / "_manifest.json").unlink()
    with pytest.raises(FileFormatError, match="holds records and no"):
        audit_files(demo_reader, [log], out, OPTIONS)
    with pytest.raises(InputError, match="Unknown option"):
        audit_files(demo_reader, [log], tmp_path / "new", AuditOptions(options={"x": 1}))
    assert not (tmp_path / "new").exists()


def test_rows_that_cannot_be_used_are_set_apart_with_their_place(demo_reader, tmp_path):
    good = make_rows(5)
    rows = [good[0], "no JSON", good[1], good[2], {"question": "Who?"}, good[3], good[4]]
    log, told = write_rows(tmp_path / "log.jsonl", rows), []
    report = audit_files(demo_reader, [log], tmp_path / "out", OPTIONS, on_reject=told.append)
    assert (report.audited, report.rejected) == (5, 2)
    assert [record["id"] for record in records_of(report.folder)] == [row["id"] for row in good]
    rejects = list(AuditFolder.at(report.folder).rejects())
    assert [reject["file"] for reject in rejects] == [f"{log}:2", f"{log}:5"]
    assert rejects[0]["row"] == "no JSON"
    assert json.loads(rejects[1]["row"]) == {"question": "Who?"}
    assert [(each.place, each.error) for each in told] == [
        (reject["file"], reject["error"]) for reject in rejects
    ]


def test_several_files_and_a_url(demo_reader, tmp_path):
    rows = make_rows(5)
    files = [
        write_rows(tmp_path / "a.jsonl", rows[:3]),
        write_rows(tmp_path / "b.jsonl", rows[3:]),
    ]
    url = "memory://bucket/audit"
    audit_files(demo_reader, files, url, OPTIONS)
    assert [record["id"] for record in records_of(url)] == [row["id"] for row in rows]
    assert audit_files(demo_reader, files, url, OPTIONS).resumed == 5
    fsspec.filesystem("memory").store.clear()


def test_parquet_out_can_be_filtered_by_columns(demo_reader, log, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    lines = audit_files(demo_reader, [log], tmp_path / "lines", OPTIONS)
    options = AuditOptions(rows_per_part=2, kind="parquet")
    report = audit_files(demo_reader, [log], tmp_path / "out", options)
    table = parquet.read_table(report.folder)  # the whole folder, as others read it
    expected = records_of(lines.folder)
    for name in ("id", "at2_supported_share", "at2_used", "at2_enough", "at2_answer"):
        assert table.column(name).to_pylist() == [record[name] for record in expected]
    found = records_of(report.folder)
    check_same([r["at2_record"] for r in found], [r["at2_record"] for r in expected])
    assert [json.loads(r["extra"]) for r in found] == [r["extra"] for r in expected]


def test_columns_of_parquet_keep_their_types(demo_reader, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    day = datetime.date(2026, 11, 29)
    rows = [{**row, "day": day, "n": index} for index, row in enumerate(make_rows(3))]
    table = pyarrow.Table.from_pylist(rows)
    table = table.set_column(table.column_names.index("n"), "n", table["n"].cast(pyarrow.int16()))
    parquet.write_table(table, tmp_path / "log.parquet")
    options = AuditOptions(rows_per_part=2, kind="parquet")
    report = audit_files(demo_reader, [tmp_path / "log.parquet"], tmp_path / "out", options)
    assert parquet.read_table(report.folder).select(table.column_names).equals(table)


@pytest.fixture(scope="module")
def answer(golden_reader):
    return golden_reader.attribute("Who?", ["It was Bob.", "Nobody knows."], "It was Bob. Why?")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=()), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=6))
def test_carried_columns_come_out_unchanged(golden_reader, answer, row):
    record = make_record(row, answer, "log.jsonl:1", golden_reader.tokenizer)
    [found] = decode(encode([record], "jsonl"), "jsonl")
    assert {name: value for name, value in found.items() if not name.startswith("at2_")} == {
        name: value for name, value in row.items() if not name.startswith("at2_")
    }


def test_a_whole_record_leads_back_to_the_answer(answer):
    kept = without_scores(answer.to_dict())
    again = Answer.from_dict({**kept, "attribution": answer.attribution.to_dict()})
    assert again == answer
