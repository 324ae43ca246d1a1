"""What a collection costs, in operations, time and bytes, before it is begun (section 4.1).

Nothing here is measured: rates come from a benchmark, or are assumed by whoever asks.
"""

from __future__ import annotations

from dataclasses import dataclass

from at2_rag.errors import InputError

_HALF = 2  # bytes of a float16
_FLOAT = 4  # bytes of a float32


@dataclass(frozen=True)
class ModelSize:
    """What the cost of a decoder with gated feed-forward layers depends on.

    Attributes:
        name: What to call a model of this size.
        layers: How many layers the model has.
        heads: How many attention heads a layer has.
        key_heads: How many key-value heads a layer has.
        head_width: How many numbers a head's query or key has.
        width: How many numbers a hidden state has.
        inner_width: How many numbers there are within a feed-forward layer.
        vocabulary: How many tokens the model knows.
        tied: Whether the embeddings are the output matrix too.
    """

    name: str
    layers: int
    heads: int
    key_heads: int
    head_width: int
    width: int
    inner_width: int
    vocabulary: int
    tied: bool

    @property
    def body(self) -> int:
        """Weights of the matrices that every token goes through."""
        attention = 2 * self.width * self.head_width * (self.heads + self.key_heads)
        return self.layers * (attention + 3 * self.width * self.inner_width)

    @property
    def parameters(self) -> int:
        """All weights but the norms' and biases, which are few."""
        return self.body + (1 if self.tied else 2) * self.width * self.vocabulary

    def pass_flops(self, tokens: float, rows: float) -> float:
        """Return the operations of one forward pass.

        Two for each weight and token; logits for ``rows`` tokens only; and two for each pair of
        tokens of which one may look at the other, twice: for weights and for values.

        Args:
            tokens: How many tokens the text has.
            rows: How many tokens have their logits computed.
        """
        matrices = 2 * tokens * self.body + 2 * rows * self.width * self.vocabulary
        return matrices + 4 * self.layers * self.heads * self.head_width * tokens**2 / 2


#: Sizes from the models' published configurations.
SIZES = (
    ModelSize("Qwen2.5-1.5B", 28, 12, 2, 128, 1536, 8960, 151_936, True),
    ModelSize("Llama-3.2-3B", 28, 24, 8, 128, 3072, 8192, 128_256, True),
    ModelSize("Llama-3.1-8B", 32, 32, 8, 128, 4096, 14_336, 128_256, False),
    ModelSize("Llama-3.1-70B", 80, 64, 8, 128, 8192, 28_672, 128_256, False),
)


@dataclass(frozen=True)
class Workload:
    """What is collected; examples and ablations are the paper's, lengths are not in it.

    Attributes:
        examples: How many examples are collected.
        ablations: How many random ablations each example has.
        around: How many tokens of the prompt belong to no source: instructions and question.
        passages: How many tokens the sources have together.
        answer: How many tokens the answer has.
        statements: How many statements the answer has.
        sources: How many sources there are; as many as they have tokens where tokens are the
            sources.
        kept: The probability that an ablation keeps a source.
        leaves_out: Whether ablated tokens are left out of a pass, or masked in it.
        copying: Whether copying features are collected.
    """

    examples: int = 2000
    ablations: int = 32
    around: int = 100
    passages: int = 1500
    answer: int = 100
    statements: int = 4
    sources: int = 1500
    kept: float = 0.5
    leaves_out: bool = True
    copying: bool = False

    @property
    def tokens(self) -> int:
        """Tokens of prompt and answer."""
        return self.around + self.passages + self.answer

    @property
    def ablated_tokens(self) -> float:
        """Tokens of an ablation's pass, on average."""
        kept = self.kept if self.leaves_out else 1.0
        return self.around + kept * self.passages + self.answer

    @property
    def passes(self) -> int:
        """Forward passes of ablations, all together."""
        return self.examples * self.ablations

    def flops(self, size: ModelSize) -> float:
        """Return the operations of all passes; decoding is bound by memory, and not among them.

        Each example is read once for its answer, once for its attention, and once per ablation.
        """
        prompt = size.pass_flops(self.around + self.passages, 1)
        reading = size.pass_flops(self.tokens, 1)
        ablation = size.pass_flops(self.ablated_tokens, self.answer)
        return self.examples * (prompt + reading + self.ablations * ablation)

    def decoded_tokens(self) -> int:
        """Return the tokens that the model generates, all together."""
        return self.examples * self.answer

    def record_bytes(self, size: ModelSize) -> int:
        """Return the bytes of one example's file, less the header of about a kilobyte."""
        features = size.layers * size.heads * (2 if self.copying else 1)
        per_ablation = self.statements * (features * _HALF + 2 * _FLOAT) + self.sources
        return self.ablations * per_ablation + self.statements * features * _FLOAT


@dataclass(frozen=True)
class Rates:
    """How fast one actor is.

    Attributes:
        flops: How many operations per second an actor gets done in forward passes.
        decoded: How many tokens per second an actor generates.
        devices: How many devices an actor takes. A model that is spread over several runs on one
            after the other.

    Raises:
        InputError: If one of them is not positive.
    """

    flops: float
    decoded: float
    devices: int = 1

    def __post_init__(self) -> None:
        for name in ("flops", "decoded", "devices"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)!r}; expected more than 0.")

    @classmethod
    def measured(
        cls, size: ModelSize, tokens: int, seconds: float, decoded: float, devices: int = 1
    ) -> Rates:
        """Return the rates of an actor that a benchmark measured.

        Args:
            size: The size of the model.
            tokens: How many tokens the measured text has.
            seconds: How long the text's forward pass took, with one row of logits.
            decoded: How many tokens were generated per second.
            devices: How many devices the model was on.
        """
        return cls(size.pass_flops(tokens, 1) / seconds, decoded, devices)


def device_hours(size: ModelSize, workload: Workload, rates: Rates) -> float:
    """Return the hours of one device that a collection takes, however many share them.

    Args:
        size: The size of the model.
        workload: What is collected.
        rates: What one actor gets done in a second.
    """
    seconds = workload.flops(size) / rates.flops + workload.decoded_tokens() / rates.decoded
    return seconds * rates.devices / 3600
