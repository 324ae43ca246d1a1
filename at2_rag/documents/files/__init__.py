"""Passages from files: plain text, Markdown, JSON lines, JSON, and folders of these."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from at2_rag.documents.files.records import passages_of_json, passages_of_jsonl
from at2_rag.documents.files.source import SourceFile
from at2_rag.documents.files.text import passages_of_text
from at2_rag.documents.passages import Passage
from at2_rag.errors import FileFormatError

__all__ = ["SUFFIXES", "read_passages"]

_READERS: dict[str, Callable[[SourceFile], list[Passage]]] = {
    ".txt": passages_of_text,
    ".md": passages_of_text,
    ".jsonl": passages_of_jsonl,
    ".json": passages_of_json,
}

#: What a readable file may end in, in upper or lower case.
SUFFIXES = tuple(_READERS)


def read_passages(paths: Sequence[str | Path]) -> list[Passage]:
    """Read passages from files and folders, in the order given.

    A folder is read with everything below it, sorted by path; hidden files, blank files and
    files with other suffixes are skipped. A file named twice is read once. One example of a
    HotpotQA-style file is chosen with its number or id: ``dev.json#3``, ``dev.json#5a8b57f2``.

    Args:
        paths: Files (``.txt``, ``.md``, ``.jsonl``, ``.json``) and folders.

    Returns:
        The passages, each with a unique ``id``. In ``metadata`` are the ``path`` of the file and,
        for a passage cut from a text, ``start`` and ``end``, its characters in the decoded file,
        the ``line`` that it begins in, and its ``page`` if form feeds part pages; for one of a
        ``.jsonl`` file, its ``line``; what the file itself says there wins.

    Raises:
        FileFormatError: If there is no path, or one cannot be read; with the path, and the line
            where there is one.
    """
    if isinstance(paths, str | Path):
        raise FileFormatError(f"paths is {str(paths)!r}; expected a list: pass [path] for one.")
    if not paths:
        raise FileFormatError("No files were given; expected at least one file or folder.")
    sources = _with_unique_labels([s for path in paths for s in _find(Path(path))])
    read = [(p, source) for source in sources for p in _READERS[source.suffix](source)]
    _check_ids(read)
    return [passage for passage, _ in read]


def _find(path: Path) -> list[SourceFile]:
    try:
        return _find_at(path)
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror or error}.") from error


def _find_at(path: Path) -> list[SourceFile]:
    if path.is_dir():
        return _find_below(path)
    if path.exists():
        return [_supported(SourceFile(path, path.name))]
    name, hash_sign, selection = str(path).rpartition("#")
    if hash_sign and name.lower().endswith(".json") and Path(name).is_file():
        return [SourceFile(Path(name), f"{Path(name).name}#{selection}", selection)]
    raise FileFormatError(f"{path}: no such file or folder. Check the path.")


def _supported(source: SourceFile) -> SourceFile:
    if source.suffix in _READERS:
        return source
    given = f"the suffix {source.suffix}" if source.suffix else "no suffix"
    raise FileFormatError(f"{source.path}: has {given}; expected one of {', '.join(SUFFIXES)}.")


def _find_below(folder: Path) -> list[SourceFile]:
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    sources = [SourceFile(path, path.relative_to(folder).as_posix()) for path in sorted(found)]
    readable = [s for s in sources if s.suffix in _READERS]
    kept = [s for s in readable if not s.is_blank]
    if not kept:
        what = "only blank files" if readable else f"no file that ends in {', '.join(SUFFIXES)}"
        raise FileFormatError(f"{folder}: a folder with {what}; expected something to read in it.")
    return kept


def _with_unique_labels(sources: Sequence[SourceFile]) -> list[SourceFile]:
    """Drop repeated files, and use whole paths where two files would share a label."""
    once = list({(s.path.resolve(), s.selection): s for s in sources}.values())
    uses = Counter(s.label for s in once)
    return [replace(s, label=s.full_label) if uses[s.label] > 1 else s for s in once]


def _check_ids(read: Sequence[tuple[Passage, SourceFile]]) -> None:
    places: dict[str | None, str] = {}
    for passage, source in read:
        line = passage.metadata.get("line")
        place = f"{source.path}" if line is None else f"{source.path}:{line}"
        if passage.id in places:
            raise FileFormatError(
                f"{place}: the id {passage.id!r} is also used at {places[passage.id]}; expected "
                "unique ids. Rename one, or leave ids out to have them made."
            )
        places[passage.id] = place
