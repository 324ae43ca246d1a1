"""What bytes say as text: UTF-8 almost always, else what they are marked as, else a guess."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

#: What files begin with that say their encoding themselves; the longer one comes first.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

#: Encodings that files are found in. Rarer ones would only win short texts by chance.
_NARROW = (
    *("cp1252", "cp1250", "cp1254", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp874"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
)
_WIDE = ("utf_16_le", "utf_16_be")

#: Encodings that differ in few letters. What looks like one of them is nearly always the first.
_LATIN = ("cp1252", "cp1250", "cp1254")

#: What letters of the other two become in words that are read as the first.
_TURKISH = re.compile(r"[^\W\d_]ð")
_CENTRAL = re.compile(r"[^\W\d_][¡-¿](?=[^\W\d_])|[ª²³¹º][^\W\d_]|\ufffd")

#: A guess is made from so many bytes, which are plenty.
_SEEN = 1 << 16


class Decoded(NamedTuple):
    """Text, and how sure it is.

    Attributes:
        text: All of it; line ends and a leading byte order mark are kept as they are.
        remarks: What a person should know of how the bytes were read.
    """

    text: str
    remarks: tuple[str, ...] = ()


def decode(data: bytes, declared: str | None = None) -> Decoded | None:
    """Return the text of some bytes; ``None`` if they are none.

    Args:
        data: All bytes of a file.
        declared: The encoding that the file says it is in, if it does; often wrong.

    Raises:
        ImportError: If the encoding would have to be guessed, and the library that guesses is not
            installed.
    """
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return _known(data, encoding)
    if _is_wide(data):
        return _guessed(data, _WIDE) or _known(data, "utf-8")
    for known in ("utf-8", declared):
        if known and (found := _known(data, known)) is not None:
            return found
    # Of text in a narrow encoding that is not UTF-8, no byte is zero.
    return None if 0 in data else _mended(data) or _guessed(data, _NARROW)


def _is_wide(data: bytes) -> bool:
    """Whether so many bytes are zero that characters have two."""
    return data.count(0) * 5 > len(data)


def _known(data: bytes, encoding: str) -> Decoded | None:
    try:
        return Decoded(data.decode(encoding))
    except (UnicodeDecodeError, LookupError):  # or the name of no encoding of text
        return None


def _mended(data: bytes) -> Decoded | None:
    """Return what is UTF-8 but for a few bytes, such as a file that was cut off."""
    text = data.decode("utf-8", errors="replace")
    bad = text.count("\ufffd")
    if sum(not char.isascii() for char in text) < 5 * bad:
        return None
    return Decoded(text, ("is not all UTF-8; \ufffd stands where it is not",))


def _guessed(data: bytes, likely: Sequence[str]) -> Decoded | None:
    guess = _guess(data, likely)
    if guess is None:
        return None
    remark = f"is not UTF-8; read as {guess}, which is a guess"
    return Decoded(data.decode(guess, errors="replace"), (remark,))


def _guess(data: bytes, likely: Sequence[str]) -> str | None:
    """Return the encoding that makes most sense of some bytes; ``None`` if none makes any."""
    library = import_module("charset_normalizer")
    best = library.from_bytes(data[:_SEEN], cp_isolation=list(likely)).best()
    if best is None:
        return None
    return _latin(data, best.encoding) if best.encoding in _LATIN else str(best.encoding)


def _latin(data: bytes, guess: str) -> str:
    """Return which of the Latin encodings some bytes are in, by what would be odd in the first."""
    text = data[:_SEEN].decode("cp1252", errors="replace")
    if _TURKISH.search(text):
        return "cp1254"
    return guess if _CENTRAL.search(text) else "cp1252"
