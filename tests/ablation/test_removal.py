"""Ablation by removal against prompts that were written without the removed text."""

import inspect
import warnings
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.architectures import WORKING, build
from support.by_hand import log_probabilities_by_hand
from support.comparing import check_close
from support.golden import load_model
from support.texts import KINDS, quick, readable_texts, tokenizer_of
from support.zandor import PASSAGES, QUESTION

from at2_rag import MULTI_PASSAGE, InputError, Passage, Reader, ScoreEstimator
from at2_rag.ablation.masking import random_masks
from at2_rag.ablation.removal import RemovalAblator, ShorterPrompts, logits_behind
from at2_rag.documents.passages import as_passages
from at2_rag.prompt.maker import PromptMaker
from at2_rag.prompt.request import Request
from at2_rag.prompt.settings import Settings

ANSWER = "Zandor lies on the Mol. It is long."
HISTORY = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Good day."}]
UNITS = ("sentence", "passage", "word")


def removal(reader, passages=PASSAGES, answer=ANSWER, *, history=(), byte_limit=2**28, **options):
    """Return a task and what ablates it by removal."""
    task = reader.task(QUESTION, passages, answer, history=history, **options)
    settings, _ = reader.settings.override(options)
    request = Request(QUESTION, as_passages(passages), history, settings)
    maker = PromptMaker.of(reader.tokenizer, request)
    sources = task.answer.attribution.sources
    prompts = ShorterPrompts(maker, task.answer.kept, sources, answer or "")
    return task, RemovalAblator(task.model, task.ids, task.prompt_length, prompts, byte_limit)


def prompts_of(passages, unit="sentence", tokenizer=None, **options):
    """Return what makes prompts, without a model to read them."""
    settings = Settings(source_unit=unit, **options)
    tokenizer = tokenizer or tokenizer_of("llama")
    maker = PromptMaker.of(tokenizer, Request(QUESTION, as_passages(passages), (), settings))
    prompt = maker.make(maker.request.readable)
    return ShorterPrompts(maker, prompt.shown, tuple(maker.sources(prompt)))


def left(prompts, kept):
    """Return the texts that are left, by passage."""
    return {index: passage.text for index, passage in prompts.documents(kept).items()}


@pytest.fixture(scope="module")
def plain_reader(golden_llama):
    """A model that continues plain text: no chat template, and special tokens of its own."""
    tokenizer = tokenizer_of("metaspace_bpe").__class__(
        tokenizer_object=tokenizer_of("metaspace_bpe").backend_tokenizer, bos_token="<s>"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Reader(golden_llama.model, tokenizer, ScoreEstimator.uniform(golden_llama.model))


# With all sources


@pytest.mark.parametrize("unit", [*UNITS, "token"])
@pytest.mark.parametrize("answer", [ANSWER, None], ids=["read", "generated"])
def test_with_all_sources_it_is_what_masks_give(golden, demo_reader, plain_reader, unit, answer):
    golden_reader = Reader(golden.model, golden.tokenizer, ScoreEstimator.uniform(golden.model))
    for reader in (golden_reader, demo_reader, plain_reader):
        task, ablator = removal(reader, answer=answer, max_new_tokens=12, source_unit=unit)
        masks = torch.ones(1, len(task.sources))
        assert ablator.prompts.ids([True] * len(task.sources)) == task.ids[: task.prompt_length]
        check_close(ablator.ablate(masks).token_logits, task.ablator().ablate(masks).token_logits)


def test_golden_prompts_are_made_anew_to_the_token(golden):
    for case in golden.cases:
        unit = {"document": "passage"}.get(case["source_type"], case["source_type"])
        prompts = prompts_of(case["passages"], unit, golden.tokenizer, prompt="published")
        request = replace(prompts.maker.request, question=case["query"])
        maker = replace(prompts.maker, request=request)
        prompts = replace(prompts, maker=maker, answer=case["answer"])
        start, _ = case["target_token_range"]
        assert list(prompts.ids([True] * len(prompts.sources))) == case["input_ids"][:start]


def test_a_prompt_of_other_passages_is_refused(golden_reader):
    task, ablator = removal(golden_reader)
    other = prompts_of(["Something else."])
    with pytest.raises(InputError, match=r"The prompt made anew with all sources has \d+ tokens"):
        RemovalAblator(task.model, task.ids, task.prompt_length, other)
    with pytest.raises(InputError, match=r"prompt_length is \d+ of \d+ tokens"):
        RemovalAblator(task.model, task.ids, len(task.ids), ablator.prompts)


# Without some


@pytest.mark.parametrize("options", [{}, {"history": HISTORY, "system": "Be brief."}], ids=str)
@pytest.mark.parametrize("gone", [0, 1, 2, 3])
def test_a_removed_passage_was_never_there(golden, demo_reader, plain_reader, gone, options):
    """Another reading, of the other passages alone, gives the same, computed by hand."""
    golden_reader = Reader(golden.model, golden.tokenizer, ScoreEstimator.uniform(golden.model))
    others = [passage for index, passage in enumerate(PASSAGES) if index != gone]
    for reader in (golden_reader, demo_reader, plain_reader):
        task, ablator = removal(reader, source_unit="passage", **options)
        masks = ~torch.eye(len(PASSAGES), dtype=torch.bool)[[gone]]
        without = reader.task(QUESTION, others, ANSWER, **options)
        assert ablator.prompts.ids(masks[0].tolist()) == without.ids[: without.prompt_length]
        assert without.ids[without.prompt_length :] == task.ids[task.prompt_length :]
        found = ablator.ablate(masks)
        expected = log_probabilities_by_hand(reader.model, without.ids, without.prompt_length)
        check_close(found.token_log_probabilities[0], expected)
        whole = ablator.ablate(torch.ones(1, len(PASSAGES)))
        assert (found.token_logits - whole.token_logits).abs().max() > 1e-4


@pytest.mark.parametrize("unit", ["sentence", "word"])
def test_a_shorter_passage_was_never_longer(golden_reader, unit):
    passages = ["Zandor lies on the Mol. It is old. It was founded in 1203.", "The Mol is long."]
    pieces = {"sentence": (1, "Zandor lies on the Mol. It was founded in 1203."),
              "word": (4, "Zandor lies on the It is old. It was founded in 1203.")}  # fmt: skip
    source, shorter = pieces[unit]
    _, ablator = removal(golden_reader, passages, source_unit=unit)
    masks = torch.ones(1, len(ablator.prompts.sources))
    masks[0, source] = 0
    without = golden_reader.task(QUESTION, [shorter, passages[1]], ANSWER)
    expected = log_probabilities_by_hand(golden_reader.model, without.ids, without.prompt_length)
    check_close(ablator.ablate(masks).token_log_probabilities[0], expected)


def test_without_any_the_template_stays_and_so_does_the_talk_before(golden_reader):
    task, ablator = removal(golden_reader, history=HISTORY, system="Be brief.")
    nothing = [False] * len(task.sources)
    assert ablator.prompts.documents(nothing) == {}
    ids = ablator.prompts.ids(nothing)
    text = golden_reader.tokenizer.decode(ids)
    assert MULTI_PASSAGE.render(QUESTION, [], [])[0] in text
    for kept in ("Be brief.", "Hello.", "Good day."):
        assert kept in text
    for gone in ("Mol", "Havel", "The"):
        assert gone not in text
    found = ablator.ablate(torch.zeros(1, len(nothing))).token_log_probabilities[0]
    answer = task.ids[task.prompt_length :]
    check_close(found, log_probabilities_by_hand(golden_reader.model, (*ids, *answer), len(ids)))


def test_pruning_by_sentence_leaves_the_same(golden_reader):
    for top_k in (1, 3, 5):
        pruned = golden_reader.prune(QUESTION, PASSAGES, top_k=top_k, unit="sentence")
        sources = pruned.draft.attribution.sources
        places = {
            (index, *span)
            for index, spans in zip(pruned.kept, pruned.spans, strict=True)
            for span in spans
        }
        prompts = prompts_of(PASSAGES, tokenizer=golden_reader.tokenizer)
        assert prompts.sources == sources
        kept = [(s.passage_index, s.start, s.end) in places for s in sources]
        assert tuple(prompts.documents(kept).values()) == pruned.passages
        assert tuple(prompts.documents(kept)) == pruned.kept


# Texts


def test_what_stands_between_neighbours_stays():
    text = "\n One is here.\n\n1. Two is here.  Three is here.\nFour is here. \n"
    prompts = prompts_of([text])
    assert [source.text for source in prompts.sources] == [
        "One is here.", "1. Two is here.", "Three is here.", "Four is here.",
    ]  # fmt: skip
    assert left(prompts, [True] * 4) == {0: text}
    assert left(prompts, [True, True, False, True]) == {
        0: "\n One is here.\n\n1. Two is here.\nFour is here. \n"
    }
    assert left(prompts, [False, True, True, False]) == {0: "1. Two is here.  Three is here."}
    assert left(prompts, [True, False, False, True]) == {0: "\n One is here.\n\nFour is here. \n"}


def test_no_space_comes_where_none_stood():
    prompts = prompts_of(["河很长。河很宽。河很深。"])
    assert left(prompts, [True, False, True]) == {0: "河很长。河很深。"}


def test_titles_go_with_all_of_a_passage_and_not_before():
    passage = Passage("One is here. Two is here.", title="A title")
    prompts = prompts_of([passage, "Three is here."])
    assert prompts.documents([True, False, True])[0] == replace(passage, text="One is here.")
    assert list(prompts.documents([False, False, True])) == [1]


def test_a_passage_without_a_source_stays():
    prompts = prompts_of(["One is here.", "Two is here."])
    alone = replace(prompts, sources=prompts.sources[:1])
    assert left(alone, [False]) == {1: "Two is here."}


@quick
@given(data=st.data(), passages=st.lists(readable_texts, min_size=1, max_size=3))
@pytest.mark.parametrize("unit", UNITS)
def test_exactly_the_removed_characters_are_gone(unit, data, passages):
    prompts = prompts_of(passages, unit)
    count = len(prompts.sources)
    kept = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    found = left(prompts, kept)
    for index, text in enumerate(passages):
        own = list(zip(prompts.sources, kept, strict=True))
        own = [(source, keep) for source, keep in own if source.passage_index == index]
        assert (index in found) == any(keep for _, keep in own)
        if index in found:
            assert squeezed(found[index]) == squeezed(remaining(text, own))
            # White space is the text's own, or one space.
            assert "  " not in found[index] or "  " in text
            assert all(source.text in found[index] for source, keep in own if keep)


def squeezed(text):
    return "".join(text.split())


def remaining(text, sources):
    """Return a text without the removed sources and all that only they held in place."""
    result, last = "", len(sources) - 1
    for index, (source, keep) in enumerate(sources):
        begin = 0 if index == 0 else sources[index - 1][0].end
        if keep and (index == 0 or sources[index - 1][1]):
            result += text[begin : source.start]
        if keep:
            result += source.text + (text[source.end :] if index == last else "")
    return result


@quick
@given(data=st.data(), passages=st.lists(readable_texts, min_size=1, max_size=2))
@pytest.mark.parametrize("kind", KINDS)
def test_tokens_can_be_removed_whatever_the_tokenizer(kind, data, passages):
    prompts = prompts_of(passages, "token", tokenizer_of(kind))
    count = len(prompts.sources)
    kept = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    for index, text in left(prompts, kept).items():
        characters = iter(squeezed(passages[index]))
        assert all(character in characters for character in squeezed(text))  # in their order
        own = [s.passage_index == index for s in prompts.sources]
        if all(keep for keep, here in zip(kept, own, strict=True) if here):
            assert text == passages[index]
    assert prompts.ids([True] * count) == prompts.maker.make(prompts.shown).ids


# Batches


@pytest.mark.parametrize("unit", UNITS)
def test_batches_and_single_prompts_agree(golden, unit):
    reader = Reader(golden.model, golden.tokenizer, ScoreEstimator.uniform(golden.model))
    task, whole = removal(reader, source_unit=unit)
    _, single = removal(reader, source_unit=unit, byte_limit=1)
    masks = random_masks(7, len(task.sources), seed=1)
    check_close(whole.ablate(masks).token_logits, single.ablate(masks).token_logits)


@pytest.mark.parametrize("name", WORKING)
def test_padding_changes_nothing_on_any_architecture(name):
    generator = torch.Generator().manual_seed(1)
    draws = [torch.randint(3, 128, (n,), generator=generator).tolist() for n in (30, 21, 9, 11)]
    *prompts, answer = draws
    model = build(name)
    with torch.inference_mode():
        batch = logits_behind(model, prompts, answer)
    log_p = -torch.nn.functional.softplus(-batch)
    for row, prompt in zip(log_p, prompts, strict=True):
        check_close(row, log_probabilities_by_hand(model, [*prompt, *answer], len(prompt)))
    assert (log_p[0] - log_p[1]).abs().max() > 1e-3


def test_permuted_masks_give_permuted_effects_and_equal_ones_run_once(golden_llama, monkeypatch):
    model, _ = load_model(golden_llama.folder / "model")
    reader = Reader(model, golden_llama.tokenizer, ScoreEstimator.uniform(model))
    task, ablator = removal(reader)
    masks = random_masks(6, len(task.sources), seed=2)
    effects = ablator.ablate(masks).token_logits
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    check_close(ablator.ablate(masks[order]).token_logits, effects[order])
    forward, run = model.forward, []

    def counted(input_ids, **options):
        run.append(len(input_ids))
        return forward(input_ids=input_ids, **options)

    counted.__signature__ = inspect.signature(forward)
    monkeypatch.setattr(model, "forward", counted)
    repeated = ablator.ablate(torch.cat([masks, masks[order], masks])).token_logits
    check_close(repeated, torch.cat([effects, effects[order], effects]))
    assert torch.equal(repeated[:6], repeated[12:])
    assert sum(run) == len(masks.unique(dim=0)) == 6


def test_out_of_memory_halves_the_batch(golden_llama, monkeypatch):
    model, _ = load_model(golden_llama.folder / "model")
    reader = Reader(model, golden_llama.tokenizer, ScoreEstimator.uniform(model))
    task, ablator = removal(reader)
    masks = random_masks(9, len(task.sources), seed=3)
    expected = ablator.ablate(masks).token_logits
    forward, sizes = model.forward, []

    def limited(input_ids, **options):
        sizes.append(len(input_ids))
        if len(input_ids) > 2:
            raise torch.OutOfMemoryError("no room")
        return forward(input_ids=input_ids, **options)

    limited.__signature__ = inspect.signature(forward)
    monkeypatch.setattr(model, "forward", limited)
    check_close(ablator.ablate(masks).token_logits, expected)
    assert max(sizes) > 2 >= sizes[-1]


def test_no_masks_and_unusable_masks(golden_reader):
    task, ablator = removal(golden_reader)
    count = len(task.sources)
    assert ablator.ablate(torch.ones(0, count)).token_logits.shape == (
        0, len(task.ids) - task.prompt_length,
    )  # fmt: skip
    with pytest.raises(InputError, match=rf"masks have the shape \(2, {count + 1}\); expected"):
        ablator.ablate(torch.ones(2, count + 1))
