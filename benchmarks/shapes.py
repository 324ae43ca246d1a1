"""Models of named shapes, with random weights or real ones.

What a pass costs does not depend on the weights. What attention looks like does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from at2_rag.estimators import LinearEstimator


@dataclass(frozen=True)
class Shape:
    """The shape of a decoder, and what it costs to run.

    Attributes:
        name: What the shape is called, as in ``--models``.
        family: ``"llama"`` or ``"qwen2"``, transformers' model type.
        layers: How many layers there are, all with attention.
        hidden: How many numbers a hidden state has.
        heads: How many query heads a layer has.
        kv_heads: How many key-value heads a layer has.
        intermediate: How many numbers there are within a feed-forward layer.
        vocabulary: How many tokens the model knows.
        tied: Whether the output embeddings are the input ones.
        dtype: Number format of the weights, by torch's name.
        folder: Folder of the real weights; ``None`` for random ones.
    """

    name: str
    family: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    intermediate: int
    vocabulary: int
    tied: bool = True
    dtype: str = "float32"
    folder: str | None = None

    @property
    def label(self) -> str:
        """What the shape is called in tables, with the type, and whose weights they are."""
        return f"{self.name}, {self.dtype}, {'real' if self.folder else 'random'} weights"

    @property
    def width(self) -> int:
        """Width of a head."""
        return self.hidden // self.heads

    @property
    def bytes_per_number(self) -> int:
        """Size of one weight or activation."""
        return int(getattr(torch, self.dtype).itemsize)

    @property
    def layer_parameters(self) -> int:
        """Weights of all layers, without embeddings."""
        attention = 2 * self.hidden * self.width * (self.heads + self.kv_heads)
        return self.layers * (attention + 3 * self.hidden * self.intermediate)

    @property
    def weight_bytes(self) -> int:
        """Memory of all weights, in bytes."""
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return self.bytes_per_number * (self.layer_parameters + embeddings)

    def operations(self, tokens: int, batch: int = 1) -> float:
        """Return the floating-point operations of one pass over ``tokens``, with one logit row."""
        attention = 2 * tokens * tokens * self.heads * self.width * self.layers
        logits = 2 * self.hidden * self.vocabulary
        return float(batch * (2 * self.layer_parameters * tokens + attention + logits))

    def build(self, device: torch.device | str = "cpu", seed: int = 0) -> PreTrainedModel:
        """Return a model of this shape, in evaluation mode.

        Args:
            device: The device that the weights shall be on.
            seed: Which random weights are drawn.
        """
        if self.folder is not None:
            real: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
                self.folder, dtype=getattr(torch, self.dtype), attn_implementation="sdpa"
            )
            return real.eval().to(device)
        config = AutoConfig.for_model(
            self.family,
            num_hidden_layers=self.layers,
            hidden_size=self.hidden,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            intermediate_size=self.intermediate,
            vocab_size=self.vocabulary,
            tie_word_embeddings=self.tied,
            max_position_embeddings=65536,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=0,
        )
        torch.manual_seed(seed)
        with torch.device(device):
            model: PreTrainedModel = AutoModelForCausalLM.from_config(
                config, dtype=getattr(torch, self.dtype), attn_implementation="sdpa"
            )
        return model.eval()


class Heads(NamedTuple):
    """The heads of a model, for scoring without the rest of it."""

    layers: int
    heads: int
    kv_heads: int
    width: int
    dtype: str = "float32"


SMOLLM2_135M = Shape("smollm2-135m", "llama", 30, 576, 9, 3, 1536, 49152)
QWEN25_05B = Shape("qwen2.5-0.5b", "qwen2", 24, 896, 14, 2, 4864, 151936)
QWEN25_15B = Shape("qwen2.5-1.5b", "qwen2", 28, 1536, 12, 2, 8960, 151936)
LLAMA31_8B = Shape(
    "llama-3.1-8b", "llama", 32, 4096, 32, 8, 14336, 128256, tied=False, dtype="bfloat16"
)

#: All shapes by name.
SHAPES = {shape.name: shape for shape in (SMOLLM2_135M, QWEN25_05B, QWEN25_15B, LLAMA31_8B)}


def with_real_weights(shape: Shape, models: Path) -> Shape:
    """Return the same with the weights that lie in a folder of the shape's name, if one is there.

    Args:
        shape: The shape, of the same numbers as the model in the folder.
        models: Folder of models.
    """
    folder = models / shape.name
    return replace(shape, folder=str(folder)) if (folder / "config.json").is_file() else shape


def random_estimator(layers: int, heads: int, zeros: float = 0.0, seed: int = 0) -> LinearEstimator:
    """Return random coefficients whose magnitudes sum to 1.

    Args:
        layers: How many layers the model has.
        heads: How many heads each layer has.
        zeros: Share of the heads whose coefficient is 0; at least one head counts.
        seed: Which coefficients are drawn; the same seed draws the same ones.
    """
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(layers * heads, generator=generator)
    order = torch.randperm(layers * heads, generator=generator)
    values[order[: min(int(zeros * len(order)), len(order) - 1)]] = 0.0
    return LinearEstimator((values / values.abs().sum()).view(layers, heads))


def random_ids(shape: Shape, tokens: int, batch: int = 1, seed: int = 1) -> torch.Tensor:
    """Return (batch, tokens) random token ids."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(1, shape.vocabulary, (batch, tokens), generator=generator)
