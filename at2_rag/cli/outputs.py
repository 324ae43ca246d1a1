"""Places to write to, looked at before anything is computed for them."""

from __future__ import annotations

import os
from pathlib import Path

from at2_rag.errors import InputError


def check_file(path: Path | None) -> None:
    """Refuse a file that could not be written; ``None`` is none.

    Raises:
        InputError: If it is a folder, or in none.
    """
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise InputError(f"{path} cannot be written; expected a file in a folder that exists.")


def check_folder(path: Path | None) -> None:
    """Refuse a folder that could not be made or written to; ``None`` is none.

    Raises:
        InputError: If it, or what it is to be made in, is a file or may not be written to.
    """
    if path is None:
        return
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not there.is_dir():
        raise InputError(f"{there} is a file; expected a folder to write to, new or not.")
    if not os.access(there, os.W_OK):
        raise InputError(f"{there} may not be written to; expected a folder that may.")
