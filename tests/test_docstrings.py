"""Docstrings: public things have one, and what it says of an argument stands alone.

Editors show one argument at a time, without what is said of the others.
"""

import ast
import re
from collections.abc import Iterator
from textwrap import dedent

import pytest
from support.places import REPOSITORY

PACKAGES = (
    "at2_rag",
    "benchmarks",
    "experiments/at2_rag_experiments",
    "integrations/langchain-at2/langchain_at2",
    "integrations/llama-index-postprocessor-at2/llama_index",
)

#: Sections of named entries, and sections that are a single one.
NAMED, SINGLE = ("Args", "Attributes"), ("Returns", "Yields")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def sources(package: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((REPOSITORY / package).rglob("*.py")):
        yield str(path.relative_to(REPOSITORY)), ast.parse(path.read_text(encoding="utf-8"))


def definitions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Yield all classes and functions, those within others too, by their names in full."""
    for node in ast.iter_child_nodes(tree):
        named = isinstance(node, Definition)
        name = f"{prefix}{node.name}" if named else prefix
        if named:
            yield name, node
        yield from definitions(node, f"{name}." if named else prefix)


def entries(docstring: str) -> Iterator[tuple[str, str]]:
    """Yield what a docstring says of each argument and attribute, and of what is returned."""
    for section, body in re.findall(r"^(\w+):\n((?:    .*\n?|\n)+)", docstring, re.MULTILINE):
        text = dedent(body)
        if section in SINGLE:
            yield section, " ".join(text.split())
        elif section in NAMED:
            for entry in re.split(r"^(?=\S)", text, flags=re.MULTILINE):
                name, _, said = entry.partition(":")
                if entry.strip():
                    yield name, " ".join(said.split())


def stands_alone(said: str) -> bool:
    words = [word for word in re.findall(r"\w+", said) if word.lower() not in ("a", "an", "the")]
    return len(words) > 1 and not said.startswith(("Of ", "Its ", "Their "))


def fragments(tree: ast.Module) -> list[str]:
    return [
        f"{name}, {entry}: {said}"
        for name, node in definitions(tree)
        for entry, said in entries(ast.get_docstring(node) or "")
        if not stands_alone(said)
    ]


def is_public(name: str, node: Definition) -> bool:
    """Tell whether a definition needs a docstring; a property's setter has that of its getter."""
    setter = any(isinstance(d, ast.Attribute) and d.attr == "setter" for d in node.decorator_list)
    return not setter and not any(part.startswith("_") for part in name.split("."))


def undocumented(tree: ast.Module) -> list[str]:
    within = tuple(
        f"{name}." for name, node in definitions(tree) if not isinstance(node, ast.ClassDef)
    )
    return [
        name
        for name, node in definitions(tree)
        if is_public(name, node)
        and not name.startswith(within)  # nobody else sees what is in a function
        and not ast.get_docstring(node)
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_entry_stands_alone(package):
    found = [f"{path}: {fault}" for path, tree in sources(package) for fault in fragments(tree)]
    assert not found, "\n".join(["Entries that say nothing by themselves:", *found])


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_thing_has_a_docstring(package):
    found = [f"{path}: {name}" for path, tree in sources(package) for name in undocumented(tree)]
    assert not found, "\n".join(["Public, and without a docstring:", *found])


@pytest.mark.parametrize("package", PACKAGES)
def test_there_are_entries_to_look_at(package):
    found = [
        entry
        for _, tree in sources(package)
        for _, node in definitions(tree)
        for entry in entries(ast.get_docstring(node) or "")
    ]
    assert len(found) > 50


EXAMPLE = '''
class Table:
    """Rows.

    Attributes:
        rows: The rows.
        width: Of a row, in
            characters.
        height: How many rows there are.
    """

    def cell(self, row):
        """Return a cell.

        Args:
            row: Its number, from 0 on.

        Returns:
            Their text.

        Raises:
            KeyError: Always.
        """
        def within():
            return row

    def _kept(self):
        """Keep it.

        Yields:
            The text of each cell.
        """

    def bare(self):
        return 0

    @property
    def size(self):
        """The size."""

    @size.setter
    def size(self, value):
        return None
'''


def test_what_is_wrong_is_found():
    assert fragments(ast.parse(EXAMPLE)) == [
        "Table, rows: The rows.",
        "Table, width: Of a row, in characters.",
        "Table.cell, row: Its number, from 0 on.",
        "Table.cell, Returns: Their text.",
    ]
    assert undocumented(ast.parse(EXAMPLE)) == ["Table.bare"]
