"""What one pass over a prompt and an answer left behind, and what is made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor
from transformers import DynamicCache

from at2_rag.answer.answer import Answer
from at2_rag.answer.attribution import Attribution
from at2_rag.answer.citing import Cited, cite
from at2_rag.answer.thoughts import Thoughts
from at2_rag.answering.given import Given
from at2_rag.answering.layout import Layout
from at2_rag.answering.written import Written, WrittenText
from at2_rag.documents.sources import Source
from at2_rag.estimators import ScoreEstimator, TokenAttention, TokenScores
from at2_rag.prompt.maker import PromptMaker
from at2_rag.prompt.request import Request
from at2_rag.prompt.tokens import EncodedPrompt


@dataclass(frozen=True)
class Reading:
    """A prompt and what the model wrote behind it, or read there, recorded.

    Attributes:
        maker: What made the prompt of the request.
        prompt: The prompt as text and tokens; with what follows it where that was tokenized with
            it.
        prompt_length: How many tokens the prompt has.
        written: Thoughts and response, as text and tokens.
        attention: Attention of all tokens written, folded with an estimator's weightings.
        truncated: Whether the model stopped at the longest length.
        given: Where the texts that a caller gave begin in what was read; ``None`` for what the
            model wrote.
        cache: What the model remembers of the prompt and of what was written; ``None`` where nobody
            kept it.
        placed: Where everything lies, where that is known already; ``None`` to find it.
    """

    maker: PromptMaker
    prompt: EncodedPrompt
    prompt_length: int
    written: Written
    attention: TokenAttention
    truncated: bool
    given: Given | None = None
    cache: DynamicCache | None = None
    placed: Layout | None = None

    @property
    def request(self) -> Request:
        """What was asked."""
        return self.maker.request

    @cached_property
    def layout(self) -> Layout:
        """Where everything lies."""
        if self.placed is not None:
            return self.placed
        return Layout.of(self.maker, self.prompt, self.prompt_length, self.written)

    def cited_answer(self, model: str, estimator: ScoreEstimator) -> Answer:
        """Return the answer with its citations.

        Args:
            model: The model's name.
            estimator: The estimator that the attention was folded for.
        """
        request, prompt = self.request, self.prompt
        originals = request.given
        cited = self.cited(list(self.scores(estimator)), estimator)
        return Answer(
            question=request.question,
            text=self.written.response.text,
            passages=(*originals, *self.layout.documents.items[len(originals) :]),
            statements=cited.statements,
            attribution=cited.attribution,
            kept=prompt.shown,
            dropped=request.left_out(prompt.shown),
            draft=None,
            truncated=self.truncated,
            prompt_tokens=self.prompt_length,
            answer_tokens=len(self.written.ids),
            model=model,
            estimator=estimator.kind,
            settings=request.settings,
            history=tuple(request.history),
            thoughts=cited.thoughts,
            given_start=self._given_start(self.written.response, thoughts=False),
            shortened=tuple(
                (i, len(request.passages[i].text))
                for i in prompt.shown
                if request.passages[i].text != originals[i].text
            ),
        )

    def scores(self, estimator: ScoreEstimator, begin: int = 0) -> Iterator[TokenScores]:
        """Score what was written sentence by sentence, so that none depends on what follows it.

        Yields the scores of the tokens up to the end of each sentence, behind those of the sentence
        before; and at last of the tokens behind them all. To the sentences before only:
        :attr:`TokenScores.statements` has one more column each time.

        Args:
            estimator: The estimator that the attention was folded for.
            begin: Index of the first sentence to score, those of the thoughts counted.
        """
        attention = self.attention
        ends = [end - self.prompt_length for _, end in self.layout.said]
        edges = list(pairwise([0, *ends, len(self.written.ids)]))
        for count, (start, end) in list(enumerate(edges))[begin:]:
            rows = slice(start, max(start, end))
            yield estimator.scores(
                replace(attention, tables=attention.tables[:, rows], answer=attention.answer[rows]),
                self.layout.regions(count),
            )

    def cited(self, scores: Sequence[TokenScores], estimator: ScoreEstimator) -> Cited:
        """Return thoughts and statements with their citations, and the scores behind them.

        Args:
            scores: All that :meth:`scores` yielded, from the first sentence on.
            estimator: The estimator that the scores are from.
        """
        settings, joined = self.request.settings, _joined(scores)
        return cite(
            self.written.response.text,
            self._attribution(joined),
            self.layout.documents.items,
            settings,
            estimator.calibration(settings.source_unit),
            self._thoughts(joined),
        )

    def _attribution(self, scores: TokenScores) -> Attribution:
        """Return the scores of every source for every token of the response."""
        text, said = self.written.response, self.layout.said.places
        return _attribution(
            text,
            self.layout.sources.items,
            scores.sources[text.tokens],
            scores.passages[text.tokens],
            own=scores.statements[text.tokens, said["response"]],
            thoughts=scores.statements[text.tokens, said["thoughts"]],
        )

    def _thoughts(self, scores: TokenScores) -> Thoughts | None:
        """Return the thoughts with the scores of every source of the prompt, not cited yet."""
        text, layout = self.written.thoughts, self.layout
        if text is None:
            return None
        own = scores.statements[text.tokens, layout.said.places["thoughts"]]
        attribution = _attribution(
            text,
            layout.sources["prompt"],
            scores.sources[text.tokens, layout.sources.places["prompt"]],
            scores.passages[text.tokens, layout.documents.until("conversation")],
            own=own,
            thoughts=own[:, :0],
        )
        start = self._given_start(text, thoughts=True)
        return Thoughts(text.text, (), attribution, self.written.finished, start)

    def _given_start(self, text: WrittenText, *, thoughts: bool) -> int | None:
        """Return where a text begins in what the caller gave, if that is where it is from."""
        if self.given is None or text.start is None:
            return None
        return text.start - (self.given.thoughts if thoughts else self.given.answer)


def _attribution(
    text: WrittenText,
    sources: tuple[Source, ...],
    by_source: Tensor,
    by_passage: Tensor,
    *,
    own: Tensor,
    thoughts: Tensor,
) -> Attribution:
    """Put an estimator's scores of a text together with what they are scores of.

    Args:
        text: The text whose tokens were scored.
        sources: The pieces of documents that were scored.
        by_source: (tokens, sources): how much each token leans on each source.
        by_passage: (tokens, documents): how much each token leans on each whole document.
        own: (tokens, statements of the text so far): how much each token leans on each of them.
        thoughts: (tokens, sentences of the thoughts before the text): how much each token leans on
            each of these sentences.
    """
    # A statement can lean on what was said before it, not on itself.
    before = torch.zeros_like(own)
    for statement, (_, end) in enumerate(text.targets[: own.shape[1]]):
        before[end:, statement] = 1.0
    return Attribution(
        sources,
        by_source.T.contiguous(),
        by_passage.T.contiguous(),
        text.spans,
        len(text.text),
        text.statements,
        (own * before).T.contiguous(),
        thoughts.T.contiguous(),
    )


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
