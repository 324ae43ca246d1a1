"""Questions over made-up passages, and readers that answer them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import islice

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from at2_rag import Reader
from at2_rag.documents.passages import Passage
from at2_rag.model.loading import load_demo_estimator, load_demo_model
from at2_rag.worlds import generate_examples
from benchmarks.shapes import Shape, random_estimator
from benchmarks.timing import recording_name

#: The name under which the demo reader stands in the tables.
DEMO = "demo reader"

#: Passages of one made-up world; more are put together of several.
_WORLD = 8


def questions(count: int, passages: int, seed: int = 5) -> list[tuple[str, list[Passage]]]:
    """Return questions, each with so many passages."""
    worlds = -(-passages // _WORLD)
    examples = islice(generate_examples(seed, _WORLD, 2), count * worlds)
    found = []
    for _ in range(count):
        group = list(islice(examples, worlds))
        shown = [passage for example in group for passage in example.passages]
        found.append((group[0].question, shown[:passages]))
    return found


def demo_reader(device: torch.device) -> Reader:
    """Return the demo reader."""
    model, tokenizer = load_demo_model()
    return Reader(model.to(device), tokenizer, load_demo_estimator())


def random_reader(model: PreTrainedModel) -> Reader:
    """Return a reader with random coefficients and the demo reader's tokenizer.

    Args:
        model: A model of random weights. With a vocabulary that is larger than the tokenizer's, it
            can read, but what it writes has no text.
    """
    config = model.config
    estimator = random_estimator(config.num_hidden_layers, config.num_attention_heads)
    recording_name(model)
    return Reader(model, _tokenizer(), estimator)


def with_demo_vocabulary(shape: Shape) -> Shape:
    """Return a shape whose models write what the demo reader's tokenizer knows."""
    return replace(shape, vocabulary=len(_tokenizer()), folder=None)


@cache
def _tokenizer() -> PreTrainedTokenizerBase:
    return load_demo_model()[1]
