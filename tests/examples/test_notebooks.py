"""The notebooks, as they are, and whether they still show what is kept in them."""

import importlib.util
import os
import re
import sys

import nbformat
import pytest
from support.places import REPOSITORY
from support.real_models import real_model_file

pytestmark = pytest.mark.real_model

EXAMPLES = REPOSITORY / "examples"
NAMES = ("getting_started", "langchain_cite_and_prune", "probe_an_estimator", "thoughts")
#: Of a file, in bytes.
LARGEST = 120_000
#: Unpacking the model takes longer than most notebooks, so it is done once for all of them.
LOAD_ONCE = """
import functools, at2_rag.reader.reader
def load_once(load=at2_rag.reader.reader.load_model):
    kept = functools.cache(lambda name, options: load(name, dict(options)))
    return lambda name, options: kept(name, tuple(options.items()))
at2_rag.reader.reader.load_model = load_once()
"""


def load_runner():
    path = EXAMPLES / "run_notebooks.py"
    spec = importlib.util.spec_from_file_location("run_notebooks", path)
    sys.modules["run_notebooks"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


runner = load_runner()


@pytest.fixture(scope="module")
def kernel():
    """A kernel for all notebooks in turn, which finds the model that the tests find."""
    packages = real_model_file().parents[1]
    with pytest.MonkeyPatch.context() as patch:
        paths = (str(packages), os.environ.get("PYTHONPATH", ""))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
        with runner.started_kernel() as started:
            client = started.blocking_client()
            client.start_channels()
            reply = client.execute_interactive(LOAD_ONCE, timeout=runner.PATIENCE)
            assert reply["content"]["status"] == "ok"
            client.stop_channels()
            yield started


def read(name):
    return nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)


def shown(notebook):
    """Return what each cell that is run shows: text as it is, of pages that there is one."""
    return [
        [output.get("text") or sorted(output.data) for output in cell.outputs]
        for cell in runner.code_cells(notebook)
    ]


def test_these_are_all():
    assert {path.stem for path in EXAMPLES.glob("*.ipynb")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_shows_what_it_showed(name, kernel):
    """A cell that fails raises; a warning is one more output."""
    if name.startswith("langchain"):
        pytest.importorskip("langchain_at2")
        pytest.importorskip("langchain_classic")
    kept = read(name)
    assert shown(runner.run(EXAMPLES / f"{name}.ipynb", kernel)) == shown(kept)
    assert any("stdout" in output.get("name", "") for cell in kept.cells
               for output in cell.get("outputs", ()))  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_it_is_short_and_small_and_tells_nothing_of_where_it_ran(name):
    text = (EXAMPLES / f"{name}.ipynb").read_text(encoding="utf-8")
    assert len(text.encode()) < LARGEST
    assert 8 <= len(read(name).cells) <= 14
    assert str(REPOSITORY) not in text
    assert not re.search(r"site-packages|/home/|/root/|Traceback", text)
