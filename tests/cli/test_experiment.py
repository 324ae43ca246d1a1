"""``at2-rag experiment`` where the package of the experiments is not installed."""

import subprocess
import sys

import pytest

WITHOUT = (
    "import sys; sys.modules['at2_rag_experiments'] = None; from at2_rag.cli import main; main()"
)


@pytest.fixture
def without_experiments():
    """Runs a command in a process that cannot import the experiments."""

    def run(*args):
        command = [sys.executable, "-c", WITHOUT, "experiment", *args]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    return run


def test_what_to_install_is_named(without_experiments, tmp_path):
    result = without_experiments("hotpot-pruning", "--out", str(tmp_path / "out"))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "error: at2-rag experiment needs the package at2-rag-experiments, which is not installed "
        "here; install it from a checkout with: pip install ./experiments\n"
    )
    assert not (tmp_path / "out").exists()


def test_the_help_is_there_all_the_same(without_experiments):
    result = without_experiments("--help")
    assert (result.returncode, result.stderr) == (0, "")
    # A line may end behind a hyphen, and begin with the frame.
    shown = "".join(result.stdout.replace("│", "").split())
    assert "hotpot-pruning:prunethecontext" in shown
