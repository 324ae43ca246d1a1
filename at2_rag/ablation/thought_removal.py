"""Ablation by removing the text, where a model has thought before it responded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from at2_rag.ablation.removal import ShorterPrompts
from at2_rag.spans import Span


@dataclass(frozen=True, kw_only=True)
class ShorterPromptsAndThoughts(ShorterPrompts):
    """Makes a prompt anew with only some of its sources, and the thoughts behind it.

    Thoughts are what the model wrote, so they are never tokenized anew: of a source that is left
    out of them, its tokens are.

    Attributes:
        sources: What can be left out of the prompt, and behind it what can be of the thoughts.
        written: Tokens between prompt and response: the thoughts with the markers around them.
        places: Range of these tokens of each source in the thoughts.
    """

    written: tuple[int, ...]
    places: tuple[Span, ...]

    def ids(self, kept: Sequence[bool]) -> tuple[int, ...]:
        """Return the token ids of prompt and thoughts, up to the response.

        Args:
            kept: (sources,), true where a source is kept.
        """
        inside = len(self.sources) - len(self.places)
        prompts = ShorterPrompts(self.maker, self.shown, self.sources[:inside], self.answer)
        gone = {
            token
            for place, keep in zip(self.places, kept[inside:], strict=True)
            if not keep
            for token in range(*place)
        }
        left = (id for token, id in enumerate(self.written) if token not in gone)
        return (*prompts.ids(kept[:inside]), *left)
