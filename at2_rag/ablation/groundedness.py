"""Ungrounded words: what the model would not have written from these passages.

A threshold on scores tells what no passage made the model say, and misses a false detail in a
sentence that a passage did: of "in 1953", where it says 1952, all but one digit goes back to it.
But beside the passage the model would write another digit there, and without it that one is no
less likely.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from at2_rag.ablation.task import AttributionTask
from at2_rag.answer.answer import Answer
from at2_rag.answer.statement import Statement
from at2_rag.spans import Span

#: The most that an ungrounded token's log-probability is beside the sources, in nats: 1 in 100.
#: This and the next were chosen on quotations and short answers of 100 Natural Questions and on 60
#: human answers of ClapNQ, right and made wrong, with two models (docs/faithfulness.md).
UNLIKELY = math.log(0.01)
#: How much likelier it is without them, in nats, where it is part of no number and no name: 100
#: times. People say in other words what passages say, but not with other numbers and names.
LIKELIER = math.log(100)

#: What is marked as a whole: numbers with their points and commas, and words.
_WORD = re.compile(r"\d+(?:[.,:/]\d+)*\w*|\w+(?:[-'’]\w+)*")
#: What a sentence begins behind, spaces and brackets aside, and how far back to look for it.
_LOOK_BACK = 20
_BEGINS = re.compile(r"(?:^|[.!?:…\n])[\s\"'“‘(\[*_#>-]*$")


def with_ungrounded_words(task: AttributionTask) -> Answer:
    """Return the task's answer, with its words that are from no source.

    One more run of the answer, with all sources hidden from it and from the end of the prompt. A
    word is ungrounded if a token of it is ``UNLIKELY`` beside the sources, and hiding them makes
    one likelier: at all of a number, or a word that begins with a capital within a sentence, and
    ``LIKELIER`` of any other word. In statements that are not supported, nothing is marked: there
    all is in doubt. A word that the model itself chose, with nothing sampled, is hardly ever
    unlikely to it, so this is for answers that others wrote.

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
    text, spans = task.answer.text, task.answer.attribution.token_spans
    beside, without = _log_probabilities(task)
    gained = without - beside
    for word in _WORD.finditer(text):
        start, end = word.span()
        tokens = [i for i, (a, b) in enumerate(spans) if a < end and start < b]
        if not tokens or float(beside[tokens].min()) > UNLIKELY:
            continue
        least = 0.0 if is_detail(text, start, end) else LIKELIER
        if float(gained[tokens].max()) > least:
            yield start, end


def is_detail(text: str, start: int, end: int) -> bool:
    """Return whether a word is a number, or by its capital letter within a sentence a name.

    Args:
        text: The text that the word is in.
        start: The word's first character.
        end: One past the word's last character.
    """
    word = text[start:end]
    if any(char.isdigit() for char in word):
        return True
    before = text[max(0, start - _LOOK_BACK) : start]
    return len(word) > 1 and word[0].isupper() and not _BEGINS.search(before)


def _log_probabilities(task: AttributionTask) -> Tensor:
    """Return (2, answer tokens): beside all sources, and with all hidden, in nats."""
    hiding = task.ablator_with((), by="knockout")
    ablator = hiding if hiding.can_hide else task.ablator_with(())
    masks = torch.ones(2, len(task.sources), dtype=torch.bool)
    masks[1] = False
    return ablator.ablate(masks).token_log_probabilities


def _marked(statement: Statement, words: list[Span]) -> Statement:
    inside = [(a, b) for a, b in words if statement.start <= a and b <= statement.end]
    judged = statement.refusal or statement.supported is False
    return replace(statement, ungrounded=() if judged else tuple(inside))
