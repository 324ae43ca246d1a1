"""Passages from files of many kinds, and from folders of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from at2_rag.documents.files.document import Document
from at2_rag.documents.files.docx import read_docx
from at2_rag.documents.files.finding import Found, Remark, find, in_words
from at2_rag.documents.files.html import read_html
from at2_rag.documents.files.pdf import read_pdf
from at2_rag.documents.files.records import passages_of_json, passages_of_jsonl
from at2_rag.documents.files.rst import read_rst
from at2_rag.documents.files.source import SourceFile
from at2_rag.documents.files.tables import TableOfPassages, read_table
from at2_rag.documents.files.text import read_markdown, read_text
from at2_rag.documents.passages import Passage
from at2_rag.errors import FileFormatError

__all__ = ["SUFFIXES", "FilesWarning", "read_passages", "read_with_remarks"]

#: What makes a document of a file, to be cut into passages, or finds these in a table.
_DOCUMENTS: dict[str, Callable[[SourceFile], Document | TableOfPassages]] = {
    ".txt": read_text,
    ".md": read_markdown,
    ".rst": read_rst,
    ".html": read_html,
    ".htm": read_html,
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".csv": read_table,
    ".tsv": read_table,
}

#: What finds the passages that are in a file's text already.
_RECORDS: dict[str, Callable[[SourceFile, str], list[Passage]]] = {
    ".jsonl": passages_of_jsonl,
    ".json": passages_of_json,
}

#: What a readable file may end in, in upper or lower case.
SUFFIXES = (*_DOCUMENTS, *_RECORDS)


class FilesWarning(UserWarning):
    """Files were skipped, or their encoding had to be guessed."""


class _Read(NamedTuple):
    """What was read from one file.

    Attributes:
        passages: The file's passages, in order.
        remarks: What a person should know of how the file was read.
    """

    passages: list[Passage]
    remarks: tuple[str, ...]


def read_passages(paths: str | Path | Iterable[str | Path]) -> list[Passage]:
    """Read passages from files and folders, in the order given.

    A folder is read with everything below it, sorted by path. What cannot be read is skipped with a
    warning that says which and why: hidden files, links to folders, other kinds of files, and those
    that are empty, broken or encrypted. A file named twice is read once. One example of a
    HotpotQA-style file is chosen with its number or id: ``dev.json#3``, ``dev.json#5a8b57f2``.

    Text that is not UTF-8 is read in the encoding that it is most likely in, with a warning that
    says which. ``.html``, ``.pdf``, ``.docx`` and such a guess need ``pip install
    'at2-rag[files]'``.

    Args:
        paths: A file or a folder, or several; see ``SUFFIXES`` for the kinds.

    Returns:
        The passages, each with a unique ``id``; one that two files give to theirs begins with the
        file's name in the second. In ``metadata`` are the ``path`` of the file and, for a passage
        cut from a text, ``start`` and ``end``, its characters in the text that was read, the
        ``line`` that it begins in where the text has the file's own lines, its ``page``, or the
        ``row`` of a table, the header's being 1; for one of a ``.jsonl`` file, or of a table with a
        column ``text``, its ``line``; what the file itself says there wins.

    Raises:
        FileFormatError: If there is no path, one does not exist or is of no kind that is read, or
            nothing could be read; with the path, and the line where there is one.
    """
    passages, remarks = read_with_remarks(paths)
    for said in remarks:
        warnings.warn(said, FilesWarning, stacklevel=2)
    return passages


def read_with_remarks(paths: str | Path | Iterable[str | Path]) -> tuple[list[Passage], list[str]]:
    """Return what :func:`read_passages` does, and beside it the words that it warns in.

    Args:
        paths: A file or a folder, or several.

    Raises:
        FileFormatError: As for :func:`read_passages`.
    """
    named = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    if not named:
        raise FileFormatError("No files were given; expected at least one file or folder.")
    passages, skipped, remarks = _read_all(find(named, SUFFIXES))
    return passages, [*(f"skipped {line}" for line in in_words(skipped)), *in_words(remarks)]


def _read_all(found: Found) -> tuple[list[Passage], list[Remark], list[Remark]]:
    """Return all passages, what was skipped, and what else there is to say.

    Raises:
        FileFormatError: If no file could be read.
    """
    passages: dict[str | None, Passage] = {}
    failed: list[FileFormatError] = []
    skipped, remarks = list(found.skipped), []
    for source in found.sources:
        try:
            read = _read(source)
        except FileFormatError as error:
            failed.append(error)
            skipped.append(_remark(source, error))
            continue
        for passage in read.passages:
            own = passage
            if passage.id in passages:
                own = replace(passage, id=f"{source.label}#{passage.id}")
            passages[own.id] = own
        remarks += [Remark(source.label, said) for said in read.remarks]
    if len(failed) == len(found.sources):
        raise failed[0] if len(failed) == 1 else _nothing_read(skipped)
    return list(passages.values()), skipped, remarks


def _read(source: SourceFile) -> _Read:
    if source.suffix in _RECORDS:
        decoded = source.decoded()
        passages, remarks = _RECORDS[source.suffix](source, decoded.text), decoded.remarks
    else:
        document = _DOCUMENTS[source.suffix](source)
        passages, remarks = document.passages(source), document.remarks
    _check_ids(passages, source)
    return _Read(passages, remarks)


def _remark(source: SourceFile, error: FileFormatError) -> Remark:
    """Return what an error says of a file, whose path it begins with, and perhaps a line."""
    line, _, said = str(error).removeprefix(str(source.path)).partition(": ")
    if line and source.suffix == ".jsonl":
        line = f", for its line {line[1:]}"  # it is the whole file that is skipped
    return Remark(source.label + line, said)


def _nothing_read(skipped: Sequence[Remark]) -> FileFormatError:
    return FileFormatError(f"Nothing could be read. {' '.join(in_words(skipped))}")


def _check_ids(passages: Sequence[Passage], source: SourceFile) -> None:
    places: dict[str | None, str] = {}
    for passage in passages:
        line = passage.metadata.get("line")
        place = f"{source.path}" if line is None else f"{source.path}:{line}"
        if passage.id in places:
            raise FileFormatError(
                f"{place}: the id {passage.id!r} is also used at {places[passage.id]}; expected "
                "unique ids. Rename one, or leave ids out to have them made."
            )
        places[passage.id] = place
