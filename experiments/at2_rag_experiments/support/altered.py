"""Right texts made wrong, each by a change so small that its words stay those of the passages."""

from __future__ import annotations

import re
from random import Random

_DIGIT = re.compile(r"\d")

#: Verbs that English negates by a "not" behind them.
_AUXILIARY = re.compile(
    r"\b(?:is|are|was|were|has|have|had|can|could|will|would|must|should|may|might|did|does|do)\b"
    r"(?! not\b| n't\b|n't)"
)

#: A name: words with a capital, one behind the other, without what sentences begin with.
_NAME = re.compile(r"\b(?!(?:The|An|In|On|At|To)\b)[A-Z][\w'-]+(?: [A-Z][\w'-]+)*")


def with_another_digit(text: str, seed: str) -> str | None:
    """Return a text with one of its digits replaced; ``None`` if it has no digit.

    The last digit of a number is, so that a year stays near.

    Args:
        text: An answer, with a number in it or not.
        seed: What digit and place are drawn with.
    """
    ends = [found.start() for found in _DIGIT.finditer(text) if _ends_number(text, found.end())]
    if not ends:
        return None
    rng = Random(f"at2-digit-{seed}")
    place = rng.choice(ends)
    digit = rng.choice([d for d in "0123456789" if d != text[place]])
    return text[:place] + digit + text[place + 1 :]


def _ends_number(text: str, end: int) -> bool:
    return not _DIGIT.match(text, end)


def negated(text: str) -> str | None:
    """Return a text with a "not" behind its first auxiliary verb; ``None`` if it has none.

    Args:
        text: A sentence in English.
    """
    found = _AUXILIARY.search(text)
    return None if found is None else f"{text[: found.end()]} not{text[found.end() :]}"


def with_exchanged_names(text: str) -> str | None:
    """Return a text with its first two different names in each other's places.

    Names are runs of words with a capital; a single word that the text begins with is left out, as
    any word has a capital there. ``None`` if there are not two, or one is within the other.

    Args:
        text: A sentence in a language that writes names, and little else, with capitals.
    """
    names = [found for found in _NAME.finditer(text) if found.start() or " " in found[0]]
    first = next(iter(names), None)
    if first is None:
        return None
    unlike = (n for n in names if n[0] not in first[0] and first[0] not in n[0])
    if (second := next(unlike, None)) is None:
        return None
    between = text[first.end() : second.start()]
    return f"{text[: first.start()]}{second[0]}{between}{first[0]}{text[second.end() :]}"
