"""How the house is laid out: which module may import which, and what tests may look into."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import pytest
from support.places import REPOSITORY, TESTS

PACKAGE = REPOSITORY / "at2_rag"
#: From the roof down; rooms of one floor do not import each other. The ground floor is the files
#: that lie beside the rooms, but for the reader's.
FLOORS = (
    ("cli",),
    ("server", "training"),
    ("evaluation", "audit"),
    ("runs",),
    ("reader",),
    ("answering",),
    ("methods",),
    ("ablation",),
    ("model", "answer", "datasets"),
    ("estimators", "view"),
    ("prompt", "worlds"),
    ("attention", "documents"),
    ("ground",),
)
#: What only some of those who use a reader need.
NOT_FOR_READING = (
    "ablation", "methods", "evaluation", "audit", "runs", "training", "datasets", "worlds",
    "server",
)  # fmt: skip
FOLDERS = (TESTS, REPOSITORY / "experiments/tests", *REPOSITORY.glob("integrations/*/tests"))
TEST_FILES = [path for folder in FOLDERS for path in sorted(folder.rglob("*.py"))]
#: Of other packages, which have no public way to the same.
OTHERS_PRIVATE = {
    "_attn_implementation", "_dynamo", "_hf_hook", "_instance", "_repr_html_",
    "_skip_keys_device_placement",
}  # fmt: skip


def name_of(path):
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py")}


def floor_of(module):
    """Return how far below the roof a module is, and its room."""
    room = module.split(".")[1]
    rooms = {room for floor in FLOORS for room in floor}
    room = room if room in rooms else "ground"
    return next(i for i, floor in enumerate(FLOORS) if room in floor), room


def imports_of(path):
    """Return the module and name of each import of a file, also of those inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno} imports by dots; expected whole names."
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def arrows():
    """Return which modules of the package each imports, but for the root and the commands."""
    found = {}
    for module, path in MODULES.items():
        if module != "at2_rag" and not module.startswith("at2_rag.cli"):
            named = set(imports_of(path)) - {("at2_rag", "__version__")}
            wanted = {f"{a}.{b}" if f"{a}.{b}" in MODULES else a for a, b in named}
            found[module] = {name for name in wanted if name.split(".")[0] == "at2_rag"}
    return found


def test_no_module_imports_itself_by_way_of_others():
    try:
        TopologicalSorter(arrows()).prepare()
    except CycleError as error:
        pytest.fail("imports its importer: " + " <- ".join(error.args[1]))


def test_imports_run_down():
    wrong = []
    for module, wanted in arrows().items():
        (floor, room), below = floor_of(module), wanted - {"at2_rag"}
        wrong += [f"{module} -> at2_rag"] if below != wanted else []
        wrong += [
            f"{module} -> {other}"
            for other in sorted(below)
            if floor_of(other)[1] != room and floor_of(other)[0] <= floor
        ]
    assert wrong == []


def test_one_name_stands_for_one_thing():
    """Who follows a question through the rooms must not have to ask which ``answer`` is meant."""
    found = [
        module
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name == "answer"
    ]
    assert found == ["at2_rag.reader.asking"]


def test_few_files_lie_beside_the_rooms():
    assert len(list(PACKAGE.glob("*.py"))) - 1 <= 8  # and what is public


def test_reading_loads_only_what_reading_needs():
    code = "import sys, at2_rag; at2_rag.Reader; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rooms = {module.split(".")[1] for module in done.stdout.split() if "at2_rag." in module}
    assert "answering" in rooms
    assert rooms.isdisjoint(NOT_FOR_READING)


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_tests_import_neither_tests_nor_what_is_private(path):
    names = [name for found in imports_of(path) for part in found for name in part.split(".")]
    others = [name for name in names if name.startswith("test_") or name == "conftest"]
    assert others == [], "expected what tests share in a module of its own"
    assert [name for name in names if is_private(name)] == []


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_tests_look_into_nothing_private(path):
    """Not even by way of an object, or to put something else in its place."""
    wrong = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and not of_its_own(node.value):
            wrong += [node.attr]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "setattr":
            wrong += [each.value for each in node.args if isinstance(each, ast.Constant)]
    assert [name for name in wrong if is_private(str(name).rpartition(".")[2])] == []


def of_its_own(value):
    return isinstance(value, ast.Name) and value.id in ("self", "cls")


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name not in OTHERS_PRIVATE
