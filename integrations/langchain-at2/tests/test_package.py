"""The package: what it installs, what it asks for, what it exports."""

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import langchain_at2
from tests.test_examples import EXAMPLES, check_output

PACKAGE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=PACKAGE, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
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


def test_an_example_runs_with_the_wheel_and_what_it_asks_for(tmp_path, wheel):
    """In a process of its own, where the packages that only the tests need cannot be imported."""
    wheel.extractall(tmp_path)
    code = (
        "import runpy, sys\n"
        "sys.modules.update(dict.fromkeys(['langchain_classic', 'langchain_community', "
        "'langchain_tests', 'langgraph']))\n"
        f"runpy.run_path({str(EXAMPLES / 'cite_an_api_answer.py')!r}, run_name='__main__')\n"
        "print(sys.modules['langchain_at2'].__file__)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    check_output(run.stdout)
    assert Path(run.stdout.splitlines()[-1]).parent.parent == tmp_path


def test_public_names():
    assert sorted(langchain_at2.__all__) == langchain_at2.__all__
    for name in langchain_at2.__all__:
        assert getattr(langchain_at2, name).__doc__
