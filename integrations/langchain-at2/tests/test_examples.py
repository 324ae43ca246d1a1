"""The examples, as a user runs them."""

import runpy
import sys

import pytest
from at2_rag import Reader
from support.examples import EXAMPLES, check_output

NAMES = ("langchain_retrieval_qa", "langgraph_citation_node", "cite_an_api_answer")


@pytest.mark.usefixtures("one_reader")
@pytest.mark.parametrize("name", NAMES)
def test_examples_run(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"{name}.py"])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    check_output(capsys.readouterr().out)


@pytest.mark.parametrize("name", NAMES)
def test_examples_take_a_model(name, monkeypatch, reader):
    given = []
    monkeypatch.setattr(Reader, "from_pretrained", lambda model: given.append(model) or reader)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--model", "some/model"])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert given == ["some/model"]


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_short(name):
    assert len((EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()) < 60
