"""Passages cut down until a prompt fits: the last sentence of the longest, again and again."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

from at2_rag.documents.passages import Passage
from at2_rag.documents.sentences import sentence_spans
from at2_rag.prompt.template import PassageInPrompt
from at2_rag.prompt.tokens import EncodedPrompt
from at2_rag.spans import Span


def cut_longest(
    prompt: EncodedPrompt, passages: Sequence[Passage], excess: int, language: str
) -> dict[int, int]:
    """Return how many characters are left of each passage that is cut; 0 of those that go.

    The last sentence of all stays.

    Args:
        prompt: A prompt that is too long.
        passages: All passages, those that the prompt does not show as well.
        excess: How many tokens the prompt has too many.
        language: The language of the passages, as Punkt names it.
    """
    left = {
        place.index: _ends(prompt, place, passages[place.index].text, language)
        for place in prompt.places
    }
    # Of passages that are as long as each other, the later one comes first.
    longest = [(-ends[-1][1], -order, i) for order, (i, ends) in enumerate(left.items())]
    heapify(longest)
    cut: dict[int, int] = {}
    while excess > 0 and longest and (len(longest) > 1 or len(left[longest[0][2]]) > 1):
        tokens, order, index = heappop(longest)
        left[index].pop()
        characters, rest = left[index][-1] if left[index] else (0, 0)
        cut[index] = characters
        excess += tokens + rest
        if rest:
            heappush(longest, (-rest, order, index))
    return cut


def _ends(prompt: EncodedPrompt, place: PassageInPrompt, text: str, language: str) -> list[Span]:
    """Return characters of the text, and tokens of the block, up to the end of each sentence."""
    begin, (first, _) = place.text[0], prompt.token_range(*place.block)
    ends = [end for _, end in sentence_spans(text, language)]
    return [(end, prompt.token_range(place.block[0], begin + end)[1] - first) for end in ends]
