"""The README's Python code, run as it stands."""

import re
import warnings

import pytest
from support.places import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def runnable(block):
    """Leave out the lines that load a model from the hub, which say so."""
    return "\n".join(line for line in block.splitlines() if "# from the hub" not in line)


def test_the_code_runs_from_top_to_bottom(capsys):
    assert len(BLOCKS) >= 2
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for block in BLOCKS:
            exec(compile(runnable(block), "README.md", "exec"), names)
    printed = capsys.readouterr().out
    for shown in re.findall(r"```text\n(.*?)```", README, re.DOTALL):
        assert shown.strip() in printed


def test_only_what_needs_the_hub_is_left_out():
    left_out = [line for block in BLOCKS for line in block.splitlines() if "# from the hub" in line]
    assert all("from_pretrained(" in line or "from_hub(" in line for line in left_out)


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_the_two_commands_are_told_and_exist(command):
    assert f"$ {command}" in README
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{command.split()[1]}:", makefile, re.MULTILINE)
