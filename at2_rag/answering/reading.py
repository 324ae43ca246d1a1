"""What one pass over a prompt and an answer left behind, and what is made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor
from transformers import PreTrainedModel

from at2_rag.ablation.removal import ShorterPrompts
from at2_rag.ablation.task import AttributionTask
from at2_rag.ablation.thought_removal import ShorterPromptsAndThoughts
from at2_rag.answer.answer import Answer
from at2_rag.answer.attribution import Attribution
from at2_rag.answer.citing import Cited, cite
from at2_rag.answer.thoughts import Thoughts
from at2_rag.answering.written import Written, WrittenText
from at2_rag.documents.passages import Passage
from at2_rag.documents.sources import Source, split_passage
from at2_rag.estimators import Regions, ScoreEstimator, TokenAttention, TokenScores
from at2_rag.prompt.maker import PromptMaker
from at2_rag.prompt.tokens import EncodedPrompt
from at2_rag.spans import Span


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


def attribute_sources(
    scores: TokenScores, sources: Sequence[Source], text: WrittenText, thoughts: int
) -> Attribution:
    """Put an estimator's scores of a text together with what they are scores of.

    Args:
        scores: Of the text's tokens; of what was said, the thoughts before the text come first.
        sources: What was scored.
        text: What is attributed.
        thoughts: Sentences of the thoughts before the text.
    """
    # A statement can lean on what was said before it, not on itself.
    said = scores.statements[:, thoughts:]
    before = torch.zeros_like(said)
    for statement, (_, end) in enumerate(text.targets[: said.shape[1]]):
        before[end:, statement] = 1.0
    return Attribution(
        tuple(sources),
        scores.sources.T.contiguous(),
        scores.passages.T.contiguous(),
        text.spans,
        len(text.text),
        text.statements,
        (said * before).T.contiguous(),
        scores.statements[:, :thoughts].T.contiguous(),
    )


def passage_tokens(prompt: EncodedPrompt, num_documents: int) -> list[Span]:
    """Return the range of the prompt's tokens that each document has, passages title and all.

    Args:
        prompt: The prompt.
        num_documents: Number of passages and other documents; (0, 0) for those not shown.
    """
    places = {place.index: place for place in (*prompt.places, *prompt.others)}
    return [
        prompt.token_range(*places[i].block) if i in places else (0, 0)
        for i in range(num_documents)
    ]


def source_tokens(prompt: EncodedPrompt, sources: Sequence[Source]) -> list[Span]:
    """Return the range of the prompt's tokens that each source has."""
    offsets = {place.index: place.text[0] for place in (*prompt.places, *prompt.others)}
    return [
        prompt.token_range(
            offsets[source.passage_index] + source.start, offsets[source.passage_index] + source.end
        )
        for source in sources
    ]
