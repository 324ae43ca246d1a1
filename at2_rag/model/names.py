"""What a model's name stands for: a GGUF file, a folder of transformers, or a model of the hub."""

from __future__ import annotations

import re
from pathlib import Path

from at2_rag.errors import FileFormatError, InputError

#: What every GGUF file begins with; ollama's have names that tell nothing.
_MAGIC = b"GGUF"
_ENDING = ".gguf"
_PART = re.compile(r"-(\d+)-of-(\d+)\.gguf$", re.IGNORECASE)
_MOST_NAMED = 8


def gguf_of(name: str | Path) -> Path | None:
    """Return the GGUF file that a model's name stands for.

    Args:
        name: GGUF file, folder or hub id. A folder with a ``config.json`` is transformers', and
            any other one stands for the GGUF file in it.

    Returns:
        The file's path; ``None`` where the name stands for a folder or a model of the hub.

    Raises:
        InputError: If the name can only be a path and nothing is there, or if it is a folder with
            several GGUF files.
        FileFormatError: If it is a file of another kind, or one part of several.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return _checked(path)
    if str(name) and path.is_dir():  # an empty path is the working directory
        return _only_one_in(path)
    if is_path(str(name)):
        raise InputError(
            f"There is nothing at {str(name)!r}; expected a folder with a model, a GGUF file, or a "
            "hub id such as org/model."
        )
    return None


def is_path(name: str) -> bool:
    """Tell whether a name cannot be a hub id."""
    return (
        not name
        or name.startswith((".", "/", "~"))
        or name.endswith(_ENDING)
        or name.count("/") > 1
    )


def _only_one_in(folder: Path) -> Path | None:
    files = sorted(folder.glob(f"*{_ENDING}"))
    if any(folder.glob("*config.json")):  # of a model, or of an adapter to one
        return None
    if not files:
        raise InputError(
            f"{folder} holds no model: there is no config.json and no GGUF file in it; expected a "
            "folder as transformers or llama.cpp have them, or a hub id."
        )
    if len(files) > 1:
        names = ", ".join(path.name for path in files[:_MOST_NAMED])
        more = ", …" if len(files) > _MOST_NAMED else ""
        raise InputError(
            f"{folder} holds {len(files)} GGUF files ({names}{more}); expected the name of one: "
            f"{files[0]}"
        )
    return _checked(files[0])


def _checked(path: Path) -> Path:
    """Return the path of a GGUF file that is whole."""
    with path.open("rb") as file:
        begins = file.read(len(_MAGIC))
    if begins != _MAGIC:
        raise FileFormatError(
            f"{path} is no GGUF file, which would begin with {_MAGIC.decode()}; expected one, a "
            "folder with a model, or a hub id."
        )
    if part := _PART.search(path.name):
        raise FileFormatError(
            f"{path} is part {int(part[1])} of {int(part[2])}; expected a whole model. Put the "
            "parts together: llama-gguf-split --merge PART_1 WHOLE"
        )
    return path
