"""What one pass over a prompt and an answer left behind, and what is made of it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from transformers import PreTrainedModel

from at2_rag.answer import Answer
from at2_rag.attribution import attribute_sources, source_tokens
from at2_rag.citations import cite
from at2_rag.encoding import EncodedPrompt
from at2_rag.prompt import Span
from at2_rag.prompting import PromptMaker
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
        table: (answer tokens, keys), the score of each key for each answer token.
        truncated: Whether the answer stopped at the longest length.
    """

    maker: PromptMaker
    prompt: EncodedPrompt
    prompt_length: int
    answer_ids: tuple[int, ...]
    text: str
    spans: tuple[Span, ...]
    table: Tensor
    truncated: bool

    def answer(self, model: str, estimator: str) -> Answer:
        """Return the answer with its citations.

        Args:
            model: The model's name.
            estimator: The estimator's kind.
        """
        maker, prompt, settings = self.maker, self.prompt, self.maker.settings
        attribution = attribute_sources(
            self.table,
            prompt,
            maker.sources(prompt),
            len(maker.passages),
            self.spans,
            len(self.text),
        )
        statements = cite(
            self.text,
            attribution,
            maker.passages,
            max_citations=settings.max_citations,
            min_score=settings.min_score,
            language=settings.language,
        )
        return Answer(
            question=maker.question,
            text=self.text,
            passages=maker.passages,
            statements=statements,
            attribution=attribution,
            kept=prompt.shown,
            dropped=tuple(i for i in maker.readable if i not in prompt.shown),
            draft=None,
            truncated=self.truncated,
            prompt_tokens=self.prompt_length,
            answer_tokens=len(self.answer_ids),
            model=model,
            estimator=estimator,
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
            tuple(source_tokens(self.prompt, answer.attribution.sources)),
            statement_targets(answer),
            answer,
        )
