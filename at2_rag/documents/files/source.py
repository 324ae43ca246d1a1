"""One file to read passages from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from at2_rag.documents.files.encodings import Decoded, decode
from at2_rag.errors import FileFormatError

#: Some editors write it at the start of a file; it is no text.
BYTE_ORDER_MARK = "\ufeff"

#: How to get what reads other files than text.
_INSTALL = "pip install 'at2-rag[files]'"


@dataclass(frozen=True)
class SourceFile:
    """A file that was found, and what to call it.

    Attributes:
        path: Where the file is.
        label: A short name that the ids of the file's passages start with.
        selection: Which example of the file is wanted, as written after ``#``.
    """

    path: Path
    label: str
    selection: str | None = None

    @property
    def suffix(self) -> str:
        """The suffix in lower case, with its dot."""
        return self.path.suffix.lower()

    @property
    def full_label(self) -> str:
        """The whole path as a label, for when short ones are not unique."""
        name = self.path.as_posix()
        return name if self.selection is None else f"{name}#{self.selection}"

    def bytes(self) -> bytes:
        """Return what is in the file.

        Raises:
            FileFormatError: If it cannot be opened, or is empty.
        """
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise self.error(f"cannot be read: {error.strerror or error}.") from error
        if not data:
            raise self._empty()
        return data

    def text(self) -> str:
        """Decode the file, line ends and a leading byte order mark kept as they are.

        Raises:
            FileFormatError: If it cannot be opened, is not UTF-8, or is blank.
        """
        data = self.bytes()
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise self.error(
                f"byte {data[error.start]:#04x} is not UTF-8; convert the file to UTF-8.", line
            ) from None
        if _is_blank(text):
            raise self._empty()
        return text

    def decoded(self, declared: str | None = None) -> Decoded:
        """Decode the file as :meth:`text` does, also if it is in another encoding than UTF-8.

        Args:
            declared: The encoding that the file says it is in, if it does.

        Raises:
            FileFormatError: If it cannot be opened, is blank, or is no text in any encoding.
        """
        try:
            found = decode(self.bytes(), declared)
        except ImportError:
            raise self.error(
                f"is not UTF-8; convert it, or have its encoding guessed: {_INSTALL}"
            ) from None
        if found is None:
            raise self.error("is no text in any encoding that is known; convert it to UTF-8.")
        if _is_blank(found.text):
            raise self._empty()
        return found

    def library(self, module: str, package: str, kind: str | None = None) -> Any:
        """Import what reads files of this kind.

        Args:
            module: The name to import.
            package: The name to install.
            kind: What such files are called, where they end in several suffixes.

        Raises:
            FileFormatError: If it is not installed.
        """
        try:
            return import_module(module)
        except ImportError as error:
            raise self.error(
                f"reading {kind or self.suffix} needs {package}: {_INSTALL}"
            ) from error

    def parse_json(self, text: str, line: int | None = None) -> Any:
        """Parse the file's text, or the one line of it that is ``line``.

        Raises:
            FileFormatError: If it is malformed; with the line of the file.
        """
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            # The parser counts lines from what it was given; the user from the file's first.
            problem = f"malformed JSON at column {error.colno}: {error.msg}."
            raise self.error(problem, line or error.lineno) from None
        except (ValueError, RecursionError) as error:
            raise self.error(f"JSON that cannot be read: {error}.", line) from None

    def error(self, problem: str, line: int | None = None) -> FileFormatError:
        """Return an error that names the file, and the line where it is known."""
        place = f"{self.path}" if line is None else f"{self.path}:{line}"
        return FileFormatError(f"{place}: {problem}")

    def _empty(self) -> FileFormatError:
        return self.error("the file is empty; expected text in it.")


def _is_blank(text: str) -> bool:
    return not text.removeprefix(BYTE_ORDER_MARK).strip()
