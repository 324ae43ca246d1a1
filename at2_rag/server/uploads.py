"""Files that a client sends, read as passages; nothing of them stays."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from shutil import copyfileobj
from tempfile import TemporaryDirectory

from fastapi import UploadFile

from at2_rag.documents.files import SUFFIXES, read_with_remarks
from at2_rag.documents.passages import Passage
from at2_rag.errors import FileFormatError
from at2_rag.server.problems import Problem

#: How long a path is at most, in characters, and how deep.
_LONGEST, _DEEPEST = 512, 16


async def passages_of_files(files: Sequence[UploadFile]) -> tuple[list[Passage], list[str]]:
    """Return the passages of files, and in words what was skipped or guessed.

    Their paths are those that the client told.

    Args:
        files: The files, each with a name, which may have folders in it.

    Raises:
        Problem: If a name leads out of the folder, or a file cannot be read.
    """
    places = [_inside(file.filename or "") for file in files]
    if len(set(places)) < len(places):
        raise Problem(400, "Two files have one name; expected a name for each.", None, "files")
    return await asyncio.to_thread(_read, places, files)


def _inside(name: str) -> PurePosixPath:
    """Return where in the folder a file belongs.

    Raises:
        Problem: If that is outside of it, or the file is of no kind that is read.
    """
    path = PurePosixPath(name)
    elsewhere = path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts
    odd = "\\" in name or not name.isprintable() or any(p.startswith(".") for p in path.parts)
    if elsewhere or odd or not path.name or len(name) > _LONGEST or len(path.parts) > _DEEPEST:
        raise Problem(
            400,
            f"The file name {name[:80]!r} leads out of the upload's folder, or is none; expected "
            "such as notes/mill.md.",
            "invalid_value",
            "files",
        )
    if path.suffix.lower() not in SUFFIXES:
        told = f"{name} cannot be read; expected one of {', '.join(SUFFIXES)}."
        raise Problem(400, told, "invalid_value", "files")
    return path


def _read(
    places: Sequence[PurePosixPath], files: Sequence[UploadFile]
) -> tuple[list[Passage], list[str]]:
    with TemporaryDirectory(prefix="at2-rag-upload-") as name:
        folder = Path(name)
        for place, file in zip(places, files, strict=True):
            target = folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as written:
                copyfileobj(file.file, written)
        try:
            passages, remarks = read_with_remarks([folder])
        except FileFormatError as error:
            raise Problem(400, _told(str(error), folder), "invalid_value", "files") from None
        return (
            [_moved(passage, folder) for passage in passages],
            [_told(remark, folder) for remark in remarks],
        )


def _told(said: str, folder: Path) -> str:
    """Return what is said of files without where they lay here."""
    return said.replace(f"{folder}/", "").replace(str(folder), "The upload")


def _moved(passage: Passage, folder: Path) -> Passage:
    """Return a passage that tells the client's path in place of the server's."""
    path = passage.metadata.get("path")
    if not isinstance(path, str) or not Path(path).is_relative_to(folder):
        return passage
    own = Path(path).relative_to(folder).as_posix()
    return replace(passage, metadata={**passage.metadata, "path": own})
