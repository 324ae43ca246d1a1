"""One thing to explain: a prompt, an answer, the sources in one and the targets in the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from transformers import PreTrainedModel

from at2_rag.ablation.masking import DEFAULT_BYTE_LIMIT, Ablator
from at2_rag.ablation.removal import RemovalAblator, Shorter
from at2_rag.ablation.reuse import Beginning
from at2_rag.answer.answer import Answer
from at2_rag.answer.in_short import counted
from at2_rag.errors import InputError
from at2_rag.sections import Sections
from at2_rag.spans import Span

#: How sources are ablated: masked out of attention, positions unchanged (section 3.2); by making
#: the prompt anew without their text; or masked out of the attention of what follows all sources
#: only, which costs a fraction ("attention knockout", Geva et al., arXiv 2304.14767).
AblationKind = Literal["attention", "removal", "knockout"]

#: Those of them that leave the tokens of the text as they are.
MaskingKind = Literal["attention", "knockout"]


@dataclass(frozen=True, repr=False)
class AttributionTask:
    """What every attribution method and every metric works on.

    Attributes:
        model: The model that answers.
        ids: Token ids of prompt and answer.
        prompt_length: How many tokens come before the answer: the prompt's, and those of thoughts
            if there are any.
        sources: Token range of each source in ``ids``.
        targets: Range of answer tokens of each target, counted from the answer's first token.
        answer: The answer with its citations; its statements are the targets.
        thoughts: Token range in ``ids`` of each sentence of the thoughts.
        prompts: Makes the prompt without some sources; ``None`` where its text is not known.
        known: What the model remembers of all that comes before the answer; ``None`` where nobody
            kept it.
    """

    model: PreTrainedModel
    ids: tuple[int, ...]
    prompt_length: int
    sources: tuple[Span, ...]
    targets: tuple[Span, ...]
    answer: Answer
    thoughts: tuple[Span, ...] = field(default=(), kw_only=True)
    prompts: Shorter | None = field(default=None, kw_only=True, compare=False)
    known: Beginning | None = field(default=None, kw_only=True, compare=False)

    def __repr__(self) -> str:
        found = counted(len(self.sources), "source"), counted(len(self.targets), "target")
        return f"<AttributionTask of {len(self.ids):,} tokens: {', '.join(found)}>"

    @property
    def first_row(self) -> int:
        """Position of the query that predicts the answer's first token."""
        return self.prompt_length - 1

    def ablator(
        self, byte_limit: int = DEFAULT_BYTE_LIMIT, *, by: AblationKind = "attention"
    ) -> Ablator | RemovalAblator:
        """Return what ablates this task's sources.

        Args:
            byte_limit: Bound on the logits of one batch of ablations, in bytes.
            by: Whether sources are masked out of attention, or their text is removed from the
                prompt; or masked out of the attention of the tokens behind the last source only,
                where a source still counts for what other sources took in from it.

        Raises:
            InputError: If there is no such way, or the prompt's text is not known.
        """
        if by not in get_args(AblationKind):
            raise InputError(f"by is {by!r}; expected one of {', '.join(get_args(AblationKind))}.")
        if by == "removal":
            if self.prompts is None:
                raise InputError(
                    "This task has token ids and no text, so no text can be removed; expected "
                    "prompts. Make it with reader.task(...), or ablate by='attention'."
                )
            return RemovalAblator(
                self.model, self.ids, self.prompt_length, self.prompts, byte_limit
            )
        return self.ablator_with((), byte_limit, by=by)

    @property
    def said(self) -> tuple[Span, ...]:
        """Token range in ``ids`` of each target."""
        first = self.prompt_length
        return tuple((first + start, first + end) for start, end in self.targets)

    @property
    def regions(self) -> Sections[Span]:
        """Token range in ``ids`` of all that can be ablated.

        In the sections ``sources``, ``thoughts`` (their sentences) and ``targets``.
        """
        return Sections.of(sources=self.sources, thoughts=self.thoughts, targets=self.said)

    def ablator_with(
        self,
        regions: Sequence[Span],
        byte_limit: int = DEFAULT_BYTE_LIMIT,
        *,
        by: MaskingKind = "attention",
    ) -> Ablator:
        """Return what ablates this task's sources and, behind them, other ranges of tokens.

        What it says of a target is right where what is ablated comes before it.

        Args:
            regions: Token ranges in ``ids``, such as earlier targets.
            byte_limit: Bound on the logits of one batch of ablations, in bytes.
            by: Whether they are masked out of all attention, or out of that of the tokens behind
                the prompt's last source.
        """
        return Ablator(
            self.model,
            self.ids,
            self.prompt_length,
            (*self.sources, *regions),
            byte_limit,
            self.known,
            self.behind_sources if by == "knockout" else None,
        )

    @property
    def behind_sources(self) -> int:
        """Position of the first token behind all sources of the prompt, at most the answer's."""
        thought = self.thoughts[0][0] if self.thoughts else self.first_row
        ends = (end for _, end in self.sources if end <= thought)
        return max(ends, default=thought)
