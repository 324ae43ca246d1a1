"""Sentences as character spans, the same on every machine and without a download."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from at2_rag.documents.blocks import Block, blocks
from at2_rag.documents.lines import DENSE
from at2_rag.errors import MissingResourceError
from at2_rag.spans import stripped

if TYPE_CHECKING:
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

#: Its parameters are part of this package; see examples/train_punkt.py.
ENGLISH = "english"

#: Where nltk's data has the parameters of all languages, in one folder for each.
_PUNKT_FOLDER = "tokenizers/punkt_tab"

#: Ends of sentences that Punkt does not know, in scripts where they mark nothing else and often no
#: space follows: Chinese, Japanese, Arabic, Urdu, Hindi, Amharic, Burmese, Khmer and Armenian; in
#: the first two also dots, and marks of Latin with no space behind. Closing quotes and brackets
#: stay with the sentence that they close.
OTHER_FULL_STOP = re.compile(
    f"(?:[。｡！？؟۔।॥።፧။។։]|(?<!\\d)．|．(?!\\d)|(?<=[{DENSE}])(?:…{{2,}}|[.!?]+(?=[{DENSE}\"'”’])))+"
    "[」』）〉》】〕］｝\"'”’»)\\]]*"
)

#: Quotes and brackets that hold whole sentences without ending the one around them.
_PAIRS = dict(zip("「『“（《〈【〔", "」』”）》〉】〕", strict=True))
_PAIR_MARKS = re.compile(f"[{''.join(_PAIRS)}{''.join(_PAIRS.values())}]")

#: What belongs to the sentence before when no space is between: marks like the second one in "?!",
#: the end of "**bold.**", and the number of a reference [1].
_ATTACHED = re.compile(r"(?:\[\d+\]|[^\w\s]|_)+(?=\s|$)")

#: The number of a list's item, or several of lists within lists, which belong to what follows.
_ITEM_NUMBER = re.compile(r"(?:[-+*•◦▪‣·∙●○>\s]*\(?(?:\d{1,3}|[^\W\d_]|[ivxIVX]+)[.)])+\s*")

#: The end of a question or an exclamation in quotes or brackets, behind which a sentence goes on
#: where a small letter follows: 'Who said "Stop!" is not known.' Punkt takes it for an end always.
_ASKED_WITHIN = re.compile("[?!][\"'”’»)\\]]+$")

_SIGN = re.compile(r"\S")

#: In Thai a period shortens a word, and ends no sentence.
_THAI_PERIOD = re.compile("[\u0e00-\u0e7f]\\.$")

#: The end of what only says that something follows: "The results are:".
_LEADS_IN = re.compile(r"[:：][*_]*$")

#: The end of a sentence behind a unit of one letter ("at 1700 m. It is"), which Punkt takes for an
#: initial: a small letter, or a capital one where what follows is hardly a name ("230 V. The").
_UNIT = re.compile(
    r"\d[ \u00a0]?(?:[b-zµ]\.(?=\s+[\"'“‘(]*[^\W\d_a-z])(?!\s+(?:Chr|Kr)\b)"
    r"|[A-Z]\.(?=\s+(?:An?|The|This|That|These|Those|It|In|Its|If|When|For|At|On|He|She|We|You|They)\b))"
)

_INITIALS = re.compile(r"[^\W\d_](?:\.[^\W\d_])+")


class Abbreviations(frozenset[str]):
    """A set of abbreviations without their last period, that also has all initials.

    Initials are single letters with periods between them (J.R.R., U.S.S.R., a.m.): too many to
    list, and never words.
    """

    def __contains__(self, word: object) -> bool:
        if super().__contains__(word):
            return True
        return isinstance(word, str) and _INITIALS.fullmatch(word) is not None


def sentence_spans(text: str, language: str = ENGLISH) -> list[tuple[int, int]]:
    """Find the sentences of a text.

    Lines of wrapped text are one text; other lines (of lists, tables, code and verse) are sentences
    of their own. What says nothing by itself, such as a ruler or the fence around code, belongs to
    a neighbour. The spans are in order, do not overlap, have no whitespace at their edges, and hold
    every character of the text that is not white space.

    Args:
        text: The text to split; may be empty.
        language: The language whose abbreviations are known: English, or one of nltk's data that is
            installed (see `available_languages`).

    Returns:
        A pair ``(start, end)`` for each sentence: ``text[start:end]`` is the sentence.

    Raises:
        MissingResourceError: If the parameters for the language are not installed.
    """
    spans: list[tuple[int, int]] = []
    waiting: int | None = None  # where begins what belongs to the next sentence
    for start, end, place in _pieces(text, language):
        if place == "own":
            spans.append((start if waiting is None else waiting, end))
            waiting = None
        elif waiting is None and (place == "next" or not spans):
            waiting = start
        elif waiting is None:
            spans[-1] = (spans[-1][0], end)
    if waiting is not None:
        last = len(text.rstrip())
        spans[-1:] = [(spans[-1][0] if spans else waiting, last)]
    return spans


def statement_spans(text: str, language: str = ENGLISH) -> list[tuple[int, int]]:
    """Find the sentences of a text that say something, each without what says nothing.

    They are those of :func:`sentence_spans`; but rulers, fences and separators of tables are in
    none, nor what only names what follows: headings, the first rows of tables, and sentences that
    end their line with a colon, unless nothing follows. A text without anything else is a single
    one.

    Args:
        text: The text to split; may be empty.
        language: The language of the text, as for :func:`sentence_spans`.

    Raises:
        MissingResourceError: If the parameters for the language are not installed.
    """
    found = blocks(text)
    spans = [
        span for block in found for span in statements_of(text, block, block.wraps(), language)
    ]
    if ends_in_lead(text):  # into nothing: it has to stand for itself
        spans += _sentences_of(text, found[-1], found[-1].wraps(), language)[-1:]
    whole = [match.span() for match in re.finditer(r"\S(?:.*\S)?", text, re.DOTALL)]
    return spans or whole


def statements_of(
    text: str,
    block: Block,
    wraps: Sequence[bool | None],
    language: str = ENGLISH,
    begin: int = 0,
) -> list[tuple[int, int]]:
    """Find the sentences of one block of a text that say something.

    Args:
        text: The text that the block is in.
        block: The lines to look at.
        wraps: For each line end of the block but the last, whether it is white space.
        language: The language of the text, as for :func:`sentence_spans`.
        begin: Where in the text to begin.

    Raises:
        MissingResourceError: If the parameters for the language are not installed.
    """
    if block.lines[0].kind == "fence":
        return []
    titles = block.titles()
    return [
        span
        for span in _sentences_of(text, block, wraps, language, begin)
        if says_something(text[slice(*span)])
        and not _LEADS_IN.search(text[slice(*span)])
        and not any(a <= span[0] < b for a, b in titles)
    ]


def ends_in_lead(text: str) -> bool:
    """Whether a text ends in a sentence that leads in, and nothing comes behind it."""
    if _LEADS_IN.search(text.rstrip()) is None:  # first, since it is asked of every piece of text
        return False
    last = blocks(text)[-1].lines[-1]
    return last.kind not in ("fence", "code", "heading", "rule") and says_something(last.content)


def _sentences_of(
    text: str, block: Block, wraps: Sequence[bool | None], language: str, begin: int = 0
) -> list[tuple[int, int]]:
    flat, (first, _) = block.flat(text), block.span
    return [
        stripped(text, (first + a, first + b))
        for start, end in block.runs(wraps)
        if end > begin
        for a, b in _spans_within(flat, (max(start, begin) - first, end - first), language)
    ]


def has_open_quote(text: str) -> bool:
    """Whether a quote or bracket that holds sentences is open at the end of a text."""
    opened = [place for place, mark in enumerate(text) if mark in _PAIRS]
    return len(opened) > len(list(_quoted(text)))


def _spans_within(
    flat: str, run: tuple[int, int], language: str = ENGLISH
) -> list[tuple[int, int]]:
    """Return the characters of each sentence of running text, with the white space before it.

    Args:
        flat: A text with nothing but spaces for line ends.
        run: Characters of the running text.
        language: The language of the text, as for :func:`sentence_spans`.
    """
    spans: list[tuple[int, int]] = []
    begin = seen = run[0]
    blank = True  # from begin to what was seen already
    for end in [*_ends(flat, run, load_punkt(language)), run[1]]:
        if spans and (match := _ATTACHED.match(flat, begin, end)):
            spans[-1] = (spans[-1][0], match.end())
            begin = match.end()
        piece = flat[max(begin, seen) : end]
        blank, seen = blank and not piece.strip(), end
        if blank or (not spans and end < run[1] and _leads(piece)):
            continue
        spans.append((begin, end))
        begin, blank = end, True
    return spans


def _leads(piece: str) -> bool:
    """Whether what a text begins with belongs to what follows, as the number of a list's item."""
    return _ITEM_NUMBER.fullmatch(piece) is not None or not says_something(piece)


def says_something(text: str) -> bool:
    """Whether there is a letter or digit in a text."""
    return any(map(str.isalnum, text))


def available_languages() -> list[str]:
    """List the languages that sentences can be found in on this machine, in alphabetical order."""
    import nltk.data

    folders = (Path(root, _PUNKT_FOLDER) for root in nltk.data.path)
    installed = {path.parent.name for folder in folders for path in folder.glob("*/*.txt")}
    return sorted(installed | {ENGLISH})


def _pieces(
    text: str, language: str
) -> Iterator[tuple[int, int, Literal["own", "previous", "next"]]]:
    """Yield the pieces of a text that is whole, and which sentence each belongs to."""
    opening = True
    for block in blocks(text):
        if block.lines[0].kind == "fence":
            start, end = stripped(text, block.span)
            yield start, end, "next" if opening else "previous"
            opening = not opening
        else:
            for start, end in _sentences_of(text, block, block.wraps(), language):
                yield start, end, "own" if says_something(text[start:end]) else "previous"


def _ends(flat: str, run: tuple[int, int], punkt: PunktSentenceTokenizer) -> Iterator[int]:
    """Yield where a sentence of running text ends and more follows: by Punkt, or other marks."""
    begin, end = run
    text = flat[begin:end]
    quoted = list(_quoted(text))
    other = {match.end() for match in OTHER_FULL_STOP.finditer(text)}
    other = {end for end in other if not any(a < end <= b for a, b in quoted)}
    by_punkt = {stop for _, stop in punkt.span_tokenize(text) if not _goes_on(text, stop)}
    units = {match.end() for match in _UNIT.finditer(text)}
    yield from (begin + place for place in sorted(other | units | by_punkt) if place < len(text))


def _goes_on(text: str, stop: int) -> bool:
    """Whether a sentence goes on where Punkt takes it to end."""
    if _THAI_PERIOD.search(text, stop - 2, stop):
        return True
    if not _ASKED_WITHIN.search(text, stop - 4, stop):
        return False
    following = _SIGN.search(text, stop)
    return following is not None and following[0].islower()


def _quoted(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each pair of quotes or brackets opens and closes."""
    opened: list[int] = []
    for match in _PAIR_MARKS.finditer(text):
        mark = match.group()
        if mark in _PAIRS:
            opened.append(match.start())
        elif opened and _PAIRS[text[opened[-1]]] == mark:
            yield opened.pop(), match.start()


@cache
def load_punkt(language: str) -> PunktSentenceTokenizer:
    """Return what splits texts of a language, which is loaded once.

    Raises:
        MissingResourceError: If the language is not on this machine.
    """
    # Not at the top: nltk takes a while to import, and who only reads records needs none of it.
    from nltk.tokenize.punkt import PunktSentenceTokenizer

    from at2_rag.documents.signs import Signs

    parameters = _english() if language == ENGLISH else _from_nltk_data(language)
    # A Counter takes a missing word as 0 like the defaultdict that it replaces, but does not store
    # it: so a call changes nothing for the next one, or for one in another thread.
    parameters.ortho_context = Counter(parameters.ortho_context)
    return PunktSentenceTokenizer(parameters, lang_vars=Signs())


def _english() -> PunktParameters:
    from nltk.tokenize.punkt import PunktParameters

    content = json.loads(files("at2_rag").joinpath("data/punkt_english.json").read_text("utf-8"))
    parameters = PunktParameters()
    parameters.abbrev_types = Abbreviations(content["abbrev_types"])
    parameters.collocations = set(map(tuple, content["collocations"]))
    parameters.sent_starters = set(content["sent_starters"])
    parameters.ortho_context = content["ortho_context"]
    return parameters


def _from_nltk_data(language: str) -> PunktParameters:
    import nltk.data
    from nltk.tokenize.punkt import load_punkt_params

    # Compared with the list first, because nltk would take a name with slashes for a path.
    available = available_languages()
    if language not in available:
        raise MissingResourceError(
            f"There are no sentence parameters for language={language!r}; expected one of "
            f"{', '.join(available)}. To install those of other languages, run: "
            "python -m nltk.downloader punkt_tab"
        )
    return load_punkt_params(nltk.data.find(f"{_PUNKT_FOLDER}/{language}/"))
