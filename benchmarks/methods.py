"""What is measured side by side: a plain pass, the library, and the two references."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from at2_rag.attention.folds import sum_ranges
from at2_rag.estimators import LinearEstimator
from at2_rag.model.recorded_model import RecordedModel
from at2_rag.spans import Span
from benchmarks.references import by_eager_attention, by_hidden_states, saved_hidden_states
from benchmarks.shapes import Shape, random_estimator, random_ids
from benchmarks.timing import record_batch, recording_name

#: How many heads count in ``"library, few heads"``, as many as are probed at the most.
FEW = 8

#: Tokens of a source, as those of a sentence.
_SOURCE = 27

#: In the order in which they take turns.
METHODS = ("plain", "library", "library, few heads", "hidden states", "eager")


class Size(NamedTuple):
    """How much text.

    Attributes:
        context: How many tokens the prompt has.
        answer: How many tokens the answer has.
        batch: How many texts one pass has.
    """

    context: int
    answer: int
    batch: int = 1

    @property
    def tokens(self) -> int:
        """Tokens of a pass: the answer's last token predicts nothing that is wanted."""
        return self.context + self.answer - 1

    @property
    def point(self) -> dict[str, int]:
        """By name, as in the tables."""
        return self._asdict()


@dataclass(frozen=True)
class Passes:
    """One model and one text, to be gone through in several ways.

    Attributes:
        model: The model that the text is run through.
        ids: (batch, tokens): prompt and answer without its last token.
        size: How much text there is.
        dense: Random coefficients, none of which is 0.
        sparse: Random coefficients, most of which are 0.
    """

    model: PreTrainedModel
    ids: Tensor
    size: Size
    dense: LinearEstimator
    sparse: LinearEstimator

    @classmethod
    def of(cls, shape: Shape, model: PreTrainedModel, size: Size) -> Passes:
        """Return the passes of a model over random text."""
        ids = random_ids(shape, size.tokens, size.batch)
        dense = random_estimator(shape.layers, shape.heads)
        few = 1 - FEW / (shape.layers * shape.heads)
        sparse = random_estimator(shape.layers, shape.heads, max(few, 0.0))
        return cls(model, ids.to(model.get_input_embeddings().weight.device), size, dense, sparse)

    @property
    def first_row(self) -> int:
        """Position of the query that predicts the answer's first token."""
        return self.size.context - 1

    @property
    def sources(self) -> list[Span]:
        """Token ranges of the prompt that count as wholes, as sentences do."""
        context = self.size.context
        return [(i, min(i + _SOURCE, context)) for i in range(0, context, _SOURCE)]

    def summed(self, weighted: Tensor) -> Tensor:
        """Return (batch, answer, sources and later tokens) of what a pass returned.

        The library may have summed up what lies in a source already.

        Args:
            weighted: (batch, answer, tokens): weighted attention.
        """
        behind = weighted[..., self.size.context :]
        return torch.cat([sum_ranges(weighted, self.sources), behind], dim=-1)

    def ready(self, method: str) -> Callable[[], Tensor]:
        """Set the model up for a method, which no clock sees, and return its pass.

        What the pass returns is (batch, answer, tokens) weighted attention, that of a whole source
        at its first token or at each; or, of the plain one, logits.
        """
        if method.startswith("library"):
            self.model.set_attn_implementation(recording_name(self.model))
        else:
            self.model.set_attn_implementation("eager" if method == "eager" else "sdpa")
        return {
            "plain": self._plain,
            "library": lambda: self._library(self.dense),
            "library, few heads": lambda: self._library(self.sparse),
            "hidden states": lambda: self.from_hidden_states(self.hidden_states()),
            "eager": self._eager,
        }[method]

    def hidden_states(self) -> tuple[Tensor, ...]:
        """Return what went into each layer."""
        return saved_hidden_states(self.model, self.ids)

    def from_hidden_states(self, states: tuple[Tensor, ...]) -> Tensor:
        """Return what the second reference makes of them."""
        return by_hidden_states(self.model, states, self.first_row, self.dense.coefficients)

    @torch.inference_mode()
    def _plain(self) -> Tensor:
        logits: Tensor = self.model(input_ids=self.ids, use_cache=False, logits_to_keep=1).logits
        return logits

    def _library(self, estimator: LinearEstimator) -> Tensor:
        if self.size.batch > 1:
            return record_batch(self.model, estimator, self.ids, self.first_row)
        recorded = RecordedModel(self.model)
        text = self.ids[0].tolist()
        prompt, answer = text[: self.size.context], [*text[self.size.context :], 1]
        return recorded.read(prompt, answer, estimator.weightings, ranges=self.sources).tables[:1]

    def _eager(self) -> Tensor:
        return by_eager_attention(self.model, self.ids, self.first_row, self.dense.coefficients)


def peak_bytes(shape: Shape, size: Size, method: str) -> int:
    """Return roughly how much memory a method takes at most, the weights included, in bytes."""
    number, tokens, batch = shape.bytes_per_number, size.tokens, size.batch
    plain = batch * tokens * (3 * shape.intermediate + 8 * shape.hidden) * number
    if method == "hidden states":
        states = (shape.layers + 1) * batch * tokens * shape.hidden * number
        weights = shape.heads * batch * size.answer * tokens
        plain += states + shape.layers * weights * number + 3 * weights * 4
    elif method == "eager":
        weights = batch * shape.heads * tokens * tokens
        plain += shape.layers * weights * number + 3 * weights * 4
    return shape.weight_bytes + plain
