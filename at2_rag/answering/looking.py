"""What a question looks at, before anything is answered.

Passages come before the question, so its tokens have seen them all. What they pay to a passage,
less what a question without content pays to it, ranks the passages (in-context re-ranking, Chen et
al., arXiv 2410.02642). The prompt is read once; of the other question only the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from transformers import DynamicCache

from at2_rag.ablation.reuse import Beginning, can_reuse
from at2_rag.answer.pruning import Ranked
from at2_rag.answer.usage import Usage
from at2_rag.answering.engine import Engine, Shown
from at2_rag.attention.layers import whole_cache
from at2_rag.attention.probe import AttentionShape
from at2_rag.errors import InputError
from at2_rag.estimators import LinearEstimator, ProbedEstimator, Regions, ScoreEstimator
from at2_rag.spans import Span

#: What is asked to see what any question looks at, such as the first and the last passage.
NO_CONTENT = "N/A"
#: So many of the tokens behind the passages count for each, those that look at it most: few words
#: of a long question, or of a log that is pasted behind it, are about what it asks for.
MOST = 8


def ranked_by_question(engine: Engine, shown: Shown, estimator: ScoreEstimator) -> Ranked:
    """Have the model read a question behind its passages, and rank these by what it looks at.

    Scores are what the question pays to a token of each beyond what a question without content
    does, as a share of what it pays to all; negative where it pays less.

    Args:
        engine: The model that reads.
        shown: The question, and which of its passages to show.
        estimator: Whose heads count, if they were found by probing; those of others are for
            answers, and all heads count alike.

    Raises:
        InputError: If the prompt has the question before the passages, or not at all.
        ContextOverflowError: If the prompt does not fit.
        NumericalError: If the model produced NaN.
    """
    if shown.request.question == NO_CONTENT:
        raise InputError(
            f"The question is {NO_CONTENT!r}, which stands for no question where others are "
            "ranked by; expected one that asks for something."
        )
    maker, prompt = engine.prompt(shown)
    empty = replace(maker, request=replace(maker.request, question=NO_CONTENT))
    plain = empty.make(prompt.shown)
    behind = max((prompt.token_range(*place.block)[1] for place in prompt.places), default=0)
    if prompt.ids[:behind] != plain.ids[:behind] or prompt.ids == plain.ids:
        raise InputError(
            "Passages are ranked by what the question looks at, and in this prompt it comes before "
            "them or not at all; expected a template with {question} behind {passages}. Or use "
            'rank_by="draft".'
        )
    request, places = maker.request, set(prompt.shown)
    sources = [source for source in maker.sources(prompt) if source.passage_index in places]
    documents = (*request.given, *request.documents["conversation"])
    regions = Regions(
        sources=tuple(prompt.source_tokens(sources)),
        owners=tuple(source.passage_index for source in sources),
        passages=tuple(prompt.document_tokens(len(documents))),
        statements=(),
    )
    model = engine.recorded.model
    cache = whole_cache(model) if can_reuse(model) else None
    heads = _heads_of(estimator, engine.recorded.shape)
    asked = _looks(engine, heads, prompt.ids, behind, regions, cache)
    known = Beginning.of(cache)
    again = None if known is None else known.copies(1, behind)
    others = _looks(engine, heads, plain.ids, behind, regions, again)
    usage = Usage(
        documents,
        prompt.shown,
        request.settings.source_unit,
        tuple(sources),
        *(_beyond(own, other) for own, other in zip(asked, others, strict=True)),
    )
    return Ranked(usage, len(prompt.ids), request.left_out(prompt.shown), None)


def _heads_of(estimator: ScoreEstimator, shape: AttentionShape) -> LinearEstimator:
    """Return what attention is weighted by: the heads that probing found, or all heads alike.

    Heads that look at what an answer says look at what a question asks for, too.
    """
    if isinstance(estimator, ProbedEstimator):
        return LinearEstimator(estimator.coefficients)
    return LinearEstimator.uniform_of(shape)


def _looks(
    engine: Engine,
    heads: LinearEstimator,
    ids: Sequence[int],
    behind: int,
    regions: Regions,
    cache: DynamicCache | None,
) -> tuple[Tensor, Tensor]:
    """Return (sources,) and (documents,): what the tokens that look most pay to a token of each.

    Args:
        engine: The model that reads.
        heads: What attention is weighted by.
        ids: Token ids of the prompt.
        behind: Position of the first token behind all passages.
        regions: Where sources and documents lie.
        cache: What the model remembers of what is before that token, or nothing.
    """
    # As if an answer began with the second of them: attention is that of what comes before each.
    prompt, said = ids[: behind + 1], [*ids[behind + 1 :], 0]
    ranges = (*regions.sources, *regions.passages)
    attention = engine.recorded.read(prompt, said, heads.weightings, cache, ranges)
    scores = heads.scores(attention, regions)
    return _most(scores.sources, regions.sources), _most(scores.passages, regions.passages)


def _most(looks: Tensor, ranges: Sequence[Span]) -> Tensor:
    """Return (ranges,): what a token of each gets from the tokens that pay it most, their mean.

    Args:
        looks: (tokens behind, ranges): what each of the tokens behind all passages pays to each.
        ranges: The tokens of each; those not shown have none.
    """
    lengths = torch.tensor([max(end - start, 1) for start, end in ranges])
    return looks.topk(min(MOST, len(looks)), dim=0).values.mean(dim=0) / lengths


def _beyond(asked: Tensor, other: Tensor) -> Tensor:
    """Return (ranges,): how much more each gets by one question than by another.

    As a share of what all get by the first.
    """
    return (asked - other) / asked.sum().clamp(min=torch.finfo(asked.dtype).tiny)
