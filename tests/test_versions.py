"""The lowest versions: what pyproject.toml allows is what constraints-lowest.txt tests."""

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from support.places import REPOSITORY

#: Needs a hub, and so is in no environment of the tests.
UNTESTED = {"datasets"}
#: Tools, of which everybody has the newest.
TOOLS = {"ruff", "mypy", "pandas-stubs", "zensical", "mkdocstrings"}


def pins():
    text = (REPOSITORY / "constraints-lowest.txt").read_text(encoding="utf-8")
    found = re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE)
    return {canonicalize_name(name): Version(version) for name, version in found}


def floors():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    for line in [*project["dependencies"], *(line for extra in extras for line in extra)]:
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        if name not in {"at2-rag", *UNTESTED, *TOOLS}:
            [lowest] = [each.version for each in requirement.specifier if each.operator == ">="]
            yield name, Version(lowest)


def test_what_is_allowed_is_what_is_tested():
    pinned = pins()
    assert len(pinned) > 20
    assert {name: pinned.get(name) for name, _ in floors()} == dict(floors())
