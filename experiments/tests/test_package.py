"""What is shipped: the experiments in a wheel of their own, and nothing of them in the core's."""

import subprocess
import sys
import zipfile
from email.parser import Parser

import pytest

import at2_rag_experiments


@pytest.fixture(scope="module")
def wheels(checkout, tmp_path_factory):
    """The names in each wheel, and its metadata, by the name of the distribution."""
    folder = tmp_path_factory.mktemp("wheels")
    for project in (checkout, checkout / "experiments"):
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(command, cwd=project, check=True, capture_output=True)
    return {path.name.partition("-")[0]: read(path) for path in folder.glob("*.whl")}


def read(path):
    with zipfile.ZipFile(path) as wheel:
        (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        return wheel.namelist(), Parser().parsestr(wheel.read(metadata).decode())


def test_the_core_has_no_experiments(wheels):
    names, metadata = wheels["at2_rag"]
    assert "at2_rag/reader/reader.py" in names
    assert not [name for name in names if "experiments" in name or "teaching" in name]
    assert not [asked for asked in metadata.get_all("Requires-Dist") if "experiments" in asked]


def test_the_experiments_are_a_typed_package_and_nothing_else(wheels, checkout):
    names, metadata = wheels["at2_rag_experiments"]
    source = checkout / "experiments" / "at2_rag_experiments"
    files = [path for path in source.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    shipped = {f"at2_rag_experiments/{path.relative_to(source).as_posix()}" for path in files}
    assert {name for name in names if ".dist-info/" not in name} == shipped
    assert {"at2_rag_experiments/py.typed", "at2_rag_experiments/teaching/loop.py"} <= shipped
    assert any(name.endswith("licenses/LICENSE") for name in names)
    required = [asked for asked in metadata.get_all("Requires-Dist") if "extra ==" not in asked]
    assert required == ["at2-rag[cli,plot,training]<0.2,>=0.1"]
    licences = [(checkout / place / "LICENSE").read_bytes() for place in (".", "experiments")]
    assert licences[0] == licences[1]


def test_public_names():
    assert sorted(at2_rag_experiments.__all__) == at2_rag_experiments.__all__
    assert set(at2_rag_experiments.__all__) <= set(dir(at2_rag_experiments))
