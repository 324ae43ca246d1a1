"""From a question to a cited answer: drafting, keeping what the draft used, answering again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from transformers import PreTrainedTokenizerBase

from at2_rag.ablation.task import AttributionTask
from at2_rag.answer.answer import Answer
from at2_rag.answer.pruning import Pruned, PruneRule, check_count, prune_by
from at2_rag.answering.engine import Engine, Unfinished
from at2_rag.answering.reading import Reading
from at2_rag.documents.conversation import Message
from at2_rag.documents.passages import Passage, as_passages
from at2_rag.errors import InputError
from at2_rag.estimators import ScoreEstimator
from at2_rag.methods import AttributionMethod, answer_by
from at2_rag.prompt.maker import PromptMaker
from at2_rag.prompt.settings import Settings
from at2_rag.prompt.thinking_markers import thinking_markers

#: Called after each step with the answer so far; with ``None`` where there is none to see.
Watch = Callable[[Unfinished | None], None]


@dataclass(frozen=True)
class Answering:
    """A model that answers, and what its answers are cited with.

    Attributes:
        engine: Model and tokenizer.
        name: The model's name.
        estimator: What the attention is folded for.
        settings: Defaults for all questions.
        method: What scores the sources instead, if not ``None``.
    """

    engine: Engine
    name: str
    estimator: ScoreEstimator
    settings: Settings
    method: AttributionMethod | None = None

    def asked(
        self,
        question: str,
        passages: Sequence[str | Passage],
        history: Sequence[Message],
        options: dict[str, Any],
    ) -> tuple[PromptMaker, dict[str, Any]]:
        """Return what makes the prompts for a question, and those options that are no settings.

        Raises:
            InputError: If question, passages or a setting cannot be used.
        """
        settings, rest = self.settings.override(options)
        if not isinstance(question, str) or not question.strip():
            raise InputError(f"question is {question!r}; expected text to answer.")
        tokenizer = self.engine.tokenizer
        found = as_passages(passages, needed=not _has_other_sources(tokenizer, settings))
        maker = PromptMaker(tokenizer, question, found, history, settings)
        if not maker.documents and not _thinks(tokenizer, settings):
            raise InputError(
                f"There are no passages, and nothing in the conversation is a source by "
                f"source_kinds={settings.source_kinds}; expected at least one document with text."
            )
        return maker, rest

    def answer(
        self,
        maker: PromptMaker,
        generate: dict[str, Any],
        prune_to: int | None = None,
        watch: Watch | None = None,
    ) -> Answer:
        """Have the model answer, twice if passages are to be pruned.

        Args:
            maker: Makes the prompts.
            generate: Options of ``model.generate``.
            prune_to: Answer first as a draft, keep so many most used passages, answer again.
            watch: Follows the answer; of a draft it is told the steps only. What it raises ends
                the generation.

        Raises:
            InputError: If there are not so many passages to keep.
        """
        if prune_to is None:
            return self.finish(self.engine.answer(maker, maker.readable, generate, watch))
        check_count("prune_to", prune_to, len(maker.passages), "passages")
        drafted = self.engine.answer(maker, maker.readable, generate, _blind(watch))
        draft = self.finish(drafted)
        kept = _most_used(draft, prune_to)
        again = self.finish(self.engine.answer(maker, kept, generate, watch))
        return replace(again, draft=draft, dropped=draft.dropped)

    def answer_batch(
        self,
        makers: Sequence[PromptMaker],
        generate: dict[str, Any],
        prune_to: int | None = None,
    ) -> list[Answer]:
        """Have the model answer several at a time, each twice if passages are to be pruned.

        Args:
            makers: Make the prompts; all with the same settings.
            generate: Options of ``model.generate``.
            prune_to: As for :meth:`answer`.

        Raises:
            InputError: If there are not so many passages to keep.
        """
        if prune_to is not None:
            for maker in makers:
                check_count("prune_to", prune_to, len(maker.passages), "passages")

        def answered(shown: list[Sequence[int]]) -> list[Answer]:
            asked = list(zip(makers, shown, strict=True))
            readings = self.engine.answer_batch(asked, generate)
            return [self.finish(reading) for reading in readings]

        answers = answered([maker.readable for maker in makers])
        if prune_to is None:
            return answers
        again = answered([_most_used(draft, prune_to) for draft in answers])
        return [
            replace(answer, draft=draft, dropped=draft.dropped)
            for answer, draft in zip(again, answers, strict=True)
        ]

    def prune(self, rule: PruneRule, maker: PromptMaker, generate: dict[str, Any]) -> Pruned:
        """Have the model draft an answer, and keep what it used.

        Args:
            rule: What to keep.
            maker: Makes the prompt.
            generate: Options of ``model.generate``.

        Raises:
            InputError: If there are not so many passages to keep.
        """
        rule.check_passages(len(maker.passages))
        return prune_by(self.answer(maker, generate), maker, rule)

    def finish(self, reading: Reading) -> Answer:
        """Return the answer with its citations."""
        if self.method is None:
            return self._scored(reading)
        return answer_by(self.method, self.task(reading), reading.maker.settings)

    def task(self, reading: Reading) -> AttributionTask:
        """Return the answer as something to explain."""
        return reading.task(self.engine.recorded.model, self._scored(reading))

    def _scored(self, reading: Reading) -> Answer:
        return reading.answer(self.name, self.estimator)


def _has_other_sources(tokenizer: PreTrainedTokenizerBase, settings: Settings) -> bool:
    """Whether something else than the passages may hold sources."""
    told = set(settings.source_kinds) - {"passage", "thought"}
    return bool(told) or _thinks(tokenizer, settings)


def _thinks(tokenizer: PreTrainedTokenizerBase, settings: Settings) -> bool:
    """Whether the model's thoughts may be sources."""
    wanted = "thought" in settings.source_kinds
    return wanted and thinking_markers(tokenizer, settings.thinking) is not None


def _most_used(draft: Answer, count: int) -> list[int]:
    return PruneRule(top_k=count).choose(dict(draft.ranked_passages))


def _blind(watch: Watch | None) -> Watch | None:
    return None if watch is None else lambda _: watch(None)
