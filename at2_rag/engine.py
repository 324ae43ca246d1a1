"""From a prompt to a reading: the model answers it, or reads an answer that is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from at2_rag.batches import in_length_batches
from at2_rag.decoding import decode_answer
from at2_rag.encoding import EncodedPrompt
from at2_rag.errors import InputError
from at2_rag.passes import Generation, Progress, RecordedModel
from at2_rag.prompt import Span
from at2_rag.prompting import PromptMaker
from at2_rag.reading import Reading
from at2_rag.sources import sentences_or_whole


@dataclass(frozen=True)
class Unfinished:
    """An answer that the model is still writing; to be used before its next step only.

    Attributes:
        maker: Of the prompt.
        prompt: The prompt.
        progress: The answer so far.
    """

    maker: PromptMaker
    prompt: EncodedPrompt
    progress: Progress

    def reading(self, tokens: int, statements: Sequence[Span]) -> Reading:
        """Return the answer's first tokens, as they will be in the finished reading.

        Args:
            tokens: How many.
            statements: Characters of each statement that has ended within them.
        """
        return _reading(self.maker, self.prompt, self.progress.first(tokens), statements)


@dataclass(frozen=True)
class Engine:
    """A recorded model with its tokenizer.

    Attributes:
        recorded: The model.
        tokenizer: Its tokenizer.
    """

    recorded: RecordedModel
    tokenizer: PreTrainedTokenizerBase

    def answer(
        self,
        maker: PromptMaker,
        shown: Sequence[int],
        generate: dict[str, Any],
        watch: Callable[[Unfinished | None], None] | None = None,
    ) -> Reading:
        """Have the model answer.

        Args:
            maker: Makes the prompt.
            shown: Indices of the passages to show, in order.
            generate: Options of ``model.generate``.
            watch: Called after each step with the answer so far, or with ``None`` where the steps
                cannot be followed; what it raises ends the generation.
        """
        prompt, options = self._prompt(maker, shown), _with_length(maker, generate)
        if watch is None:
            return _reading(maker, prompt, self.recorded.generate([prompt.ids], options)[0])

        def follow(progress: Progress | None) -> None:
            watch(None if progress is None else Unfinished(maker, prompt, progress))

        return _reading(maker, prompt, self.recorded.generate([prompt.ids], options, follow)[0])

    def answer_batch(
        self,
        asked: Sequence[tuple[PromptMaker, Sequence[int]]],
        generate: dict[str, Any],
    ) -> list[Reading]:
        """Have the model answer several at a time.

        Args:
            asked: What makes each prompt, all with the same settings, and the indices of the
                passages to show.
            generate: Options of ``model.generate``.

        Raises:
            ContextOverflowError: If a prompt does not fit.
        """
        prompts = [self._prompt(maker, shown) for maker, shown in asked]
        if not prompts:
            return []
        first = asked[0][0]
        options = _with_length(first, generate)
        room = int(options["max_new_tokens"])
        ids = [prompt.ids for prompt in prompts]
        generated = in_length_batches(
            ids,
            lambda part: self.recorded.generate(part, options),
            first.settings.max_batch_tokens,
            room,
        )
        return [
            _reading(maker, prompt, found)
            for (maker, _), prompt, found in zip(asked, prompts, generated, strict=True)
        ]

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
        begin, first = len(prompt.text) - len(text), prompt.first_token_of_end(len(text))
        ids = prompt.ids[first:]
        attention = self.recorded.read(prompt.ids[:first], ids)
        spans = tuple(
            (max(start - begin, 0), max(end - begin, 0)) for start, end in prompt.offsets[first:]
        )
        statements = tuple(sentences_or_whole(text, maker.settings.language))
        return Reading(
            maker, prompt, first, ids, text, spans, statements, attention, truncated=False
        )

    def _prompt(self, maker: PromptMaker, shown: Sequence[int]) -> EncodedPrompt:
        """Return the prompt, cut down if need be so that an answer has room."""
        longest = maker.settings.max_new_tokens
        room = None if self._context_length is None else self._context_length - longest
        return maker.fit(shown, room)

    @property
    def _context_length(self) -> int | None:
        config = self.recorded.model.config.get_text_config()
        length = getattr(config, "max_position_embeddings", None)
        return int(length) if length else None


def _with_length(maker: PromptMaker, generate: dict[str, Any]) -> dict[str, Any]:
    return {"max_new_tokens": maker.settings.max_new_tokens, **generate}


def _reading(
    maker: PromptMaker,
    prompt: EncodedPrompt,
    generated: Generation,
    statements: Sequence[Span] | None = None,
) -> Reading:
    decoded = decode_answer(maker.tokenizer, generated.ids)
    if statements is None:
        statements = sentences_or_whole(decoded.text, maker.settings.language)
    return Reading(
        maker,
        prompt,
        len(prompt.ids),
        generated.ids,
        decoded.text,
        decoded.spans,
        tuple(statements),
        generated.attention,
        generated.truncated,
    )
