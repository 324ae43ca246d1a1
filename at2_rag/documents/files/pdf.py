"""Text of PDFs, page by page, without what only the paper needed.

What is printed on every page is dropped, and words that were broken at line ends are whole again. A
sentence that runs over a page's end belongs to the page that it begins on, so that it stays whole,
and every page that is cited is the one to turn to.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from itertools import accumulate
from logging import NullHandler, getLogger
from typing import Any, NamedTuple

from at2_rag.documents.files.document import MAX_LENGTH, Document, Heading, Place
from at2_rag.documents.files.source import SourceFile
from at2_rag.documents.sentences import sentence_spans

#: What parts pages, as in the output of other tools.
_PAGE_END = "\n\f\n"

#: How many lines at either end of a page may be a running head or a page number.
_EDGE = 3

#: Running heads stand on so many pages at least, and on such a share of them.
_FEWEST, _SHARE = 3, 0.4

#: Two or three letters that were set as one.
_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_LEADERS = re.compile(r"(?:[ \t]*\.){5,}[ \t]*")  # to the page, in a table of contents
_TOKEN = re.compile(r"\w+(?:-\d+)?")

#: Stands for a page's own number.
_OWN = "\x00"
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_BROKEN = re.compile(r"(?P<a>[^\W\d_]+)(?P<hyphen>[-\u2010\u00ad])\n[ \t]*(?P<b>[^\W\d_]+\S*) ?\n?")

#: What programs write where nobody gave a title.
_NO_TITLE = re.compile(r"untitled|microsoft word - .*|.*\.\w{2,4}|\W*", re.IGNORECASE)


class _Entry(NamedTuple):
    """One entry of the table of contents that viewers show.

    Attributes:
        page: The index of the page that it leads to.
        level: How deep it is, from 1 on.
        title: What it says.
    """

    page: int
    level: int
    title: str


def read_pdf(source: SourceFile) -> Document:
    """Read the pages of a PDF.

    Raises:
        FileFormatError: If it is broken, needs a password, or has no text, as scans have none.
    """
    pypdf = source.library("pypdf", "pypdf")
    # It tells of every oddity of a file on stderr where nobody else takes what it says.
    getLogger("pypdf").addHandler(NullHandler())
    try:
        reader = _open(pypdf, source)
        texts, broken = _texts(reader.pages)
    except pypdf.errors.DependencyError:
        raise source.error("is encrypted; expected one without a password.") from None
    except (pypdf.errors.PyPdfError, *_FAULTS) as error:
        raise source.error(f"is no PDF that can be read: {_said(error)}") from error
    if not any(text.strip() for text in texts):
        raise source.error(
            f"has no text on its {len(texts)} page{'s' * (len(texts) != 1)}, as scans have none; "
            "text recognition (OCR) adds it."
        )
    labels = _labels(reader, len(texts))
    pages = list(_unbroken(_settled(_without_running_heads(texts, labels))))
    starts = [0, *accumulate(len(page) + len(_PAGE_END) for page in pages)]
    return Document(
        _PAGE_END.join(pages),
        headings=_headings(_contents(reader), pages, starts),
        title=_title(reader),
        places=_places(labels, starts),
        remarks=tuple(_remarks(broken)),
    )


#: What a library may stumble over in a file that is not what it should be.
_FAULTS = (ValueError, TypeError, KeyError, IndexError, AttributeError, OSError, RecursionError,
           ArithmeticError, AssertionError, NotImplementedError)  # fmt: skip


def _said(error: Exception) -> str:
    return (str(error) or type(error).__name__).split("\n")[0]


def _open(pypdf: Any, source: SourceFile) -> Any:
    reader = pypdf.PdfReader(BytesIO(source.bytes()))
    if reader.is_encrypted and not reader.decrypt(""):
        raise source.error("is encrypted; expected one without a password.")
    return reader


def _texts(pages: Iterable[Any]) -> tuple[list[str], list[int]]:
    """Return the text of each page, and the numbers of those that are broken."""
    texts, broken = [], []
    for number, page in enumerate(pages, start=1):
        try:
            texts.append(_clean(page.extract_text()))
        except _FAULTS:
            texts.append("")
            broken.append(number)
    return texts, broken


def _clean(text: str) -> str:
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    lines = whole.translate(_LIGATURES).replace("\r\n", "\n").splitlines()
    clean = (_LEADERS.sub(" … ", _CONTROLS.sub("", line)).rstrip() for line in lines)
    return "\n".join(clean).strip("\n")


def _remarks(broken: Sequence[int]) -> Iterator[str]:
    if broken:
        numbers = ", ".join(map(str, broken))
        yield f"page{'s' * (len(broken) != 1)} {numbers} could not be read"


def _without_running_heads(texts: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Drop what is printed at the edges of many pages, and the numbers of pages."""
    pages = [text.split("\n") for text in texts]
    keys = [
        [_key(line, {str(number), label}) for line in page]
        for number, (page, label) in enumerate(zip(pages, labels, strict=True), start=1)
    ]
    counts = Counter(key for each in keys for key in {*each[:_EDGE], *each[-_EDGE:]})
    least = max(_FEWEST, _SHARE * sum(text != "" for text in texts))
    kept = []
    for page, each in zip(pages, keys, strict=True):
        edge = [_is_head(key, counts[key], least) for key in each]
        kept.append("\n".join(page[_leading(edge) : len(page) - _leading(edge[::-1])]))
    return kept


def _key(line: str, numbers: set[str]) -> str:
    """Return a line; one that tells the number of its page with marks for all numbers."""
    told = " ".join(line.split())
    marked = _TOKEN.sub(lambda token: _OWN if token[0] in numbers else token[0], told)
    return re.sub(r"\d+", _OWN, marked) if _OWN in marked else marked


def _is_head(key: str, count: int, least: float) -> bool:
    """Whether a line is no part of the text; one that tells its page needs to be there twice."""
    return key in ("", _OWN) or count >= (2 if _OWN in key else least)


def _leading(dropped: Sequence[bool]) -> int:
    """Return how many lines at the edge of a page are to be dropped."""
    return next((i for i, drop in enumerate(dropped[:_EDGE]) if not drop), min(_EDGE, len(dropped)))


def _settled(texts: Sequence[str]) -> list[str]:
    """Move the ends of sentences to the pages that they begin on."""
    pages = list(texts)
    for index in range(len(pages) - 1):
        moved = _runs_over(pages[index], pages[index + 1])
        if moved:
            pages[index] += "\n" + pages[index + 1][:moved].rstrip()
            pages[index + 1] = pages[index + 1][moved:].lstrip()
    return pages


def _runs_over(page: str, following: str) -> int:
    """Return how many characters of the next page end a sentence that begins on this one."""
    tail = page[-MAX_LENGTH:]
    spans = sentence_spans(f"{tail}\n{following[:MAX_LENGTH]}") if tail and following else []
    end = next((end for start, end in spans if start < len(tail) < end), 0)
    return max(0, end - len(tail) - 1)


def _unbroken(pages: Sequence[str]) -> Iterator[str]:
    """Yield pages of which the words are whole; a hyphen stays in words that have one elsewhere."""
    words = {word.lower() for page in pages for word in _WORD.findall(_BROKEN.sub(" ", page))}

    def whole(match: re.Match[str]) -> str:
        parts = match["a"], match["b"]
        hyphenated = "-".join(parts).rstrip(".,;:!?)").lower()
        keeps = hyphenated in words and "".join(parts).rstrip(".,;:!?)").lower() not in words
        if match["hyphen"] != "\u00ad" and (keeps or not parts[1][0].islower()):
            return f"{parts[0]}-{parts[1]}\n"
        return f"{''.join(parts)}\n"

    yield from (_BROKEN.sub(whole, page) for page in pages)


def _title(reader: Any) -> str | None:
    """Return the title that the file says, if a person gave it one."""
    try:
        title = " ".join((reader.metadata.title or "").split()) if reader.metadata else ""
    except _FAULTS:
        return None
    return None if _NO_TITLE.fullmatch(title) else title


def _labels(reader: Any, count: int) -> list[str]:
    """Return what is printed on each page, which may not be its number."""
    numbers = [str(number) for number in range(1, count + 1)]
    try:
        labels = list(reader.page_labels)
    except _FAULTS:
        return numbers
    return labels if len(labels) == count else numbers


def _places(labels: Sequence[str], starts: Sequence[int]) -> list[Place]:
    """Return where pages with labels of their own begin."""
    if all(label == str(number) for number, label in enumerate(labels, start=1)):
        return []
    return [Place(start, {"page_label": each}) for start, each in zip(starts, labels, strict=False)]


def _contents(reader: Any) -> list[_Entry]:
    try:
        return list(_entries(reader, reader.outline, 1))
    except _FAULTS:
        return []


def _entries(reader: Any, outline: Iterable[Any], level: int) -> Iterator[_Entry]:
    for entry in outline:
        if isinstance(entry, list):
            yield from _entries(reader, entry, level + 1)
        elif (page := reader.get_destination_page_number(entry)) is not None and page >= 0:
            yield _Entry(page, level, " ".join(_clean(str(entry.title)).split()))


def _headings(
    contents: Iterable[_Entry], pages: Sequence[str], starts: Sequence[int]
) -> list[Heading]:
    """Find the entries of the table of contents in the text; else they begin their page."""
    found: list[Heading] = []
    for page, level, title in contents:
        if page < len(pages):
            at = starts[page] + _line_of(title, pages[page])
            found.append(Heading(at, level, title))
    return sorted(found, key=lambda heading: heading.start)


def _line_of(title: str, page: str) -> int:
    """Return where a line begins that says no more than a title and its number."""
    wanted, start = _letters(title), 0
    for line in page.splitlines(keepends=True):
        said = _letters(line)
        if wanted and said.endswith(wanted) and len(said) <= len(wanted) + 10:
            return start
        start += len(line)
    return 0


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()
