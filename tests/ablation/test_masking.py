"""Ablations against the published numbers, and at the ends of what numbers can hold."""

import math

import pytest
import torch
from support.comparing import check_close
from support.golden import load_model

from at2_rag import InputError
from at2_rag.ablation.masking import Ablator, random_masks


def ablator(golden, case, **options):
    return Ablator(
        golden.model, case["input_ids"], case["target_token_range"][0],
        case["source_token_ranges"], **options,
    )  # fmt: skip


def test_effects_agree_with_the_published_implementation(golden):
    cases = [case for case in golden.cases if "ablation_masks" in case]
    assert cases
    for case in cases:
        effects = ablator(golden, case).ablate(torch.tensor(case["ablation_masks"]))
        expected = torch.tensor(case["ablation_token_logit_probs"]).double()
        check_close(effects.token_logits, expected)
        sentences = zip(
            case["target_sentence_token_ranges"], case["ablation_sentence_logit_probs"], strict=True
        )
        for (start, end), expected in sentences:
            got = effects.logit(start, end).float()
            check_close(got, torch.tensor(expected))


def test_batches_add_up_to_the_whole(golden_llama):
    case = golden_llama.cases[0]
    masks = random_masks(7, len(case["sources"]), seed=1)
    whole = ablator(golden_llama, case).ablate(masks).token_logits
    single = ablator(golden_llama, case, byte_limit=1).ablate(masks).token_logits
    check_close(whole, single)


def test_an_ablated_source_has_no_influence(golden_llama):
    """With a source masked out, its tokens could be any others."""
    case = golden_llama.cases[0]
    masks = torch.ones(1, len(case["sources"]), dtype=torch.bool)
    masks[0, 2] = False
    start, end = case["source_token_ranges"][2]
    other = list(case["input_ids"])
    other[start:end] = [5] * (end - start)
    base = ablator(golden_llama, case).ablate(masks).token_logits
    changed = ablator(golden_llama, {**case, "input_ids": other}).ablate(masks).token_logits
    check_close(base, changed)
    masks[0, 2] = True
    kept = ablator(golden_llama, {**case, "input_ids": other}).ablate(masks).token_logits
    assert (kept - base).abs().max() > 1e-3


@pytest.mark.parametrize("factor", [0.0, 1.0, 30.0, 1000.0])
def test_certain_and_impossible_tokens_stay_finite(golden_llama, factor):
    """Against log p / (1 - p) by hand, of logits that are as many times as large."""
    model, _ = load_model(golden_llama.folder / "model")
    ids, start = golden_llama.cases[0]["input_ids"][:35], 30
    model.lm_head.weight.data.mul_(factor)
    # Behind five tokens as they come, five that the model is as sure of as it can be.
    options = {"max_new_tokens": 5, "do_sample": False, "pad_token_id": 0}
    ids = model.generate(torch.tensor([ids]), min_new_tokens=5, **options)[0].tolist()
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, start - 1 : -1].double()
    effects = Ablator(model, ids, start, [(2, 9)]).ablate(torch.ones(1, 1))
    wanted = torch.tensor(ids[start:])[:, None]
    others = logits.scatter(1, wanted, -math.inf).logsumexp(1)
    check_close(effects.token_logits[0], logits.gather(1, wanted)[:, 0] - others)
    for token, logit in enumerate(effects.token_logits[0]):
        check_close(effects.logit(token, token + 1), logit[None])
        assert float(effects.log_probability(token, token + 1)) <= 0
    assert bool(effects.logit(0, 10).isfinite())
    if factor == 1000.0:
        assert effects.token_logits.min() < -300
        assert effects.token_logits.max() > 40  # 1 in double precision


def test_out_of_memory_halves_the_batch(golden_llama, monkeypatch):
    case = golden_llama.cases[0]
    masks = random_masks(6, len(case["sources"]), seed=2)
    expected = ablator(golden_llama, case).ablate(masks).token_logits
    model, _ = load_model(golden_llama.folder / "model")
    forward, sizes = model.forward, []

    def limited(input_ids, **options):
        sizes.append(len(input_ids))
        if len(input_ids) > 2:
            raise torch.OutOfMemoryError("no room")
        return forward(input_ids=input_ids, **options)

    limited.__signature__ = __import__("inspect").signature(forward)
    monkeypatch.setattr(model, "forward", limited)
    small = Ablator(
        model, case["input_ids"], case["target_token_range"][0], case["source_token_ranges"],
        byte_limit=4 * 1200 * 96 * 8,
    )  # fmt: skip
    check_close(small.ablate(masks).token_logits, expected)
    assert max(sizes) > 2
    assert sizes[-1] <= 2


def test_masks_keep_half_and_follow_the_seed():
    masks = random_masks(1000, 20, seed=3)
    assert 0.47 < float(masks.float().mean()) < 0.53
    assert torch.equal(masks, random_masks(1000, 20, seed=3))
    assert not torch.equal(masks, random_masks(1000, 20, seed=4))


def test_unusable_masks_and_lengths(golden_llama):
    case = golden_llama.cases[0]
    with pytest.raises(InputError, match=r"masks have the shape \(2, 3\); expected"):
        ablator(golden_llama, case).ablate(torch.ones(2, 3))
    with pytest.raises(InputError, match="prompt_length is 0 of"):
        Ablator(golden_llama.model, [1, 2], 0, [])
