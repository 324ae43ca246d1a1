"""The package: what it installs, what it asks for, what it exports."""

import json
import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path
from sysconfig import get_path

import pytest
from support.examples import EXAMPLES, check_output
from support.places import REPOSITORY

import langchain_at2

PACKAGE = Path(__file__).parents[1]


def build(project, folder):
    """Build a project's wheel."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Wheels of the core, of this package and of the one for LlamaIndex."""
    folder = tmp_path_factory.mktemp("wheels")
    for project in (REPOSITORY, PACKAGE, PACKAGE.parent / "llama-index-postprocessor-at2"):
        build(project, folder)
    return {path.name.partition("-")[0]: path for path in folder.glob("*.whl")}


@pytest.fixture(scope="module")
def wheel(wheels):
    with zipfile.ZipFile(wheels["langchain_at2"]) as archive:
        yield archive


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    modules = {f"langchain_at2/{path.name}" for path in (PACKAGE / "langchain_at2").glob("*.py")}
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == {*modules, "langchain_at2/py.typed"}
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_what_it_asks_for(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    metadata = Parser().parsestr(wheel.read(name).decode())
    assert (metadata["Name"], metadata["Version"]) == ("langchain-at2", langchain_at2.__version__)
    required = [r for r in metadata.get_all("Requires-Dist") if "extra ==" not in r]
    assert sorted(required) == ["at2-rag<0.2,>=0.1", "langchain-core<2,>=1"]


def test_all_packages_install_together_and_work(tmp_path, wheels):
    """Into an empty folder; what they ask for comes from here, where it fits their ranges."""
    pytest.importorskip("pip")
    assert len(wheels) == 3
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-index"]
    command += ["--no-deps", "--no-compile", "--target", str(tmp_path), *map(str, wheels.values())]
    subprocess.run(command, check=True, capture_output=True)
    # Without site, so that no .pth file leads back to this checkout.
    run = subprocess.run(
        [sys.executable, "-S", "-c", INSTALLED, str(EXAMPLES / "cite_an_api_answer.py")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), get_path("purelib")])},
        check=True,
        capture_output=True,
        text=True,
    )
    *shown, files, misfits = run.stdout.splitlines()
    check_output("\n".join(shown))
    assert [Path(file).is_relative_to(tmp_path) for file in json.loads(files)] == [True] * 3
    assert json.loads(misfits) == []


#: Runs an example without the packages that only the tests need, then the LlamaIndex package;
#: prints where the modules are, and which requirements are not met.
INSTALLED = """
import json, runpy, sys
from importlib.metadata import requires, version
from packaging.requirements import Requirement

absent = ["langchain_classic", "langchain_community", "langchain_tests", "langgraph"]
sys.modules.update(dict.fromkeys(absent))
runpy.run_path(sys.argv.pop(), run_name="__main__")

import at2_rag, langchain_at2, llama_index.postprocessor.at2 as llama_index_at2
synthesizer = llama_index_at2.AT2Synthesizer(at2_rag.Reader.demo())
assert "[1]" in synthesizer.get_response("Who is the mayor of Vungon?", [
    "Vungon is a city whose mayor is Tete Gorun.", "Tete Gorun plays the piano."])

print(json.dumps([module.__file__ for module in (at2_rag, langchain_at2, llama_index_at2)]))
names = ("at2-rag", "langchain-at2", "llama-index-postprocessor-at2")
asked = [Requirement(text) for name in names for text in requires(name) if "extra ==" not in text]
print(json.dumps([str(a) for a in asked if not a.specifier.contains(version(a.name))]))
"""


def test_public_names():
    assert sorted(langchain_at2.__all__) == langchain_at2.__all__
    for name in langchain_at2.__all__:
        assert getattr(langchain_at2, name).__doc__
