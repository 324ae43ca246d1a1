"""From a prompt to a reading: the model answers it, or reads an answer that is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from at2_rag.decoding import decode_answer
from at2_rag.errors import InputError
from at2_rag.passes import RecordedModel
from at2_rag.prompting import PromptMaker
from at2_rag.reading import Reading


@dataclass(frozen=True)
class Engine:
    """A recorded model with its tokenizer.

    Attributes:
        recorded: The model.
        tokenizer: Its tokenizer.
    """

    recorded: RecordedModel
    tokenizer: PreTrainedTokenizerBase

    def answer(self, maker: PromptMaker, shown: Sequence[int], generate: dict[str, Any]) -> Reading:
        """Have the model answer.

        Args:
            maker: Makes the prompt.
            shown: Indices of the passages to show, in order.
            generate: Options of ``model.generate``.
        """
        longest = maker.settings.max_new_tokens
        room = None if self._context_length is None else self._context_length - longest
        prompt = maker.fit(shown, room)
        result = self.recorded.generate(prompt.ids, {"max_new_tokens": longest, **generate})
        decoded = decode_answer(self.tokenizer, result.ids)
        return Reading(
            maker,
            prompt,
            len(prompt.ids),
            result.ids,
            decoded.text,
            decoded.spans,
            result.attention,
            result.truncated,
        )

    def read(self, maker: PromptMaker, shown: Sequence[int], answer: str) -> Reading:
        """Have the model read an answer in one pass.

        Args:
            maker: Makes the prompt.
            shown: Indices of the passages to show, in order.
            answer: The answer's text.
        """
        if not isinstance(answer, str) or not answer.strip():
            raise InputError(f"answer is {answer!r}; expected text to cite.")
        text = answer.strip()
        prompt = maker.fit(shown, self._context_length, text)
        begin = len(prompt.text) - len(text)
        first, _ = prompt.token_range(begin, len(prompt.text))
        ids = prompt.ids[first:]
        attention = self.recorded.read(prompt.ids[:first], ids)
        spans = tuple(
            (max(start - begin, 0), max(end - begin, 0)) for start, end in prompt.offsets[first:]
        )
        return Reading(maker, prompt, first, ids, text, spans, attention, truncated=False)

    @property
    def _context_length(self) -> int | None:
        config = self.recorded.model.config.get_text_config()
        length = getattr(config, "max_position_embeddings", None)
        return int(length) if length else None
