"""Ungrounded words: what the model would not have written from these passages.

A threshold on scores tells what no passage made the model say, and misses a false detail in a
sentence that a passage did: of "in 1953", where it says 1952, all but one digit goes back to it.
But beside the passage the model would write another digit there, and without it that one is no
less likely.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from at2_rag.ablation.task import AttributionTask
from at2_rag.answer.answer import Answer
from at2_rag.answer.statement import Statement
from at2_rag.documents.scripts import UNSPACED
from at2_rag.spans import Span

#: The most that an ungrounded token's log-probability is beside the sources, in nats: 1 in 100.
#: This and the next were chosen on quotations and short answers of 100 Natural Questions and on 60
#: human answers of ClapNQ, right and made wrong, with two models (docs/faithfulness.md).
UNLIKELY = math.log(0.01)
#: How much likelier it is without them, in nats, where it is part of no number and no name: 100
#: times. People say in other words what passages say, but not with other numbers and names.
LIKELIER = math.log(100)

#: What is marked as a whole: words, and numbers with their points and commas.
_WORD = re.compile(r"\w+(?:[-'’]\w+|(?<=\d)[.,:/]\d+)*")
#: Letters of scripts that put no space between words, of which only numbers are judged.
_UNSPACED = re.compile(f"[{UNSPACED}]")
#: Words that are frequent in German, where a capital does not tell a name from any other noun.
_GERMAN = frozenset(
    ("der", "die", "das", "und", "ist", "nicht", "ein", "eine", "von", "mit", "dem", "den", "des")
)
#: From which share of them on a text is German.
_IS_GERMAN = 0.08
#: What a sentence begins behind, spaces and brackets aside, and how far back to look for it.
_LOOK_BACK = 20
_BEGINS = re.compile(r"(?:^|[.!?:…\n])[\s\"'“‘(\[*_#>-]*$")


def with_ungrounded_words(task: AttributionTask) -> Answer:
    """Return the task's answer, with its words that are from no source.

    One more run of the answer, with all sources hidden from it and from the end of the prompt. A
    word is ungrounded if a token of it is ``UNLIKELY`` beside the sources, and hiding them makes
    one likelier: at all of a number, or a word that begins with a capital within a sentence (in
    German of a number only), and ``LIKELIER`` of any other word. Where words have no spaces between
    them, numbers alone are judged. Statements that are not supported are not looked at: there all
    is in doubt. Nor are refusals. What earlier messages say counts as said.

    A word that the model itself chose, with nothing sampled, is hardly ever unlikely to it, so this
    is for answers that others wrote.

    Args:
        task: The answer, and what it was answered from.

    Raises:
        NumericalError: If the model produced NaN.
    """
    answer = task.answer
    found = list(_ungrounded(task)) if task.sources and task.targets else []
    return replace(answer, statements=tuple(_marked(each, found) for each in answer.statements))


def _ungrounded(task: AttributionTask) -> Iterator[Span]:
    """Yield the characters of each word of the answer that is ungrounded, by its tokens."""
    text, attribution = task.answer.text, task.answer.attribution
    passages = " ".join(passage.text for passage in task.answer.passages)
    names = tells_names(f"{passages} {text}")
    beside, without = _log_probabilities(task)
    gained = without - beside
    for start, end in words(text):
        tokens = attribution.tokens_touching(start, end)
        if not tokens or float(beside[tokens].min()) > UNLIKELY:
            continue
        least = 0.0 if is_detail(text, start, end, names=names) else LIKELIER
        if float(gained[tokens].max()) > least:
            yield start, end


def words(text: str) -> list[Span]:
    """Return the words and numbers of a text; of scripts without spaces, the numbers.

    Args:
        text: The text to look through.
    """
    # As long as the text, with a letter for each accent that is a character of its own.
    spaced = _UNSPACED.sub(" ", text)
    plain = "".join("x" if unicodedata.category(char)[0] == "M" else char for char in spaced)
    return [found.span() for found in _WORD.finditer(plain)]


def tells_names(text: str) -> bool:
    """Return whether a capital within a sentence tells a name: not in German, by its small words.

    Args:
        text: The text, long enough to tell its language.
    """
    found = [text[start:end].lower() for start, end in words(text)]
    return sum(word in _GERMAN for word in found) < _IS_GERMAN * max(1, len(found))


def is_detail(text: str, start: int, end: int, *, names: bool = True) -> bool:
    """Return whether a word is a number, or by its capital letter within a sentence a name.

    Args:
        text: The text that the word is in.
        start: The word's first character.
        end: One past the word's last character.
        names: Whether a capital letter tells a name.
    """
    word = text[start:end]
    if any(char.isdigit() for char in word):
        return True
    if not names:
        return False
    before = text[max(0, start - _LOOK_BACK) : start]
    return len(word) > 1 and word[0].isupper() and not _BEGINS.search(before)


def _log_probabilities(task: AttributionTask) -> Tensor:
    """Return (2, answer tokens): beside all sources, and with all hidden, in nats."""
    ablator = task.ablator_with((), by="knockout").workable
    masks = torch.ones(2, len(task.sources), dtype=torch.bool)
    masks[1] = False
    return ablator.ablate(masks).token_log_probabilities


def _marked(statement: Statement, found: list[Span]) -> Statement:
    if statement.refusal or statement.supported is False:
        return statement
    inside = [(a, b) for a, b in found if statement.start <= a and b <= statement.end]
    return replace(statement, ungrounded=tuple(inside))
