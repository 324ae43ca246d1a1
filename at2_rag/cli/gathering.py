"""What a question is answered from: files read, and narrowed to what a model can read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from at2_rag.cli.console import note, spinner
from at2_rag.documents.passages import check_text
from at2_rag.errors import InputError

if TYPE_CHECKING:
    from at2_rag import Passage


def check_question(question: str) -> None:
    """Refuse what is no question, before anything is read.

    Raises:
        InputError: If it is empty, or holds half of a character.
    """
    if not question.strip():
        raise InputError("The question is empty; expected one, in quotes, before the options.")
    check_text("question", question)


def read_files(paths: Sequence[Path]) -> list[Passage]:
    """Read the passages of files and folders, before any model is loaded.

    Raises:
        InputError: If there are none.
        FileFormatError: If a file cannot be read.
    """
    if not paths:
        raise InputError("No passages; expected --passages with a file or folder to answer from.")
    from at2_rag.documents.files import read_passages

    with spinner("reading files"):
        return read_passages(paths)


def keep_best(query: str, read: Sequence[Passage], most: int, of: str) -> list[Passage]:
    """Return the passages that share the most telling words with a text, in their order.

    Args:
        query: The text to find passages for.
        read: All passages.
        most: How many to keep.
        of: What the text is, to be told in a note.
    """
    from at2_rag.documents.bm25 import best_by_bm25

    kept = best_by_bm25(query, read, most)
    if len(kept) < len(read):
        note(
            f"read {len(read)} passages, kept the {len(kept)} best by BM25 of {of}; "
            "--max-passages keeps more"
        )
    return [read[index] for index in kept]
