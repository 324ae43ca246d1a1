"""The README's Python code, run as it stands, with the session's reader."""

import re
from pathlib import Path

import pytest
from at2_rag import Reader

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
FROM_THE_HUB = "# from the hub"


@pytest.mark.usefixtures("one_reader")
@pytest.mark.filterwarnings("ignore::at2_rag.NoHeadsWarning")  # the demo model is not to be probed
def test_the_code_runs_from_top_to_bottom(capsys):
    assert len(BLOCKS) >= 6
    names: dict[str, object] = {}
    for block in BLOCKS:
        code = "\n".join(line for line in block.splitlines() if FROM_THE_HUB not in line)
        exec(compile(code, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    (shown,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    assert shown in printed


def test_only_what_needs_the_hub_is_left_out():
    left_out = [line for block in BLOCKS for line in block.splitlines() if FROM_THE_HUB in line]
    assert [line.split("(")[0] for line in left_out] == [
        f"reader = {Reader.from_pretrained.__qualname__}"
    ]
