"""Train the demo reader from scratch, on made-up worlds, on two CPU cores.

Run it as ``python examples/demo_reader/train.py --out build/demo_reader``.

The number of passages grows while the loss falls; the last stretch anneals the learning rate.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from random import Random

import torch
from batches import Batch, BatchMaker
from tokenizer import END, PAD, build_tokenizer
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

#: (share of all steps, fewest passages, most passages)
CURRICULUM = ((0.06, 1, 2), (0.14, 1, 4), (0.30, 1, 6), (1.0, 1, 10))


def build_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Return a randomly initialised Llama of about 3.5 million parameters."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.convert_tokens_to_ids(END),
        pad_token_id=tokenizer.convert_tokens_to_ids(PAD),
    )
    return LlamaForCausalLM(config)


def loss_of(model: LlamaForCausalLM, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the weighted loss in nats, and the share of answer tokens predicted right."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(
            batch.input_ids,
            attention_mask=batch.mask,
            position_ids=batch.positions,
            use_cache=False,
        ).logits
    # A question's first token follows the world, not the question before it: not predicted.
    follows = batch.positions[:, 1:] == batch.positions[:, :-1] + 1
    weights = batch.weights[:, 1:] * follows
    targets = batch.input_ids[:, 1:]
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].float().flatten(0, 1), targets.flatten(), reduction="none"
    ).view_as(targets)
    answers = weights == 1.0
    right = (logits[:, :-1].argmax(-1) == targets)[answers].float().mean()
    return (losses * weights).sum() / weights.sum(), right


def stage_at(progress: float) -> tuple[int, int]:
    """Return the fewest and most passages at this share of the training."""
    return next((low, high) for end, low, high in CURRICULUM if progress < end or end == 1.0)


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Warm up over 200 steps, stay, and anneal to zero over the last 40 percent."""
    warm = min(1.0, (step + 1) / 200)
    anneal = max(0.0, (step / steps - 0.6) / 0.4)
    return peak * warm * 0.5 * (1 + math.cos(math.pi * anneal))


def train(steps: int, peak: float, tokens: int, questions: int, seed: int, out: Path) -> None:
    """Train and save a model folder in bfloat16."""
    torch.manual_seed(seed)
    tokenizer = build_tokenizer()
    model = build_model(tokenizer)
    maker = BatchMaker(tokenizer, questions, tokens, world_weight=0.2)
    rng = Random(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.1)
    print(f"{model.num_parameters():,} parameters, {len(tokenizer)} tokens", flush=True)
    stream, stage, start = iter(()), None, time.monotonic()
    for step in range(steps):
        if (now := stage_at(step / steps)) != stage:
            stage, stream = now, maker.batches(rng, now)
        optimizer.param_groups[0]["lr"] = learning_rate(step, steps, peak)
        loss, right = loss_of(model, next(stream))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 0:
            minutes = (time.monotonic() - start) / 60
            print(
                f"{step:6d} passages {stage} loss {loss.item():.3f} "
                f"answer tokens right {right.item():.3f} {minutes:.1f} min",
                flush=True,
            )
        if step % 1000 == 999:
            save(model, tokenizer, out)
    save(model, tokenizer, out)


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Write the model folder, weights in bfloat16."""
    state = {name: value.to(torch.bfloat16) for name, value in model.state_dict().items()}
    copy = LlamaForCausalLM(model.config).to(torch.bfloat16)
    copy.load_state_dict(state)
    copy.generation_config.update(
        do_sample=False,
        eos_token_id=model.config.eos_token_id,
        pad_token_id=model.config.pad_token_id,
    )
    copy.save_pretrained(out)
    tokenizer.save_pretrained(out)


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    parser.add_argument("--tokens", type=int, default=6144, help="tokens per batch")
    parser.add_argument("--questions", type=int, default=6, help="questions per world")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    train(args.steps, args.learning_rate, args.tokens, args.questions, args.seed, args.out)


if __name__ == "__main__":
    main()
