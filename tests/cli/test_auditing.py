"""``at2-rag cite`` and ``answer`` of whole logs, killed in the middle, and ``report``."""

import json
import signal
import subprocess
import sys
import time

import fsspec
import pytest
from support.comparing import check_same
from support.logs import make_rows, write_rows
from support.places import REPOSITORY
from typer.testing import CliRunner

from at2_rag.audit import AuditFolder, AuditOptions, audit_files
from at2_rag.cli.app import app

ROWS = 40


def run(*args):
    return CliRunner(env={"COLUMNS": "100"}).invoke(app, list(map(str, args)))


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return write_rows(tmp_path_factory.mktemp("log") / "log.jsonl", make_rows(ROWS))


def test_killed_in_the_middle_it_goes_on_and_nothing_is_lost_or_done_twice(
    demo_reader, log, tmp_path
):
    out = tmp_path / "out"
    command = ["cite", log, "--out", out, "--rows-per-part", 2, "-m", "demo"]
    killed = subprocess.Popen(
        [sys.executable, "-m", "at2_rag.cli", *map(str, command)],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 300
    while len(list(out.glob("part-*"))) < 3 and time.monotonic() < until:
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")}
    assert 3 <= len(before) < ROWS / 2
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert f"{ROWS - 2 * len(before)} rows cited, {2 * len(before)} done before" in result.stdout
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    settings = {"source_unit": "sentence", "max_citations": 3, "on_overflow": "error"}
    options = AuditOptions(rows_per_part=2, options=settings)
    whole = audit_files(demo_reader, [log], tmp_path / "whole", options).folder
    found = list(AuditFolder.at(out).records())
    assert [record["id"] for record in found] == [f"row {index}" for index in range(ROWS)]
    check_same(found, list(AuditFolder.at(whole).records()))


def test_bad_rows_are_told_with_their_lines_and_the_exit_code(tmp_path):
    log = write_rows(tmp_path / "log.jsonl", [make_rows(1)[0], "no JSON", {"question": "Who?"}])
    result = run("cite", log, "--out", tmp_path / "out", "-m", "demo")
    assert result.exit_code == 1
    assert "1 row cited in" in result.stdout
    assert f"set apart: {log}:2: malformed JSON" in result.stderr
    assert f"set apart: {log}:3: there are no passages" in result.stderr
    assert "2 rows set apart: " in result.stderr


def test_questions_are_answered_and_reported(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [{"user_input": r["question"], "retrieved_contexts": [p["text"] for p in r["passages"]],
             "retriever": r["retriever"]} for r in make_rows(4)]  # fmt: skip
    log, out = write_rows(tmp_path / "log.jsonl", rows), tmp_path / "out"
    options = ("-m", "demo", "--prune-to", 2, "--max-new-tokens", 16)
    result = run("answer", log, "--out", out, *options)
    assert result.exit_code == 0, result.output
    assert "4 rows answered in" in result.stdout
    for record in AuditFolder.at(out).records():
        assert len(record["at2_record"]["kept"]) == 2
        assert record["at2_record"]["draft"] is not None
    page = tmp_path / "page.html"
    shown = run("report", out, "--by", "retriever", "--html", page)
    assert shown.exit_code == 0, shown.output
    assert "statements supported" in shown.stdout
    assert f"the page is {page}" in " ".join(shown.stderr.split())
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    two = run("report", out, out)
    assert f"A is {out}, B is {out}" in " ".join(two.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cite", "--out", "{out}"), "No files; expected at least one"),
        (("cite", "gone.jsonl", "--out", "{out}"), "gone.jsonl: cannot be read"),
        (("cite", "{log}", "--out", "{out}", "-q", "Who?"), "--question is for one answer"),
        (("cite", "{log}"), "No answer; expected --answer"),
        (("cite", "{log}", "--engine", "ray"), "--engine ray is for logs; expected --out"),
        (("cite", "{log}", "--out", "{out}", "--actors", "2"), "expected --engine ray with it"),
        (("cite", "memory://gone.jsonl", "--out", "{out}"), "memory://gone.jsonl: cannot be read"),
        (("cite", "zz://gone.jsonl", "--out", "{out}"), "has the unknown protocol 'zz'"),
        (("answer", "{log}", "--out", "memory://run", "--engine", "ray"), "memory of one process"),
        (("answer", "gone.jsonl", "--out", "{out}"), "gone.jsonl: cannot be read"),
        (("report", "{out}"), "has no _manifest.json"),
        (("report", "{out}", "--html", "gone/page.html"), "gone/page.html cannot be written"),
    ],
)
def test_what_is_wrong_is_told_before_a_model_is_loaded(tmp_path, log, arguments, message):
    places = {"out": tmp_path / "out", "log": log}
    model = () if arguments[0] == "report" else ("-m", "./gone")
    result = run(*(each.format(**places) for each in arguments), *model)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in " ".join(result.stderr.split())


def test_where_no_row_could_be_used_no_report_is_advised(tmp_path):
    log = write_rows(tmp_path / "log.jsonl", ["{"])
    result = run("cite", log, "--out", tmp_path / "out", "-m", "demo")
    assert (result.exit_code, result.stdout.split()[:2]) == (1, ["0", "rows"])
    assert "malformed JSON: Expecting property name enclosed in double quotes at character 2" in (
        " ".join(result.stderr.split())
    )
    assert "at2-rag report" not in result.stderr


def test_logs_and_records_may_lie_behind_urls(log, tmp_path):
    files = fsspec.filesystem("memory")
    files.pipe_file("/bucket/log.jsonl", log.read_bytes())
    url = "memory://bucket/log.jsonl"
    result = run("cite", url, "--out", "memory://bucket/out", "-m", "demo")
    assert result.exit_code == 0, result.output
    found = list(AuditFolder.at("memory://bucket/out").records())
    assert [record["at2_row"] for record in found] == [f"{url}:{n + 1}" for n in range(ROWS)]
    assert run("cite", log.as_uri(), "--out", tmp_path / "out", "-m", "demo").exit_code == 0
    local = list(AuditFolder.at(tmp_path / "out").records())
    check_same([{**r, "at2_row": ""} for r in found], [{**r, "at2_row": ""} for r in local])
    files.store.clear()


def test_json_lines_out_are_lines_of_json(tmp_path):
    log, out = write_rows(tmp_path / "log.jsonl", make_rows(2)), tmp_path / "out"
    assert run("cite", log, "--out", out, "-m", "demo").exit_code == 0
    [part] = out.glob("part-*.jsonl")
    assert [json.loads(line)["id"] for line in part.read_text().splitlines()] == ["row 0", "row 1"]
