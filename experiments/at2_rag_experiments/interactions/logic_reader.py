"""A small reader of worlds of switches, trained within seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from at2_rag.estimators import ScoreEstimator
from at2_rag.prompt.template import MULTI_PASSAGE
from at2_rag.reader import Reader
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from at2_rag_experiments.base import OnDone
from at2_rag_experiments.interactions.logic_worlds import (
    NAMES,
    RULES,
    LogicWorld,
    RuleName,
    draw_world,
    sentence,
)

_PAD, _USER, _ASSISTANT, _END = "<pad>", "<user>", "<assistant>", "<end>"
_SPECIAL = (_PAD, _USER, _ASSISTANT, _END)
_UNKNOWN = "<unknown>"
_TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}> {{ message['content'] }} <end> "
    "{% endfor %}{% if add_generation_prompt %}<assistant> {% endif %}"
)
_IGNORED = -100

#: Rules as often as they are drawn: those of several switches together take longest to learn.
_DRAWN: tuple[RuleName, ...] = ("copy", "and", "or", "xor", "xor", "majority", "majority")

#: What the words that only repeat the question count for, beside the one that answers it.
_REPEATED = 0.1

_WEIGHTS = "logic_reader.safetensors"


@dataclass(frozen=True)
class Lessons:
    """How the reader is trained.

    Attributes:
        switches: Switches that the passages of a world tell of.
        steps: Steps of Adam.
        batch_size: Texts in a step.
        learning_rate: Learning rate after a short rise; a cosine brings it to 0 in the last 40
            percent.
        kept: Probability that a sentence is seen, in a world in which some are hidden.
        whole: Share of worlds in which all sentences are seen.
        seed: What first weights and worlds are drawn with.
    """

    switches: int = 6
    steps: int = 500
    batch_size: int = 128
    learning_rate: float = 3e-3
    kept: float = 0.6
    whole: float = 0.3
    seed: int = 0


def logic_reader(lessons: Lessons, folder: Path, on_done: OnDone) -> Reader:
    """Return a reader of worlds of switches, trained once and kept in a folder.

    Its scores are average attention, until an estimator is learned for it.

    Args:
        lessons: How it is trained.
        folder: Folder that its weights are kept in.
        on_done: Called after each step of the training.
    """
    tokenizer = build_tokenizer()
    model = build_model(tokenizer, lessons.seed)
    path = folder / _WEIGHTS
    if path.exists():
        model.load_state_dict(load_file(path))
    else:
        train(model, tokenizer, lessons, on_done)
        partly = path.with_suffix(".part")
        save_file(model.state_dict(), partly)
        partly.replace(path)
    model.eval()
    return Reader(model, tokenizer, ScoreEstimator.uniform(model), max_new_tokens=16)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer whose tokens are the words of these worlds, marks and all."""
    rng = Random(0)
    texts = [sentence(name, on) for name in NAMES for on in (False, True)]
    for rule in RULES:
        for on in (0, RULES[rule].arity):
            world = draw_world(rng, rule, len(NAMES), on)
            texts += [_message(world), world.answer()]
    words = sorted({word for text in texts for word in text.split()} | set(NAMES))
    vocabulary = {word: index for index, word in enumerate([*_SPECIAL, _UNKNOWN, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=_UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(list(_SPECIAL))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=_PAD,
        eos_token=_END,
        padding_side="left",
        chat_template=_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def build_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """Return an untrained Llama of 170,000 parameters.

    Args:
        tokenizer: The tokenizer that :func:`build_tokenizer` returns.
        seed: What the first weights are drawn with.
    """
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=256,
        bos_token_id=None,
        eos_token_id=tokenizer.convert_tokens_to_ids(_END),
        pad_token_id=tokenizer.convert_tokens_to_ids(_PAD),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    model.config.name_or_path = "at2-rag logic reader"
    return model


def train(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, lessons: Lessons, on_done: OnDone
) -> None:
    """Train a model to answer by the rules from those sentences that it can see.

    A sentence is hidden as ablations hide it: masked out of attention, positions unchanged.

    Args:
        model: A model of :func:`build_model`; changed in place.
        tokenizer: The model's tokenizer.
        lessons: How it is trained.
        on_done: Called after each step of the training.
    """
    rng = Random(f"at2-logic-training-{lessons.seed}")
    optimizer = torch.optim.AdamW(
        model.parameters(), lessons.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    model.train()
    for step in range(lessons.steps):
        optimizer.param_groups[0]["lr"] = lessons.learning_rate * _rate(step, lessons.steps)
        ids, mask, wanted = _batch(rng, tokenizer, lessons)
        places = torch.arange(ids.shape[1]).expand(ids.shape)
        logits = model(ids, attention_mask=mask, position_ids=places, use_cache=False).logits
        losses = torch.nn.functional.cross_entropy(
            logits[:, :-1].transpose(1, 2), wanted[:, 1:], ignore_index=_IGNORED, reduction="none"
        )
        # The state, the last word but the end, is what takes learning; the others repeat.
        ends = (wanted != _IGNORED).sum(dim=1) + (wanted == _IGNORED).int().argmin(dim=1)
        state = losses.gather(1, ends[:, None] - 3).mean()
        loss = state + _REPEATED * losses.sum() / (wanted != _IGNORED).sum()
        optimizer.zero_grad()
        torch.autograd.backward([loss])
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        on_done(step + 1, lessons.steps, False)
    model.eval()


def _rate(step: int, steps: int) -> float:
    """Return the share of the learning rate at a step."""
    late = max(0.0, (step / steps - 0.6) / 0.4)
    return min(1.0, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * late))


def _batch(
    rng: Random, tokenizer: PreTrainedTokenizerFast, lessons: Lessons
) -> tuple[Tensor, Tensor, Tensor]:
    """Return (texts, tokens) ids padded on the right, attention masks, and ids to be predicted."""
    count = range(lessons.batch_size)
    worlds = [draw_world(rng, rng.choice(_DRAWN), lessons.switches) for _ in count]
    encode = tokenizer.backend_tokenizer.encode_batch
    prompts = encode([f"{_USER} {_message(world)} {_END} {_ASSISTANT}" for world in worlds])
    seen = [_seen(rng, world, lessons) for world in worlds]
    told = [f"{world.answer(kept)} {_END}" for world, kept in zip(worlds, seen, strict=True)]
    answers = encode(told)
    length = max(len(p.ids) + len(a.ids) for p, a in zip(prompts, answers, strict=True))
    ids = torch.full((len(worlds), length), tokenizer.pad_token_id)
    wanted, mask = torch.full_like(ids, _IGNORED), torch.zeros_like(ids)
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        first, end = len(prompt.ids), len(prompt.ids) + len(answer.ids)
        ids[row, :end] = torch.tensor(prompt.ids + answer.ids)
        wanted[row, first:end] = ids[row, first:end]
        mask[row, :end] = 1
        states = {sentence(*switch) for switch in worlds[row].switches}
        places = [i for i, token in enumerate(prompt.tokens) if token in states]
        mask[row, [p for p, kept in zip(places, seen[row], strict=True) if not kept]] = 0
    return ids, mask, wanted


def _seen(rng: Random, world: LogicWorld, lessons: Lessons) -> list[bool]:
    whole = rng.random() < lessons.whole
    return [whole or rng.random() < lessons.kept for _ in world.switches]


def _message(world: LogicWorld) -> str:
    passages = world.passages()
    return MULTI_PASSAGE.render(world.question, passages, range(len(passages)))[0]
