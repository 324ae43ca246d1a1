"""Made-up worlds to read, ask about, train on and measure with."""

from at2_rag.worlds import schema
from at2_rag.worlds.generate import (
    HELD_OUT_SEED,
    Fact,
    World,
    WorldExample,
    generate_examples,
    generate_world,
)

__all__ = [
    "HELD_OUT_SEED",
    "Fact",
    "World",
    "WorldExample",
    "generate_examples",
    "generate_world",
    "schema",
]
