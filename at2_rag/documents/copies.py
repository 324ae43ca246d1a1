"""Copies: pieces of documents that say the same, as retrievers and overlapping chunks bring them.

What a model looks at is shared out among all copies of it, so that each has a part of the score.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from at2_rag.documents.lines import DENSE
from at2_rag.documents.passages import Passage
from at2_rag.documents.sources import Source

#: Where a chunk begins or ends within a sentence, what is left there of it is a copy of the whole
#: from this share on, in characters. Below it, two such pieces may have nothing in common.
CUT_SHARE = 0.6

#: What is left of a sentence is recognized by so many words; of what has fewer, nobody can tell.
_LEAST_WORDS = 6

#: No two documents have a sentence of as many words in common, unless one was copied.
_LONG = 25

#: A number that is cut is another one.
_DIGITS_LEFT, _DIGITS_RIGHT = re.compile(r"\d[.,]?$"), re.compile(r"[.,]?\d")

_WORD = re.compile(rf"[{DENSE}]|[^\W{DENSE}]+")
_SAME = str.maketrans({**dict.fromkeys("‘’‚‛`´", "'"), **dict.fromkeys("“”„‟«»", '"')}) | (
    str.maketrans({**dict.fromkeys("‐‑‒–—−", "-"), "\u00ad": None, "\u200b": None})
)


@dataclass(frozen=True)
class _Piece:
    """A source, and what stands around it.

    Attributes:
        text: What the source says.
        before: The source before it in its passage; empty for the first one.
        behind: The source behind it; empty for the last one.
        title: The passage's title; empty if it has none.
        begins: Whether it may begin a sentence, by its first letter.
    """

    text: str
    before: str
    behind: str
    title: str
    begins: bool

    @property
    def context(self) -> int:
        """How much is known of what stands around it."""
        return sum(map(bool, (self.before, self.behind, self.title)))

    def is_copy_of(self, other: _Piece) -> bool:
        """Whether it says the same, or is what a cut has left of it, about the same thing."""
        same = self.text == other.text or self._is_cut_from(other)
        return same and self._has_the_context_of(other)

    def _is_cut_from(self, other: _Piece) -> bool:
        """Whether it is an edge of its passage, and the better part of another piece there."""
        if len(self.text) < CUT_SHARE * len(other.text):
            return False
        left = other.text.removesuffix(self.text) if not (self.before or self.begins) else ""
        right = other.text.removeprefix(self.text) if not self.behind else ""
        cut_off = any(rest not in ("", other.text) for rest in (left, right))
        return cut_off and not (_DIGITS_LEFT.search(left) or _DIGITS_RIGHT.match(right))

    def _has_the_context_of(self, other: _Piece) -> bool:
        """Whether both stand in the same place, as far as can be seen.

        "It was founded in 1900." says two things in two articles.
        """
        before = _agree(self.before, other.before, str.endswith)
        behind = _agree(self.behind, other.behind, str.startswith)
        if True in (before, behind) or len(_WORD.findall(self.text)) >= _LONG:
            return True
        return False not in (before, behind, _agree(self.title, other.title, str.__eq__))


@dataclass
class _Index:
    """Pieces that are no copies, found again by their words."""

    _found: dict[str, list[int]] = field(default_factory=dict)

    def put(self, index: int, text: str) -> None:
        """Take in a piece that is no copy."""
        words = _WORD.findall(text)
        for key in {text, *_runs(words)}:
            self._found.setdefault(key, []).append(index)

    def get(self, text: str) -> list[int]:
        """Return what a text may be a copy of, the first put in first."""
        words = _WORD.findall(text)
        found = list(self._found.get(text, ()))
        if len(words) >= _LEAST_WORDS:
            middle = (len(words) - _RUN) // 2  # at its ends, words may be cut off
            found += self._found.get(_runs(words)[middle], ())
        return sorted(set(found))


_RUN = 4


def _runs(words: Sequence[str]) -> list[str]:
    return [" ".join(words[i : i + _RUN]) for i in range(len(words) - _RUN + 1)]


def originals(
    sources: Sequence[Source], passages: Sequence[Passage], apart: Collection[int] = ()
) -> tuple[int, ...]:
    """Return for each source which one it is a copy of: an index; its own if of none.

    Copies say the same in the same place, white space, case and typography aside: the sentences
    around agree, or nothing is known of them; a sentence that stands in two articles and means two
    things has no copies. What was cut off is a copy of the whole. Of copies, the fullest is the
    original, the one of which most is known what stands around it, and the first.

    Args:
        sources: Pieces of the passages, in their order.
        passages: The passages and other documents that the sources are pieces of.
        apart: Indices of sources that are no copies, whatever they say.
    """
    pieces = _pieces(sources, passages)
    kinds = [passages[source.passage_index].kind for source in sources]

    def fullest_first(i: int) -> tuple[int, bool, int, int]:
        return -len(pieces[i].text), kinds[i] != "passage", -pieces[i].context, i

    order = sorted((i for i in range(len(sources)) if i not in apart), key=fullest_first)
    index, found = _Index(), list(range(len(sources)))
    place = {i: rank for rank, i in enumerate(order)}
    for i in order:
        ranked = sorted(index.get(pieces[i].text), key=place.__getitem__)
        found[i] = next((other for other in ranked if pieces[i].is_copy_of(pieces[other])), i)
        if found[i] == i:
            index.put(i, pieces[i].text)
    return tuple(found)


def plain(text: str) -> str:
    """Return what a text says, white space, case and typography aside."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_SAME)
    return " ".join(folded.split())


def _pieces(sources: Sequence[Source], passages: Sequence[Passage]) -> list[_Piece]:
    texts = [plain(source.text) for source in sources]
    owners = [source.passage_index for source in sources]
    before, behind = [""] * len(texts), [""] * len(texts)
    for i, (owner, following) in enumerate(pairwise(owners)):
        if owner == following:
            behind[i], before[i + 1] = texts[i + 1], texts[i]
    titles = [plain(passages[owner].title or "") for owner in owners]
    begins = [source.text[:1].isupper() for source in sources]
    return list(map(_Piece, texts, before, behind, titles, begins))


def _agree(one: str, other: str, ends: Callable[[str, str], bool]) -> bool | None:
    """Whether one text ends (or begins, or is) as another; ``None`` where one is not known."""
    return (ends(one, other) or ends(other, one)) if one and other else None
