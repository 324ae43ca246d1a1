"""Which files there are to read: those that were named, and those in folders."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from at2_rag.documents.files.source import SourceFile
from at2_rag.errors import FileFormatError

#: What is larger is not read unless it is named itself: it is a log or a dump.
LARGEST = 100_000_000


@dataclass(frozen=True)
class Remark:
    """What a person should know of one file.

    Attributes:
        name: What the file is called.
        said: What there is to say of it.
    """

    name: str
    said: str


@dataclass(frozen=True)
class Found:
    """Files to read, and what was passed over.

    Attributes:
        sources: The files, in the order they are read in.
        skipped: Why each of the others is not read.
    """

    sources: list[SourceFile]
    skipped: list[Remark]


def find(paths: Iterable[Path], suffixes: Collection[str]) -> Found:
    """Find what is to be read.

    Args:
        paths: Files and folders; a folder is gone through with everything below it.
        suffixes: What a readable file may end in, in lower case.

    Raises:
        FileFormatError: If a path does not exist, a file that was named has another suffix, or a
            folder has nothing to read.
    """
    each = [_find(path, suffixes) for path in paths]
    sources = [source for found in each for source in found.sources]
    return Found(_with_unique_labels(sources), [r for found in each for r in found.skipped])


def _find(path: Path, suffixes: Collection[str]) -> Found:
    try:
        return _find_at(path, suffixes)
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror or error}.") from error


def _find_at(path: Path, suffixes: Collection[str]) -> Found:
    if path.is_dir():
        return _find_below(path, suffixes)
    if path.exists():
        return Found([_supported(SourceFile(path, path.name), suffixes)], [])
    name, hash_sign, selection = str(path).rpartition("#")
    if hash_sign and name.lower().endswith(".json") and Path(name).is_file():
        return Found([SourceFile(Path(name), f"{Path(name).name}#{selection}", selection)], [])
    raise FileFormatError(f"{path}: no such file or folder. Check the path.")


def _supported(source: SourceFile, suffixes: Collection[str]) -> SourceFile:
    if source.suffix in suffixes:
        return source
    given = f"the suffix {source.suffix}" if source.suffix else "no suffix"
    raise FileFormatError(f"{source.path}: has {given}; expected one of {', '.join(suffixes)}.")


def _find_below(folder: Path, suffixes: Collection[str]) -> Found:
    found: list[Path] = []
    closed: list[OSError] = []
    passed: list[tuple[Path, str]] = []
    for parent, folders, names in os.walk(folder, onerror=closed.append):
        for name in [*folders, *names]:
            path = Path(parent, name)
            why = _why_not_folder(path) if name in folders else _why_not_file(path, suffixes)
            passed += [(path, why)] if why else []
            found += [path] if name in names and not why else []
        folders[:] = [name for name in folders if not _why_not_folder(Path(parent, name))]
    passed += [(Path(error.filename), error.strerror or str(error)) for error in closed]
    if not found:
        _raise_nothing(folder, passed, suffixes)
    skipped = [Remark(_label(path, folder), why) for path, why in sorted(passed)]
    return Found([SourceFile(path, _label(path, folder)) for path in sorted(found)], skipped)


def _label(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _why_not_folder(path: Path) -> str | None:
    if path.name.startswith("."):
        return "hidden"
    return "a link to a folder" if path.is_symlink() else None


def _why_not_file(path: Path, suffixes: Collection[str]) -> str | None:
    if path.name.startswith("."):
        return "hidden"
    if path.name.startswith("~$"):
        return "a note that another program has the file open"
    if path.suffix.lower() not in suffixes:
        return "not of a kind that is read"
    if not path.is_file():
        return "no file, or a link to none"
    if path.stat().st_size > LARGEST:
        return f"larger than {LARGEST // 1_000_000} MB; name it itself to read it"
    return None


def _raise_nothing(
    folder: Path, passed: Sequence[tuple[Path, str]], suffixes: Collection[str]
) -> None:
    readable = [(path, why) for path, why in passed if path.suffix.lower() in suffixes]
    what = f"no file that ends in {', '.join(suffixes)}"
    if readable:
        what = f"nothing that can be read ({_label(readable[0][0], folder)}: {readable[0][1]})"
    raise FileFormatError(f"{folder}: a folder with {what}; expected something to read in it.")


def _with_unique_labels(sources: Sequence[SourceFile]) -> list[SourceFile]:
    """Drop repeated files, and use whole paths where two files would share a label."""
    once = list({(s.path.resolve(), s.selection): s for s in sources}.values())
    uses = Counter(s.label for s in once)
    return [replace(s, label=s.full_label) if uses[s.label] > 1 else s for s in once]


def in_words(remarks: Iterable[Remark]) -> list[str]:
    """Say the same of several files once, the first of them by name."""
    names: dict[str, list[str]] = {}
    for remark in remarks:
        names.setdefault(remark.said, []).append(remark.name)
    return [f"{_listed(files)}: {said}" for said, files in names.items()]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"
