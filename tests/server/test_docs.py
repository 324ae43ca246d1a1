"""The examples of docs/serving.md: what is shown is what is sent and what comes back."""

import json
import re

import pytest
from support.places import REPOSITORY
from support.serving import served

TEXT = (REPOSITORY / "docs" / "serving.md").read_text(encoding="utf-8")
EXCHANGES = re.findall(r"```http\nPOST (\S+)\n\n(.*?)```\n\n```json\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def server(demo_reader):
    with served(demo_reader, name="demo") as running:
        yield running


def check_shown(shown, got):
    """Assert that all that is shown is there; dots stand for anything, or for the rest."""
    if isinstance(shown, dict):
        for key, value in shown.items():
            check_shown(value, got[key])
    elif isinstance(shown, list):
        rest = shown[-1:] == ["…"]
        given = shown[:-1] if rest else shown
        assert len(got) >= len(given) if rest else len(got) == len(given)
        for one, other in zip(given, got, strict=False):
            check_shown(one, other)
    elif isinstance(shown, str) and shown.endswith("…"):
        assert str(got).startswith(shown[:-1])
    else:
        assert shown == got


@pytest.mark.parametrize(("path", "request_", "response"), EXCHANGES)
def test_what_is_shown_comes_back(server, path, request_, response):
    got = server.post(path, json=json.loads(request_)).json()
    check_shown(json.loads(response), got)


def test_there_are_examples():
    assert {path for path, _, _ in EXCHANGES} == {
        "/v1/chat/completions",
        "/api/answer",
        "/api/prune",
        "/v1/rerank",
    }


def test_the_code_runs(server, capsys):
    [block] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    [shown] = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)
    code = block.replace("http://127.0.0.1:8360", server.url)
    names = {}
    try:
        exec(compile(code, "docs/serving.md", "exec"), names)
    finally:
        names["client"].close()
    assert capsys.readouterr().out.startswith(shown)


def test_what_it_says_of_routes_and_bounds_is_so(server):
    paths = server.get("/openapi.json").json()["paths"]
    for path in re.findall(r"`(?:POST |GET )?(/(?:v1|api|health|metrics)\S*?)`", TEXT):
        assert path in paths
    limits = server.service.limits
    assert (limits.waiting, limits.body_bytes // 2**20, limits.seconds) == (64, 16, 300)
    assert (limits.wait_seconds, limits.body_seconds, limits.send_seconds) == (600, 30, 60)
    assert (limits.requests, limits.documents, limits.new_tokens) == (256, 1000, 2048)
