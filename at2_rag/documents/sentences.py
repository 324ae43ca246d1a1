"""Sentences as character spans, the same on every machine and without a download."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from at2_rag.errors import MissingResourceError

if TYPE_CHECKING:
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

#: Its parameters are part of this package; see examples/train_punkt.py.
ENGLISH = "english"

#: Where nltk's data has the parameters of all languages, in one folder for each.
_PUNKT_FOLDER = "tokenizers/punkt_tab"

#: Ends of sentences that Punkt does not know, in scripts where they mark nothing else and often no
#: space follows: Chinese, Japanese, Arabic, Urdu, Hindi, Amharic, Burmese, Khmer and Armenian.
#: Closing quotes and brackets stay with the sentence that they close.
OTHER_FULL_STOP = re.compile("[。｡！？؟۔।॥።፧။។։]+[」』）〉》】〕］｝\"'”’»)\\]]*")

#: What belongs to the sentence before when no space is between: marks like the second one in "?!",
#: the end of "**bold.**", and the number of a reference [1].
_ATTACHED = re.compile(r"(?:\[\d+\]|[^\w\s]|_)+(?=\s|$)")

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

    No sentence runs over a line break. Pieces without a letter, such as the number of a list item,
    are not sentences. The spans are in order, do not overlap, have no whitespace at their edges,
    and hold every letter of the text.

    Args:
        text: The text to split; may be empty.
        language: The language whose abbreviations are known: English, or one of nltk's data that is
            installed (see `available_languages`).

    Returns:
        A pair ``(start, end)`` for each sentence: ``text[start:end]`` is the sentence.

    Raises:
        MissingResourceError: If the parameters for the language are not installed.
    """
    punkt = load_punkt(language)
    spans: list[tuple[int, int]] = []
    for start, end in _pieces(text, punkt):
        if spans and spans[-1][1] == start and (match := _ATTACHED.match(text, start, end)):
            spans[-1] = (spans[-1][0], match.end())
            start = match.end()
        piece = text[start:end]
        if any(map(str.isalpha, piece)):
            start = end - len(piece.lstrip())
            spans.append((start, start + len(piece.strip())))
    return spans


def available_languages() -> list[str]:
    """List the languages that sentences can be found in on this machine, in alphabetical order."""
    import nltk.data

    folders = (Path(root, _PUNKT_FOLDER) for root in nltk.data.path)
    installed = {path.parent.name for folder in folders for path in folder.glob("*/*.txt")}
    return sorted(installed | {ENGLISH})


def _pieces(text: str, punkt: PunktSentenceTokenizer) -> Iterator[tuple[int, int]]:
    """Yield the spans between line breaks, Punkt's boundaries, and other full stops."""
    offset = 0
    for line in text.splitlines(keepends=True):
        for start, end in punkt.span_tokenize(line):
            for match in OTHER_FULL_STOP.finditer(line, start, end):
                yield offset + start, offset + match.end()
                start = match.end()
            yield offset + start, offset + end
        offset += len(line)


@cache
def load_punkt(language: str) -> PunktSentenceTokenizer:
    """Return what splits texts of a language, which is loaded once.

    Raises:
        MissingResourceError: If the language is not on this machine.
    """
    # Not at the top: nltk takes a while to import, and who only reads records needs none of it.
    from nltk.tokenize.punkt import PunktSentenceTokenizer

    parameters = _english() if language == ENGLISH else _from_nltk_data(language)
    # A Counter takes a missing word as 0 like the defaultdict that it replaces, but does not store
    # it: so a call changes nothing for the next one, or for one in another thread.
    parameters.ortho_context = Counter(parameters.ortho_context)
    return PunktSentenceTokenizer(parameters)


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
