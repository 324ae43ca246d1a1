"""Scripts of pages: written as modules, and put together where a page may load nothing.

A server has browsers load the modules as they are. A page of one file cannot: what its policy lets
run is one script, known by its digest. There each module becomes a function that is run once and
returns what it exports, so that what a module keeps for itself is seen by no other, in both.

No JavaScript is parsed for that. Modules keep to what can be told line by line, and all else is
refused: an import is a line of names from a file beside; what is exported is so where it is
declared, and never set again; no string goes on in the next line. So a line that looks like a
comment is one, and what it is indented by says nothing: both are left out, as reports hold many
pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from at2_rag.errors import FileFormatError

_IMPORT = re.compile(r'import \{ (?P<names>\w+(?:, \w+)*) \} from "\./(?P<module>\w+)\.js";')
_EXPORT = re.compile(r"export (?P<rest>(?:async function|function|class|const) (?P<name>\w+)\b.*)")
#: What else imports or exports, or waits for something before what follows is there.
_REFUSED = re.compile(
    r"\s*(?:import|export)\b|.*\bimport\s*[(.]|await\b|(?:const|let)\b.*=\s*await\b"
)
#: What would end the element that a script stands in, or make a comment of what follows.
_ENDS_SCRIPT = re.compile(r"</script|<!--", re.IGNORECASE)


@cache
def asset(name: str) -> str:
    """Return the text of a style or a script that comes with the package."""
    return files("at2_rag.view").joinpath("assets", name).read_text(encoding="utf-8")


def modules_of(script: str, read: Callable[[str], str] = asset) -> tuple[str, ...]:
    """Return the files that a script is made of: what is imported first, itself last.

    Args:
        script: The script's file.
        read: Returns the text of a file.

    Raises:
        FileFormatError: If one imports or exports in a way that is not read here, or what there
            is not, or imports itself by way of others.
    """
    return tuple(f"{name}.js" for name in _in_order(script, read))


@cache
def joined(script: str, read: Callable[[str], str] = asset) -> str:
    """Return a script and all that it imports as one, which imports and exports nothing.

    Args:
        script: The script's file.
        read: Returns the text of a file.

    Raises:
        FileFormatError: As :func:`modules_of` does, and if the script could not stand in a page.
    """
    text = "".join(module.as_function() for module in _in_order(script, read).values())
    if found := _ENDS_SCRIPT.search(text):
        raise FileFormatError(
            f"{script}, with what it imports, has {found[0]!r}, which ends a script in a page; "
            "expected it in parts."
        )
    return text


@dataclass(frozen=True)
class _Module:
    """A file of a script.

    Attributes:
        name: The file's name without its suffix.
        imports: The modules that it imports from, each with the names that it takes.
        exports: The names that others may import.
        body: The lines that are run, without those that import, and without the word export.
    """

    name: str
    imports: tuple[tuple[str, tuple[str, ...]], ...]
    exports: tuple[str, ...]
    body: tuple[str, ...]

    @classmethod
    def of(cls, name: str, text: str) -> _Module:
        imports, exports, body = [], [], []
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip() or line.lstrip().startswith("//"):
                continue
            if found := _IMPORT.fullmatch(line):
                imports.append((found["module"], tuple(found["names"].split(", "))))
            elif found := _EXPORT.fullmatch(line):
                exports.append(found["name"])
                body.append(found["rest"])
            elif _REFUSED.match(line) or line.count("`") % 2 or line.endswith("\\"):
                raise FileFormatError(
                    f"{name}.js, line {number}, is {line!r}; expected import {{ a, b }} from "
                    '"./file.js"; or export before a function, a class or a const with a name, '
                    "at the line's begin; nothing that is waited for outside of functions, and no "
                    "text of several lines."
                )
            else:
                body.append(line.strip())
        return cls(name, tuple(imports), tuple(exports), tuple(body))

    def as_function(self) -> str:
        """Return a function that is run at once, and what is returned by it under a name."""
        lines = [
            f"const ${self.name} = (() => {{",
            *(f"const {{ {', '.join(names)} }} = ${module};" for module, names in self.imports),
            *self.body,
            f"return {{ {', '.join(self.exports)} }};",
            "})();",
        ]
        return "\n".join(lines) + "\n"


def _in_order(script: str, read: Callable[[str], str]) -> dict[str, _Module]:
    """Return a script's modules by name, each behind those that it imports."""
    found: dict[str, _Module] = {}

    def add(name: str, importing: tuple[str, ...]) -> None:
        if name in importing:
            circle = " → ".join((*importing[importing.index(name) :], name))
            raise FileFormatError(
                f"{circle} import each other in a circle; expected one direction."
            )
        if name in found:
            return
        module = _Module.of(name, read(f"{name}.js"))
        for other, names in module.imports:
            add(other, (*importing, name))
            if missing := set(names) - set(found[other].exports):
                raise FileFormatError(
                    f"{name}.js imports {', '.join(sorted(missing))} from {other}.js, which has "
                    f"{', '.join(found[other].exports) or 'nothing'} to export; expected of these."
                )
        found[name] = module

    add(script.removesuffix(".js"), ())
    return found
