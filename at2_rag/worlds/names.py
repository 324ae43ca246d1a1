"""Made-up names: a first and a last piece, so that nobody can know them beforehand."""

from __future__ import annotations

from random import Random

_VOWELS = "aeiou"
_ONSETS = (
    "b",
    "br",
    "d",
    "dr",
    "f",
    "g",
    "h",
    "j",
    "k",
    "kr",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "tr",
    "v",
    "z",
)
_CODAS = ("", "l", "n")

#: First pieces of names, such as ``Vel``; 300 of them.
HEADS = tuple(
    (onset + vowel + coda).capitalize() for onset in _ONSETS for vowel in _VOWELS for coda in _CODAS
)
#: Last pieces of names, such as ``dabri``; 200 of them.
TAILS = tuple(
    onset + vowel + end
    for onset in ("b", "d", "g", "k", "m", "p", "r", "s", "t", "v")
    for vowel in _VOWELS
    for end in ("", "n", "ra", "s")
)


class Namer:
    """Hands out made-up words of which no two share a first or a last piece.

    A reader of a few million parameters tells names apart by their pieces; worlds without
    near-namesakes keep the questions about the passages, not about spelling.

    Args:
        rng: The source of randomness.
    """

    def __init__(self, rng: Random) -> None:
        self._heads = rng.sample(HEADS, len(HEADS))
        self._tails = rng.sample(TAILS, len(TAILS))

    def word(self) -> str:
        """Return a fresh word such as ``Veldabra``."""
        return self._heads.pop() + self._tails.pop()

    def person(self) -> str:
        """Return a fresh first and last name."""
        return f"{self.word()} {self.word()}"
