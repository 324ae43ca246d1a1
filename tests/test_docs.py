"""The documents' Python code, run as it stands, page by page."""

import re
import warnings
from functools import cache

import pytest
from support.places import REPOSITORY
from support.real_models import real_model_file

from at2_rag import Reader

#: What the documents load from the hub; here it is the same model from a file, loaded once.
LOADED = 'Reader.from_pretrained("HuggingFaceTB/SmolLM2-135M-Instruct"'
PAGES = {
    str(path.relative_to(REPOSITORY)): path.read_text(encoding="utf-8")
    for path in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md")))
}
#: One wants a cluster, and the other a server, with which tests/server runs it.
RUN_ELSEWHERE = ("docs/scale.md", "docs/serving.md")
WITH_CODE = [
    name for name, text in PAGES.items() if "```python\n" in text and name not in RUN_ELSEWHERE
]


@cache
def loaded():
    """Return the reader, in the type in which processors differ least."""
    return Reader.from_pretrained(real_model_file(), dtype="float32")


def included(text):
    """Put in the files that a page names."""

    def content(found):
        return (REPOSITORY / found[1]).read_text(encoding="utf-8").rstrip("\n")

    return re.sub(r'^--8<-- "(.+)"$', content, text, flags=re.MULTILINE)


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", included(text), re.DOTALL)


def runnable(block):
    """Leave out the lines that need a hub, which say so."""
    return "\n".join(line for line in block.splitlines() if "# from the hub" not in line)


@pytest.mark.real_model
@pytest.mark.parametrize("page", WITH_CODE)
def test_the_code_runs_from_top_to_bottom(page, capsys, tmp_path, monkeypatch):
    text = PAGES[page]
    code = "\n".join(runnable(block) for block in blocks(text, "python"))
    names = {"loaded": lambda **options: loaded().with_options(**options)}
    code = re.sub(re.escape(LOADED) + ",? ?", "loaded(", code)
    monkeypatch.chdir(tmp_path)  # where it may write
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile(code, page, "exec"), names)
    printed = capsys.readouterr().out
    for shown in blocks(text, "text"):
        assert shown.strip() in printed


def test_only_what_needs_the_hub_is_left_out():
    left_out = [
        line
        for text in PAGES.values()
        for block in blocks(text, "python")
        for line in block.splitlines()
        if "# from the hub" in line
    ]
    assert all("from_pretrained(" in line or "from_hub(" in line for line in left_out)


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_the_two_commands_are_told_and_exist(command):
    assert f"$ {command}" in PAGES["README.md"]
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{command.split()[1]}:", makefile, re.MULTILINE)


def test_every_page_is_in_the_site():
    assert sum(text.count('--8<-- "docs/snippets/passages.py"') for text in PAGES.values()) >= 5
    told = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    for name in PAGES:
        assert name == "README.md" or name.removeprefix("docs/") in told
