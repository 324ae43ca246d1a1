"""What the passages speak against: words of an answer that are far likelier without them.

A threshold on scores tells what no passage made the model say, and misses a false detail in a
sentence that a passage did: of "in 1953", where it says 1952, all but one digit goes back to it.
But the passages make the model expect another digit there, so without them this one is likelier.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

import torch

from at2_rag.ablation.task import AttributionTask
from at2_rag.answer.answer import Answer
from at2_rag.answer.statement import Statement
from at2_rag.spans import Span

#: How much likelier a token is without the sources, in nats: 10 times. This and the next were
#: chosen on sentences of 100 Natural Questions, right ones and ones that were made wrong, with one
#: model (docs/faithfulness.md).
LIKELIER = math.log(10)
#: The most that its log-probability beside them is, in nats: what may well be said is not wrong.
UNLIKELY = math.log(0.01)

#: What is marked as a whole: numbers with their points and commas, and words.
_WORD = re.compile(r"\d+(?:[.,:/]\d+)*\w*|\w+(?:[-'’]\w+)*")


def with_contradictions(task: AttributionTask) -> Answer:
    """Return the task's answer, with the words that its sources speak against.

    One more run of the answer, with all sources hidden from it and from the end of the prompt. A
    token counts where hiding them makes it ``LIKELIER`` and it is ``UNLIKELY`` beside them. A word
    that the model itself chose, with nothing sampled, is hardly ever unlikely to it: this is for
    answers that others wrote.

    Args:
        task: The answer, and what it was answered from.

    Raises:
        NumericalError: If the model produced NaN.
    """
    answer = task.answer
    tokens = _contradicted_tokens(task) if task.sources and task.targets else []
    spans = [answer.attribution.token_spans[token] for token in tokens]
    words = [found.span() for found in _WORD.finditer(answer.text)]
    wrong = [word for word in words if any(a < word[1] and word[0] < b for a, b in spans)]
    return replace(answer, statements=tuple(_marked(each, wrong) for each in answer.statements))


def _contradicted_tokens(task: AttributionTask) -> list[int]:
    """Return the indices of the answer's tokens that the sources speak against."""
    hiding = task.ablator_with((), by="knockout")
    ablator = hiding if hiding.can_hide else task.ablator_with(())
    masks = torch.ones(2, len(task.sources), dtype=torch.bool)
    masks[1] = False
    beside, without = ablator.ablate(masks).token_log_probabilities
    found = (without - beside >= LIKELIER) & (beside <= UNLIKELY)
    return [int(index) for index in found.nonzero()]


def _marked(statement: Statement, words: list[Span]) -> Statement:
    inside = [(a, b) for a, b in words if statement.start <= a and b <= statement.end]
    return replace(statement, contradicted=() if statement.refusal else tuple(inside))
