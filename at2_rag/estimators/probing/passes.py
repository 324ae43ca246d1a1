"""What each head of a model looks at while it reads the answer of a probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from at2_rag.attention.folds import HeadFold, SeveralFolds
from at2_rag.attention.recording import capture_of
from at2_rag.attention.same_tokens import same_token
from at2_rag.documents.sources import Source
from at2_rag.estimators.probing.questions import Origin, Probe, ProbeStatement
from at2_rag.model_facts import few_logits, input_device
from at2_rag.prompt.maker import PromptMaker
from at2_rag.prompt.request import Request
from at2_rag.prompt.settings import Settings
from at2_rag.prompt.thinking_markers import ThoughtFormat
from at2_rag.prompt.tokens import EncodedPrompt
from at2_rag.spans import Span

#: What attention to a token that equals the one being said counts for, beyond its 1. Chosen on
#: questions of 2WikiMultiHopQA and QED, apart from all that figures are reported on, where
#: anything between 1 and 10 does about as well.
EQUAL_TOKENS = 3.0


@dataclass(frozen=True, eq=False)
class Seen:
    """What the heads of a model looked at while it read one statement.

    Attributes:
        attention: (layers · heads, sources): attention to each source, the mean over the
            statement's tokens; unitless.
        counted: (layers · heads, sources): the same as scores count it, more where it goes to a
            token that equals the one being said.
        needle: (sources,): true for the sentence that says what the statement says; for none of
            them where no passage says it.
        earlier: (layers · heads, earlier statements): attention to each statement before it, as
            scores count it.
        origin: Whether a passage says it, or why none does.
        likelihood: Mean log-probability of the statement's tokens, in nats.
    """

    attention: Tensor
    counted: Tensor
    needle: Tensor
    earlier: Tensor
    origin: Origin
    likelihood: float


class EncodedProbe(NamedTuple):
    """A probe in tokens.

    Attributes:
        probe: What is encoded.
        ids: Token ids of prompt and answer.
        sources: The sentences of its passages.
        source_tokens: Token range of each source.
        statement_tokens: Token range of each statement.
    """

    probe: Probe
    ids: tuple[int, ...]
    sources: list[Source]
    source_tokens: list[Span]
    statement_tokens: list[Span]


@torch.inference_mode()
def see(model: PreTrainedModel, read: EncodedProbe) -> list[Seen]:
    """Have a model read a probe with its answer, in one pass, and return what its heads looked at.

    Args:
        model: A decoder whose attention can be recorded.
        read: What to read.

    Raises:
        UnsupportedModelError: If the model's attention weights cannot be had exactly.
    """
    capture = capture_of(model)
    first = min(start for start, _ in read.statement_tokens)
    targets = [(start - first, end - first) for start, end in read.statement_tokens]
    # The last token of the answer is predicted, and predicts nothing that is wanted.
    regions = [*read.source_tokens, *(_until(s, len(read.ids) - 1) for s in read.statement_tokens)]
    shape = capture.shape
    equal = same_token(read.ids[:-1], read.ids[first:])
    folds = [
        HeadFold(shape.layers, shape.heads, regions, targets, first - 1, factors)
        for factors in (None, (1 + EQUAL_TOKENS * equal) / (1 + EQUAL_TOKENS))
    ]
    tokens = torch.tensor([read.ids[:-1]], device=input_device(model))
    rows = len(read.ids) - first
    with capture.recording(model, SeveralFolds(*folds), first_row=first - 1):
        logits = model(input_ids=tokens, use_cache=False, **few_logits(model, rows)).logits
    said = torch.tensor(read.ids[first:], device=logits.device)[:, None]
    likelihood = logits[0, -rows:].float().log_softmax(-1).gather(-1, said)[:, 0]
    plain, counted = (fold.features.flatten(0, 1) for fold in folds)
    sources = len(read.sources)
    return [
        Seen(
            plain[:, index, :sources],
            counted[:, index, :sources],
            _needle(statement, read.sources),
            counted[:, index, sources : sources + index],
            statement.origin,
            float(likelihood[slice(*targets[index])].mean()),
        )
        for index, statement in enumerate(read.probe.statements)
    ]


def encode_probe(
    tokenizer: PreTrainedTokenizerBase, probe: Probe, settings: Settings
) -> EncodedProbe:
    """Return a probe in tokens.

    Args:
        tokenizer: The model's tokenizer.
        probe: What to encode.
        settings: Prompt template and so on, as a reader would use them; sources are sentences.
    """
    maker = PromptMaker.of(tokenizer, Request(probe.question, probe.passages, settings=settings))

    def behind(written: ThoughtFormat | None) -> str:
        return probe.said if written is None else written.written("", probe.said)

    prompt = maker.make(maker.request.readable, behind)
    sources = maker.sources(prompt)
    tokens = prompt.source_tokens(sources)
    return EncodedProbe(probe, prompt.ids, sources, tokens, _statement_tokens(prompt, probe))


def _statement_tokens(prompt: EncodedPrompt, probe: Probe) -> list[Span]:
    end, found = len(prompt.text) - len(probe.said), []
    for statement in probe.statements:
        found.append(prompt.token_range(end, end + len(statement.text)))
        end += len(statement.text) + 1
    return found


def _until(span: Span, end: int) -> Span:
    return min(span[0], end), min(span[1], end)


def _needle(statement: ProbeStatement, sources: list[Source]) -> Tensor:
    if statement.place is None:
        return torch.zeros(len(sources), dtype=torch.bool)
    passage, start, end = statement.place
    return torch.tensor(
        [s.passage_index == passage and s.start < end and s.end > start for s in sources]
    )
