"""``at2-rag serve`` as a user starts it."""

import re
import signal
import subprocess
import sys

import httpx
import pytest
from support.places import REPOSITORY
from typer.testing import CliRunner

from at2_rag.cli.app import app

SERVE = [sys.executable, "-m", "at2_rag.cli", "serve", "--model", "demo", "--port", "0"]


def run(*args):
    return CliRunner(env={"COLUMNS": "80", "AT2_DEBUG": None}).invoke(app, list(args))


def test_it_serves_until_it_is_told_to_end():
    """With a token that it makes up, at another address than this machine's own."""
    command = [*SERVE, "--host", "0.0.0.0", "--name", "tiny"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY) as server:
        told = ""
        while "answers at" not in told and (line := server.stderr.readline()):
            told += line
        token = re.search(r"Bearer …, is (\S+)", told)[1]
        port = re.search(r"tiny answers at http://0\.0\.0\.0:(\d+)/v1", told)[1]
        url = f"http://127.0.0.1:{port}/v1/models"
        assert httpx.get(url, timeout=120).status_code == 401
        token = {"Authorization": f"Bearer {token}"}
        found = httpx.get(url, headers=token, timeout=120).json()
        assert [model["id"] for model in found["data"]] == ["tiny"]
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=120) in (0, 130)
        assert "Traceback" not in server.stderr.read()


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--host", "no.such.host.invalid"], "cannot be listened at"),
        (["--token", " "], "The token is empty"),
        (["--upstream", "localhost:8000"], "expected such as http://"),
        (["--model", "no/such/folder/"], "no/such/folder"),
    ],
)
def test_what_cannot_be_served_is_told_in_a_line(args, told):
    result = run("serve", "--port", "0", "--model", "demo", *args)
    assert result.exit_code == 2
    assert told in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "package", "extra"),
    [("serve", "fastapi", "serve"), ("serve", "python_multipart", "serve"), ("mcp", "mcp", "mcp")],
)
def test_what_is_not_installed_is_told_with_its_extra(monkeypatch, command, package, extra):
    found = "at2_rag.cli.serve.find_spec"
    monkeypatch.setattr(found, lambda name: None if name == package else object())
    result = run(command, "--model", "demo")
    assert result.exit_code == 2
    assert f'needs {package}; install with: pip install "at2-rag[{extra}]"' in result.stderr
