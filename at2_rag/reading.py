"""What one pass over a prompt and an answer left behind, and what is made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor
from transformers import PreTrainedModel

from at2_rag.answer import Answer
from at2_rag.attribution import Attribution, attribute_sources, passage_tokens, source_tokens
from at2_rag.citations import Cited, cite
from at2_rag.encoding import EncodedPrompt
from at2_rag.estimators import Regions, ScoreEstimator, TokenAttention, TokenScores
from at2_rag.passages import Passage
from at2_rag.prompt import Span
from at2_rag.prompting import PromptMaker
from at2_rag.removal import ShorterPrompts
from at2_rag.sources import Source, split_passage
from at2_rag.task import AttributionTask
from at2_rag.thought_removal import ShorterPromptsAndThoughts
from at2_rag.thoughts import Thoughts
from at2_rag.written import Written, WrittenText


@dataclass(frozen=True)
class Reading:
    """A prompt and what the model wrote behind it, or read there, recorded.

    Attributes:
        maker: Of the prompt.
        prompt: The prompt; with what follows it where that was tokenized with it.
        prompt_length: Tokens of the prompt.
        written: Thoughts and response.
        attention: Of all tokens written, folded with an estimator's weightings.
        truncated: Whether the model stopped at the longest length.
    """

    maker: PromptMaker
    prompt: EncodedPrompt
    prompt_length: int
    written: Written
    attention: TokenAttention
    truncated: bool

    def answer(self, model: str, estimator: ScoreEstimator) -> Answer:
        """Return the answer with its citations.

        Args:
            model: The model's name.
            estimator: What the attention was folded for.
        """
        maker, prompt = self.maker, self.prompt
        cited = self.cited(list(self.scores(estimator)), estimator)
        return Answer(
            question=maker.question,
            text=self.written.response.text,
            passages=self._documents,
            statements=cited.statements,
            attribution=cited.attribution,
            kept=prompt.shown,
            dropped=tuple(i for i in maker.readable if i not in prompt.shown),
            draft=None,
            truncated=self.truncated,
            prompt_tokens=self.prompt_length,
            answer_tokens=len(self.written.ids),
            model=model,
            estimator=estimator.kind,
            thoughts=cited.thoughts,
        )

    def scores(self, estimator: ScoreEstimator, begin: int = 0) -> Iterator[TokenScores]:
        """Score what was written sentence by sentence, so that none depends on what follows it.

        Yields the scores of the tokens up to the end of each sentence, behind those of the sentence
        before; and at last of the tokens behind them all. Thoughts come before the response, and
        are sources of it from its first sentence on. To the sentences before only:
        :attr:`TokenScores.statements` has one more column each time.

        Args:
            estimator: What the attention was folded for.
            begin: Index of the first sentence to score, those of the thoughts counted.
        """
        said, attention = self._said, self.attention
        ends = [end - self.prompt_length for _, end in said]
        edges = list(pairwise([0, *ends, len(self.written.ids)]))
        for count, (start, end) in list(enumerate(edges))[begin:]:
            rows = slice(start, max(start, end))
            yield estimator.scores(
                replace(attention, tables=attention.tables[:, rows], answer=attention.answer[rows]),
                self._regions(said[:count]),
            )

    def cited(self, scores: Sequence[TokenScores], estimator: ScoreEstimator) -> Cited:
        """Return thoughts and statements with their citations, and the scores behind them.

        Args:
            scores: What :meth:`scores` yielded, all of it.
            estimator: What scored it.
        """
        settings, joined = self.maker.settings, _joined(scores)
        return cite(
            self.written.response.text,
            self._attribution(joined, self.written.response, self._sources, self._num_thoughts),
            self._documents,
            settings,
            estimator.calibration(settings.source_unit),
            self._thoughts(joined),
        )

    def task(self, model: PreTrainedModel, answer: Answer) -> AttributionTask:
        """Return the same as something to explain.

        The thoughts are a part of what comes before the answer (section 2.3).

        Args:
            model: The model that went through it.
            answer: What :meth:`answer` returned.
        """
        response = self.written.response
        before = (*self.prompt.ids[: self.prompt_length], *self.written.ids[: response.first])
        return AttributionTask(
            model,
            (*before, *self.written.ids[response.tokens]),
            len(before),
            self._source_tokens,
            response.targets,
            answer,
            thoughts=self._said[: self._num_thoughts],
            prompts=self._shorter_prompts(),
        )

    def _shorter_prompts(self) -> ShorterPrompts:
        """Return what makes all that comes before the response without some sources."""
        count, first = len(self._prompt_sources), self.prompt_length
        return ShorterPromptsAndThoughts(
            self.maker,
            self.prompt.shown,
            self._sources,
            # The answer where it was tokenized with the prompt; nothing where it was generated.
            self.prompt.text[self.prompt.prompt_length :].strip(),
            written=self.written.ids[: self.written.response.first],
            places=tuple((a - first, b - first) for a, b in self._source_tokens[count:]),
        )

    @property
    def _num_thoughts(self) -> int:
        """Sentences of the thoughts."""
        return 0 if self.written.thoughts is None else len(self.written.thoughts.statements)

    def _thoughts(self, scores: TokenScores) -> Thoughts | None:
        written = self.written.thoughts
        if written is None:
            return None
        attribution = self._attribution(scores, written, self._prompt_sources, 0)
        return Thoughts(written.text, (), attribution, self.written.finished)

    def _attribution(
        self, scores: TokenScores, text: WrittenText, sources: tuple[Source, ...], thoughts: int
    ) -> Attribution:
        """Return the scores of every source for every token of a text."""
        documents = len(self.maker.documents) if text is self.written.thoughts else None
        own = TokenScores(
            scores.sources[text.tokens, : len(sources)],
            scores.passages[text.tokens, :documents],
            scores.statements[text.tokens, : thoughts + len(text.statements)],
        )
        return attribute_sources(own, sources, text, thoughts)

    def _regions(self, said: Sequence[Span]) -> Regions:
        """Return where everything lies that is scored for a sentence.

        Args:
            said: Token range of each sentence before it.
        """
        documents = len(self.maker.documents)
        passages = tuple(passage_tokens(self.prompt, documents))
        sources, places = self._prompt_sources, self._source_tokens
        if self._num_thoughts and len(said) >= self._num_thoughts:
            sources = self._sources
            passages += (self._thinking,) if len(self._documents) > documents else ()
        return Regions(
            sources=places[: len(sources)],
            owners=tuple(source.passage_index for source in sources),
            passages=passages,
            statements=tuple(said),
        )

    @cached_property
    def _documents(self) -> tuple[Passage, ...]:
        """All that sources lie in: passages, the conversation, and the thoughts."""
        documents, thoughts = self.maker.documents, self.written.thoughts
        if thoughts is None or "thought" not in self.maker.settings.source_kinds:
            return documents
        return (*documents, Passage(thoughts.text, id="thoughts", kind="thought"))

    @cached_property
    def _prompt_sources(self) -> tuple[Source, ...]:
        return tuple(self.maker.sources(self.prompt))

    @cached_property
    def _thought_sources(self) -> tuple[Source, ...]:
        documents, thoughts = self._documents, self.written.thoughts
        if thoughts is None or len(documents) == len(self.maker.documents):
            return ()
        settings = self.maker.settings
        spans = [(start, end) for start, end in dict.fromkeys(thoughts.spans) if start < end]
        unit, index = settings.source_unit, len(documents) - 1
        return tuple(split_passage(documents[index], index, unit, settings.language, spans))

    @cached_property
    def _sources(self) -> tuple[Source, ...]:
        return (*self._prompt_sources, *self._thought_sources)

    @cached_property
    def _source_tokens(self) -> tuple[Span, ...]:
        """Token range of each source, in prompt and answer."""
        inside = source_tokens(self.prompt, self._prompt_sources)
        spans = [(source.start, source.end) for source in self._thought_sources]
        return (*inside, *self._written_tokens(self.written.thoughts, spans))

    @cached_property
    def _said(self) -> tuple[Span, ...]:
        """Token range of each sentence of the thoughts, and behind them of the response."""
        texts = (self.written.thoughts, self.written.response)
        return tuple(place for t in texts if t for place in self._written_tokens(t, t.statements))

    @property
    def _thinking(self) -> Span:
        assert self.written.thoughts is not None
        tokens = self.written.thoughts.tokens
        return self.prompt_length + tokens.start, self.prompt_length + tokens.stop

    def _written_tokens(self, text: WrittenText | None, spans: Sequence[Span]) -> list[Span]:
        found = [] if text is None else text.token_ranges(spans)
        return [(self.prompt_length + start, self.prompt_length + end) for start, end in found]


def _joined(parts: Sequence[TokenScores]) -> TokenScores:
    """Put scores of consecutive tokens together; what was not scored yet is 0."""

    def joined(tables: list[Tensor]) -> Tensor:
        width = max(table.shape[1] for table in tables)
        padded = [torch.nn.functional.pad(table, (0, width - table.shape[1])) for table in tables]
        return torch.cat(padded)

    return TokenScores(
        joined([part.sources for part in parts]),
        joined([part.passages for part in parts]),
        joined([part.statements for part in parts]),
    )
