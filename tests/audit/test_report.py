"""Reports: what is counted, by what, and on which page."""

import re
from dataclasses import replace
from html import escape

import pytest
from support.logs import make_rows, write_rows

from at2_rag import Answer, FileFormatError, InputError
from at2_rag.audit import AuditFolder, AuditOptions, audit_files
from at2_rag.audit.report import report_of


@pytest.fixture(scope="module")
def audited(demo_reader, tmp_path_factory):
    folder = tmp_path_factory.mktemp("audited")
    rows = [{**row, "meta": {"day": index // 4}} for index, row in enumerate(make_rows(9))]
    for index in (2, 5):  # which nothing in the passages made anybody say
        rows[index] |= {"question": "Who is <b>Bob & Tom</b>?", "answer": "Bob."}
    log = write_rows(folder / "log.jsonl", [*rows, "no JSON"])
    return audit_files(demo_reader, [log], folder / "out", AuditOptions(rows_per_part=4)).folder


@pytest.fixture(scope="module")
def records(audited):
    return list(AuditFolder.at(audited).records())


def test_counts_are_those_of_the_records(audited, records):
    [summary] = report_of([audited]).summaries
    tally = summary.overall
    judged = [r for r in records if r["at2_supported_share"] is not None]
    supported = sum(r["at2_supported"] for r in judged)
    unsupported = sum(r["at2_unsupported"] for r in judged)
    assert (tally.rows, tally.judged_rows, summary.rejected) == (9, len(judged), 1)
    assert tally.supported_share == supported / (supported + unsupported)
    assert tally.unsupported_answers == sum(r["at2_unsupported"] > 0 for r in judged) / len(judged)
    assert tally.citations_per_answer == sum(r["at2_citations"] for r in records) / 9
    for rank in range(3):
        assert tally.used_at(rank) == sum(rank in r["at2_used"] for r in records) / 9
        within = [r for r in records if all(used < rank for used in r["at2_used"])]
        assert tally.enough_with(rank) == len(within) / 9
    assert tally.passages_for(1.0) == max(r["at2_enough"] for r in records)
    assert tally.saved == sum(r["at2_unused_tokens"] for r in records) / sum(
        r["at2_prompt_tokens"] for r in records
    )


@pytest.mark.parametrize(("by", "sizes"), [("retriever", [5, 4]), ("meta.day", [4, 4, 1])])
def test_groups_part_the_rows(audited, by, sizes):
    [summary] = report_of([audited], by).summaries
    assert [tally.rows for tally in summary.groups.values()] == sizes
    for name in ("statements", "supported", "citations", "unused_tokens"):
        parts = [getattr(tally, name) for tally in summary.groups.values()]
        assert sum(parts) == getattr(summary.overall, name)


def test_the_worst_come_first(audited, records):
    [summary] = report_of([audited]).summaries
    shares = [record["at2_supported_share"] for record in summary.worst]
    assert shares == sorted(r["at2_supported_share"] for r in records if r["at2_unsupported"])
    assert len(shares) == 2
    [few] = report_of([audited], worst=1).summaries
    assert list(few.worst) == list(summary.worst[:1])


def test_the_page_needs_nothing_else_and_shows_what_is_written_as_text(audited):
    pytest.importorskip("matplotlib")
    page = report_of([audited], "retriever").page()
    assert "Who is &lt;b&gt;Bob &amp; Tom&lt;/b&gt;?" in page
    assert "<b>Bob" not in page
    assert page.count("<svg") == 1
    assert "<script" not in page
    # Namespaces are names; nothing is fetched.
    assert not re.search(r"""(?:src|href)=["'](?!#)""", page.replace("xlink:href", "href"))
    assert "@import" not in page
    assert page == report_of([audited], "retriever").page()


def test_with_scores_each_answer_is_shown_as_its_own_page(demo_reader, tmp_path):
    rows = [{**make_rows(1)[0], "question": "Who is <b>Bob</b>?", "answer": "Bob."}]
    log = write_rows(tmp_path / "log.jsonl", rows)
    options = AuditOptions(scores=True)
    out = audit_files(demo_reader, [log], tmp_path / "out", options).folder
    [record] = AuditFolder.at(out).records()
    answer = Answer.from_dict(record["at2_record"])
    assert escape(answer.to_html()) in report_of([out]).page()


def test_two_runs_are_compared(audited, demo_reader, tmp_path):
    rows = [{**row, "meta": {"day": index // 4}} for index, row in enumerate(make_rows(9))]
    log = write_rows(tmp_path / "log.jsonl", rows)
    other = audit_files(demo_reader, [log], tmp_path / "out").folder
    found = report_of([audited, other])
    assert list(found.tallies) == ["A", "B"]
    assert [(each.name, each.before < each.after) for each in found.changed] == [
        ("row 2", True),
        ("row 5", True),
    ]
    assert "row 2" in found.page()
    same = report_of([audited, audited])
    assert same.changed == ()
    assert replace(same, summaries=same.summaries[:1]).tallies["all"].rows == 9


def test_what_is_no_audit_is_told(audited, tmp_path):
    with pytest.raises(FileFormatError, match=r"has no _manifest\.json"):
        report_of([tmp_path])
    with pytest.raises(InputError, match="expected a column: id, question"):
        report_of([audited], "gone")
    with pytest.raises(InputError, match="There are 0 folders"):
        report_of([])
