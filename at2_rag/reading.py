"""What one pass over a prompt and an answer left behind, and what is made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import torch
from transformers import PreTrainedModel

from at2_rag.answer import Answer
from at2_rag.attribution import Attribution, attribute_sources, passage_tokens, source_tokens
from at2_rag.citations import Statement, cite
from at2_rag.encoding import EncodedPrompt
from at2_rag.estimators import Regions, ScoreEstimator, TokenAttention, TokenScores
from at2_rag.prompt import Span
from at2_rag.prompting import PromptMaker
from at2_rag.removal import ShorterPrompts
from at2_rag.sources import Source
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
        statements: Characters of each statement of the answer.
        attention: Of the answer's tokens, folded with an estimator's weightings.
        truncated: Whether the answer stopped at the longest length.
    """

    maker: PromptMaker
    prompt: EncodedPrompt
    prompt_length: int
    answer_ids: tuple[int, ...]
    text: str
    spans: tuple[Span, ...]
    statements: tuple[Span, ...]
    attention: TokenAttention
    truncated: bool

    def answer(self, model: str, estimator: ScoreEstimator) -> Answer:
        """Return the answer with its citations.

        Args:
            model: The model's name.
            estimator: What the attention was folded for.
        """
        maker, prompt = self.maker, self.prompt
        attribution = self.attribution(list(self.scores(estimator)))
        return Answer(
            question=maker.question,
            text=self.text,
            passages=maker.passages,
            statements=self.cited(attribution, estimator),
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

    def scores(self, estimator: ScoreEstimator, begin: int = 0) -> Iterator[TokenScores]:
        """Score the answer statement by statement, so that none depends on what follows it.

        Yields the scores of the tokens up to the end of each statement, behind those of the
        statement before; and at last of the tokens behind them all. To the statements before only:
        :attr:`TokenScores.statements` has one more column each time.

        Args:
            estimator: What the attention was folded for.
            begin: Index of the first statement to score.
        """
        regions, attention = self._regions, self.attention
        ends = [end - self.prompt_length for _, end in regions.statements]
        edges = list(pairwise([0, *ends, len(self.answer_ids)]))
        for count, (start, end) in list(enumerate(edges))[begin:]:
            rows = slice(start, max(start, end))
            yield estimator.scores(
                replace(attention, tables=attention.tables[:, rows], answer=attention.answer[rows]),
                replace(regions, statements=regions.statements[:count]),
            )

    def attribution(self, scores: Sequence[TokenScores]) -> Attribution:
        """Return the scores of every source for every token of the answer.

        Args:
            scores: What :meth:`scores` yielded, all of it.
        """
        return attribute_sources(
            _joined(scores),
            self._regions,
            self._sources,
            self.spans,
            self.statements,
            len(self.text),
            self.prompt_length,
        )

    def cited(self, attribution: Attribution, estimator: ScoreEstimator) -> tuple[Statement, ...]:
        """Return the statements with their citations.

        Args:
            attribution: What :meth:`attribution` returned.
            estimator: What scored it.
        """
        settings = self.maker.settings
        calibration = estimator.calibration(settings.source_unit)
        return cite(self.text, attribution, self.maker.passages, settings, calibration)

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
            self._targets,
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
    def _targets(self) -> tuple[Span, ...]:
        return statement_targets(self.statements, self.spans)

    @cached_property
    def _regions(self) -> Regions:
        first = self.prompt_length
        return Regions(
            sources=tuple(source_tokens(self.prompt, self._sources)),
            owners=tuple(source.passage_index for source in self._sources),
            passages=tuple(passage_tokens(self.prompt, len(self.maker.passages))),
            statements=tuple((first + start, first + end) for start, end in self._targets),
        )


def _joined(parts: Sequence[TokenScores]) -> TokenScores:
    """Put scores of consecutive tokens together; statements that were not scored yet are 0."""
    count = max(part.statements.shape[1] for part in parts)
    padded = [
        torch.nn.functional.pad(part.statements, (0, count - part.statements.shape[1]))
        for part in parts
    ]
    return TokenScores(
        torch.cat([part.sources for part in parts]),
        torch.cat([part.passages for part in parts]),
        torch.cat(padded),
    )
