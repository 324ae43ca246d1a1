"""Attention knockout, of each source and by a gradient, against masked passes of the whole text."""

from dataclasses import replace

import pytest
import torch
from support.architectures import build
from support.by_hand import faded_by_hand, hidden_behind_sources, log_probabilities_by_hand
from support.comparing import check_close
from support.golden import golden_task
from support.made_up_methods import random_task
from support.zandor import PASSAGES, QUESTION
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from at2_rag import InputError, UnsupportedModelError
from at2_rag.ablation.effects import answer_log_probabilities
from at2_rag.ablation.fading import FadingText
from at2_rag.ablation.reuse import first_pass
from at2_rag.methods import (
    AttentionMethod,
    KnockoutGradientMethod,
    KnockoutMethod,
    LeaveOneOutMethod,
    method_by_name,
)


@pytest.fixture(scope="module")
def task(golden_llama):
    """10 sentences of 4 passages, and 3 statements."""
    return golden_task(golden_llama, golden_llama.cases[3])


def fall_behind_a_mask(task, source):
    """Return (targets,): what hiding a source from what is behind all of them does."""
    beside, without = hidden_behind_sources(task, [source])
    fall = beside - without
    return torch.stack([fall[start:end].sum() for start, end in task.targets])


def test_knockout_agrees_with_one_masked_pass_per_source(task):
    method = KnockoutMethod()
    expected = [fall_behind_a_mask(task, source) for source in task.sources]
    scores = method.scores(task)
    torch.testing.assert_close(scores.double(), torch.stack(expected).T, rtol=0, atol=1e-5)
    assert scores.abs().max() > 1e-3
    # Nothing is between the last source and what it is hidden from, so it is left out altogether.
    torch.testing.assert_close(
        scores[:, -1], LeaveOneOutMethod().scores(task)[:, -1], rtol=0, atol=1e-5
    )


#: Of families whose layers look back all the way, through a window shorter than the text, or by
#: chunks, in all layers or in some.
REACHES = ("llama", "mistral", "gemma2", "gemma3_text", "cohere2", "gpt_oss", "llama4_text")


@pytest.mark.parametrize("name", REACHES)
def test_knockout_is_the_same_however_far_layers_look(name):
    task = random_task(build(name))
    expected = torch.stack([fall_behind_a_mask(task, source) for source in task.sources]).T
    scores = KnockoutMethod().scores(task)
    torch.testing.assert_close(scores.double(), expected, rtol=0, atol=1e-5)
    assert scores.abs().max() > 1e-3
    known = first_pass(task.model, torch.tensor(task.ids[:-1]), 1).beginning
    again = KnockoutMethod().scores(replace(task, known=known))
    torch.testing.assert_close(again, scores, rtol=0, atol=1e-5)


def test_knockout_of_the_best_is_that_of_all_at_these_places(task):
    ranked, every = AttentionMethod().scores(task), KnockoutMethod().scores(task)
    for best in (1, 3, len(task.sources), 99):
        chosen = ranked.topk(min(best, len(task.sources))).indices
        tried = torch.zeros_like(every).scatter(1, chosen, 1.0)
        scores = KnockoutMethod(best).scores(task)
        torch.testing.assert_close(scores, every * tried, rtol=0, atol=1e-5)


def test_knockout_costs_the_end_of_the_text_for_each_source_tried(task):
    tokens, end = len(task.ids) - 1, max(end for _, end in task.sources)
    one = (tokens - end) / tokens
    assert KnockoutMethod().forward_passes(task) == pytest.approx(1 + len(task.sources) * one)
    best = KnockoutMethod(1)
    tried = int((best.scores(task) != 0).any(dim=0).sum())
    assert best.forward_passes(task) == pytest.approx(1 + tried * one)


def test_knockout_tries_at_least_one():
    with pytest.raises(InputError, match=r"best is 0; expected at least 1"):
        KnockoutMethod(0)
    with pytest.raises(InputError, match=r"no method 'knockout-0'; .* number of at least 1"):
        method_by_name("knockout-0")


def test_knockout_is_refused_where_a_text_cannot_be_gone_on_with():
    with pytest.raises(UnsupportedModelError, match=r"cannot be copied, .* by='attention'"):
        KnockoutMethod().scores(random_task(build("qwen3_next")))


# Knockout by a gradient


def wide_task(name):
    """A task of a model in double precision, but for norms, which it computes in float32."""
    return random_task(build(name).double())


@pytest.mark.parametrize(
    ("name", "shares", "widths"),
    [
        ("llama", (0.1, 0.3, 0.8), (0.2, 0.35, 0.45)),
        # One share, since the steps here are wide for small shares of the others, whose logits bend
        # more; that shares add up as they should does not depend on how far layers look.
        *((name, (0.4,), (1.0,)) for name in ("llama", "mistral", "gemma3_text", "llama4_text")),
    ],
)
def test_knockout_gradient_is_the_slope_of_a_share(name, shares, widths):
    task, step = wide_task(name), 1e-2
    scores = KnockoutGradientMethod(shares).scores(task)
    for source in range(len(task.sources)):
        slopes = []
        for share in shares:
            ends = []
            for moved in (share - step, share + step):
                each = [share] * len(task.sources)
                each[source] = moved
                ends.append(faded_by_hand(task, each))
            slopes.append((ends[1] - ends[0]) / (2 * step))
        expected = torch.tensor(widths, dtype=torch.float64) @ torch.stack(slopes)
        # A step this wide is off by its square, and a smaller one by what norms are rounded to.
        torch.testing.assert_close(scores[:, source].double(), expected, rtol=5e-3, atol=1e-4)
    assert scores.abs().max() > 1e-3


@pytest.mark.parametrize("name", REACHES)
def test_with_whole_shares_nothing_fades_however_far_layers_look(name):
    task = random_task(build(name))
    answer = task.ids[task.prompt_length :]
    logits = FadingText.of(task).logits(torch.ones(1, len(task.sources)), len(answer))
    expected = log_probabilities_by_hand(task.model, task.ids, task.prompt_length)
    found = answer_log_probabilities(logits, answer)[0]
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-4)


def test_over_all_shares_scores_add_up_to_what_hiding_all_does():
    """Completeness, which integrated gradients have."""
    task, parts = wide_task("llama"), 64
    scores = KnockoutGradientMethod(tuple((i + 0.5) / parts for i in range(parts))).scores(task)
    beside, without = hidden_behind_sources(task, task.sources)
    fall = torch.stack([(beside - without)[start:end].sum() for start, end in task.targets])
    torch.testing.assert_close(scores.sum(dim=1).double(), fall, rtol=1e-2, atol=1e-4)


def test_what_was_kept_of_the_answering_is_gone_on_from(demo_reader):
    """And changes nothing, also after inference mode, in which it was made."""
    written = demo_reader.task(QUESTION, PASSAGES)
    method = KnockoutGradientMethod()
    assert replace(written, known=None).known is None
    with torch.inference_mode():
        kept = method.scores(written)
    check_close(kept, method.scores(replace(written, known=None)))


def test_knockout_gradient_runs_the_end_once_and_back_for_each_target(task):
    tokens, end = len(task.ids) - 1, max(end for _, end in task.sources)
    for shares in ((0.4,), (0.3, 0.7)):
        expected = 1 + len(shares) * (1 + len(task.targets)) * (tokens - end) / tokens
        assert KnockoutGradientMethod(shares).forward_passes(task) == pytest.approx(expected)


@pytest.mark.parametrize(
    "shares", [(), (0.0,), (0.5, 1.5), (float("nan"),), (0.5, 0.3), (0.3, 0.3), 0.3, ("a",)]
)
def test_shares_are_parts_of_something(shares):
    with pytest.raises(InputError, match="expected at least one number above 0 and at most 1, asc"):
        KnockoutGradientMethod(shares)


def deaf(module, query, key, value, attention_mask, **options):
    """Attention that leaves a mask out which is neither seeing nor not, as flash attention does."""
    if attention_mask is not None and attention_mask.is_floating_point():
        attention_mask = attention_mask.isneginf().logical_not()
    return ALL_ATTENTION_FUNCTIONS["sdpa"](module, query, key, value, attention_mask, **options)


def test_fading_is_refused_where_a_model_takes_no_such_mask():
    AttentionInterface.register("deaf", deaf)
    AttentionMaskInterface.register("deaf", ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
    model = build("llama")
    model.set_attn_implementation("deaf")
    flexible = build("llama")
    flexible.set_attn_implementation("flex_attention")
    with torch.inference_mode():
        made_in_it = build("llama")
    # The last has layers other than attention.
    for unable in (model, flexible, made_in_it, build("qwen3_next")):
        with pytest.raises(UnsupportedModelError, match=r"cannot fade with .* sdpa or eager"):
            KnockoutGradientMethod().scores(random_task(unable))
