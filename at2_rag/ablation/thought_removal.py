"""Ablation by removing the text, where a model has thought before it responded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from at2_rag.ablation.removal import ShorterPrompts
from at2_rag.sections import Sections
from at2_rag.spans import Span


@dataclass(frozen=True)
class ShorterPromptsAndThoughts:
    """Makes a prompt anew with only some of its sources, and the thoughts behind it.

    Thoughts are what the model wrote, so they are never tokenized anew: of a source that is left
    out of them, its tokens are. The prompt's sources come before those in the thoughts.

    Attributes:
        prompts: Makes the prompt anew with only some of its sources.
        written: Tokens between prompt and response: the thoughts with the markers around them.
        places: Which of the tokens in ``written`` each source in the thoughts has.
    """

    prompts: ShorterPrompts
    written: tuple[int, ...]
    places: tuple[Span, ...]

    @property
    def num_sources(self) -> int:
        """How many sources can be left out, of the prompt and of the thoughts."""
        return len(self._sources)

    def ids(self, kept: Sequence[bool]) -> tuple[int, ...]:
        """Return the token ids of prompt and thoughts, up to the response.

        Args:
            kept: (sources,), true where a source is kept.
        """
        gone = {
            token
            for place, keep in zip(self.places, kept[self._sources.places["thoughts"]], strict=True)
            if not keep
            for token in range(*place)
        }
        left = (id for token, id in enumerate(self.written) if token not in gone)
        return (*self.prompts.ids(kept[self._sources.places["prompt"]]), *left)

    @cached_property
    def _sources(self) -> Sections[object]:
        return Sections.of(prompt=self.prompts.sources, thoughts=self.places)
