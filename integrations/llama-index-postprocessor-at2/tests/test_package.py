"""What is shipped: the wheel, the README's code, the examples."""

import ast
import re
import runpy
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from support.places import REPOSITORY, real_model_file

from at2_rag import Reader

PACKAGE = Path(__file__).parents[1]
README = (PACKAGE / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
#: What the README loads from the hub.
LOADED = 'Reader.from_pretrained("HuggingFaceTB/SmolLM2-135M-Instruct", '
CODE = PACKAGE / "llama_index" / "postprocessor" / "at2"


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path):
    """That it installs, langchain-at2 tests, where all packages come together."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=PACKAGE, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        information = {n.rpartition("/")[2]: n for n in archive.namelist() if ".dist-info/" in n}
        metadata = archive.read(information["METADATA"]).decode()
    assert wheel.name == "llama_index_postprocessor_at2-0.1.0-py3-none-any.whl"
    # No __init__.py above the package: other distributions share the namespace.
    assert names == {
        f"llama_index/postprocessor/at2/{path.name}"
        for path in CODE.iterdir()
        if path.suffix == ".py" or path.name == "py.typed"
    }
    assert "llama_index/postprocessor/at2/py.typed" in names
    assert "LICENSE" in information
    assert "Requires-Dist: at2-rag<0.2,>=0.1" in metadata
    assert "Requires-Dist: llama-index-core<0.15,>=0.14" in metadata


def test_the_project_says_where_to_import_from():
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))
    hub = project["tool"]["llamahub"]
    module = __import__(hub["import_path"], fromlist=["__all__"])
    assert set(hub["class_authors"]) <= set(module.__all__)
    for name in module.__all__:
        assert getattr(module, name).__doc__
    assert (PACKAGE / "LICENSE").read_bytes() == (REPOSITORY / "LICENSE").read_bytes()


def test_the_core_imports_no_framework():
    for path in (REPOSITORY / "at2_rag").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            frameworks = ("llama_index", "langchain", "langgraph", "langsmith")
            assert not [name for name in names if name.startswith(frameworks)], path


def test_the_readmes_code_runs_from_top_to_bottom(capsys):
    """With the same model from a file."""
    code = "\n".join(BLOCKS)
    assert code.count(LOADED) == code.count("from_pretrained(") == 1

    def load(**options):  # in the type in which processors differ least
        return Reader.from_pretrained(real_model_file(), dtype="float32", **options)

    exec(compile(code.replace(LOADED, "load("), "README.md", "exec"), {"load": load})
    printed = capsys.readouterr().out
    for shown in re.findall(r"```text\n(.*?)```", README, re.DOTALL):
        assert shown.strip() in printed


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("llamaindex_citations.py", [], r"\[1\] .* \(score 0\.\d+\)\n    “.+”"),
        ("prune_context.py", ["--questions", "2"], r"Right: \d of 2 .*\n.* \d\d% less\."),
    ],
)
def test_the_examples_run_as_they_stand(name, arguments, expected, capsys, monkeypatch):
    path = REPOSITORY / "examples" / name
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) < 60
    assert '"--model"' in source
    monkeypatch.setattr(sys, "argv", [str(path), *arguments])
    runpy.run_path(str(path), run_name="__main__")
    assert re.search(expected, capsys.readouterr().out)
