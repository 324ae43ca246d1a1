"""What one pass over a prompt and an answer left behind, and what is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from transformers import PreTrainedModel

from at2_rag.answer import Answer
from at2_rag.attribution import Attribution, attribute_sources, passage_tokens, source_tokens
from at2_rag.citations import cite
from at2_rag.encoding import EncodedPrompt
from at2_rag.estimators import Regions, ScoreEstimator, TokenAttention
from at2_rag.prompt import Span
from at2_rag.prompting import PromptMaker
from at2_rag.removal import ShorterPrompts
from at2_rag.sources import Source, sentences_or_whole
from at2_rag.task import AttributionTask, statement_targets


@dataclass(frozen=True)
class Reading:
    """A prompt and an answer that the model has gone through, recorded.

    Attributes:
        maker: Of the prompt.
        prompt: The prompt; with the answer's tokens behind it where they were tokenized together.
        prompt_length: Tokens of the prompt.
        answer_ids: Token ids of the answer.
        text: The answer.
        spans: Characters of the answer that each of its tokens stands for.
        attention: Of the answer's tokens, folded with an estimator's weightings.
        truncated: Whether the answer stopped at the longest length.
    """

    maker: PromptMaker
    prompt: EncodedPrompt
    prompt_length: int
    answer_ids: tuple[int, ...]
    text: str
    spans: tuple[Span, ...]
    attention: TokenAttention
    truncated: bool

    def answer(self, model: str, estimator: ScoreEstimator) -> Answer:
        """Return the answer with its citations.

        Args:
            model: The model's name.
            estimator: What the attention was folded for.
        """
        maker, prompt, settings = self.maker, self.prompt, self.maker.settings
        attribution = self.attribution(estimator)
        calibration = estimator.calibration(settings.source_unit)
        return Answer(
            question=maker.question,
            text=self.text,
            passages=maker.passages,
            statements=cite(self.text, attribution, maker.passages, settings, calibration),
            attribution=attribution,
            kept=prompt.shown,
            dropped=tuple(i for i in maker.readable if i not in prompt.shown),
            draft=None,
            truncated=self.truncated,
            prompt_tokens=self.prompt_length,
            answer_tokens=len(self.answer_ids),
            model=model,
            estimator=estimator.kind,
        )

    def attribution(self, estimator: ScoreEstimator) -> Attribution:
        """Return the scores of every source for every token of the answer.

        Args:
            estimator: What the attention was folded for.
        """
        return attribute_sources(
            estimator.scores(self.attention, self._regions),
            self._regions,
            self._sources,
            self.spans,
            self._statements,
            len(self.text),
            self.prompt_length,
        )

    def task(self, model: PreTrainedModel, answer: Answer) -> AttributionTask:
        """Return the same as something to explain.

        Args:
            model: The model that went through it.
            answer: What :meth:`answer` returned.
        """
        return AttributionTask(
            model,
            (*self.prompt.ids[: self.prompt_length], *self.answer_ids),
            self.prompt_length,
            self._regions.sources,
            statement_targets(self._statements, self.spans),
            answer,
            prompts=ShorterPrompts(
                self.maker,
                self.prompt.shown,
                answer.attribution.sources,
                # The answer where it was tokenized with the prompt; nothing where it was generated.
                self.prompt.text[self.prompt.prompt_length :].strip(),
            ),
        )

    @cached_property
    def _sources(self) -> list[Source]:
        return self.maker.sources(self.prompt)

    @cached_property
    def _statements(self) -> tuple[Span, ...]:
        return tuple(sentences_or_whole(self.text, self.maker.settings.language))

    @cached_property
    def _regions(self) -> Regions:
        first = self.prompt_length
        return Regions(
            sources=tuple(source_tokens(self.prompt, self._sources)),
            owners=tuple(source.passage_index for source in self._sources),
            passages=tuple(passage_tokens(self.prompt, len(self.maker.passages))),
            statements=tuple(
                (first + start, first + end)
                for start, end in statement_targets(self._statements, self.spans)
            ),
        )
