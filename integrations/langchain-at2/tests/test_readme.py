"""The README's Python code, run as it stands, with the same model from a file."""

import re
from pathlib import Path

import pytest
from at2_rag import Reader
from support.places import real_model_file

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
#: What it loads from the hub.
LOADED = 'Reader.from_pretrained("HuggingFaceTB/SmolLM2-135M-Instruct", '


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.filterwarnings("error")
def test_the_code_runs_from_top_to_bottom(capsys):
    code = "\n".join(blocks("python"))
    assert code.count(LOADED) == code.count("from_pretrained(") == 1

    def load(**options):  # in the type in which processors differ least
        return Reader.from_pretrained(real_model_file(), dtype="float32", **options)

    exec(compile(code.replace(LOADED, "load("), "README.md", "exec"), {"load": load})
    printed = capsys.readouterr().out
    assert len(blocks("text")) >= 3
    for shown in blocks("text"):
        assert shown.strip() in printed
