"""Sources: the pieces of passages that are scored and cited."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from at2_rag.documents.passages import Passage, SourceKind
from at2_rag.documents.sentences import sentence_spans
from at2_rag.errors import InputError

SourceUnit = Literal["sentence", "passage", "word", "token"]


@dataclass(frozen=True)
class Source:
    """A piece of a passage, or of another document.

    Attributes:
        passage_index: Index among the documents: the caller's passages first, and behind them
            the messages and other texts that are sources.
        start: First character of the source in the document's text.
        end: One past the source's last character in the document's text.
        text: Exactly ``documents[passage_index].text[start:end]``.
    """

    passage_index: int
    start: int
    end: int
    text: str

    @property
    def place(self) -> tuple[int, int, int]:
        """Where it is: index of the document, first character, one past the last."""
        return self.passage_index, self.start, self.end


def check_unit(unit: str) -> None:
    """Raise ``InputError`` unless ``unit`` is a source unit."""
    if unit not in get_args(SourceUnit):
        raise InputError(
            f"source_unit is {unit!r}; expected one of {', '.join(get_args(SourceUnit))}."
        )


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise ``InputError`` unless ``kinds`` are kinds of sources, at least one, each once."""
    known = get_args(SourceKind)
    expected = f"expected any of {', '.join(known)}"
    if isinstance(kinds, str) or not isinstance(kinds, Sequence):
        raise InputError(f"source_kinds is {kinds!r}; {expected}, in a tuple: ('passage',).")
    if not kinds:
        raise InputError(f"source_kinds is empty; {expected}, at least one.")
    for kind in kinds:
        if kind not in known:
            raise InputError(f"source_kinds holds {kind!r}; {expected}.")
        if kinds.count(kind) > 1:
            raise InputError(f"source_kinds holds {kind!r} more than once; expected it once.")


def split_passage(
    passage: Passage,
    index: int,
    unit: SourceUnit,
    language: str = "english",
    token_spans: Sequence[tuple[int, int]] = (),
) -> list[Source]:
    """Cut a passage into sources.

    Args:
        passage: The passage to cut.
        index: The passage's index among the documents.
        unit: What a source is. Sentences are found by Punkt; words are runs of characters
            without white space.
        language: The language of the passage, as Punkt names it.
        token_spans: Characters of the passage's tokens in the prompt, for unit ``"token"``.
    """
    spans = token_spans if unit == "token" else _text_spans(passage.text, unit, language)
    return [Source(index, start, end, passage.text[start:end]) for start, end in spans]


def _text_spans(text: str, unit: SourceUnit, language: str) -> list[tuple[int, int]]:
    match unit:
        case "word":
            return [m.span() for m in re.finditer(r"\S+", text)]
        case "sentence":
            return sentence_spans(text, language)
        case _:
            return [(0, len(text))] if text.strip() else []
