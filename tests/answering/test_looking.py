"""Passages ranked by what the question looks at, before anything is answered."""

from itertools import islice

import pytest
import torch
from support.architectures import WORKING, build
from support.comparing import check_close, check_same
from support.golden import LLAMA
from support.zandor import PASSAGES, QUESTION
from transformers import AutoModelForCausalLM, DynamicCache

from at2_rag import InputError, LinearEstimator, Passage, PromptTemplate, Reader
from at2_rag.ablation import reuse
from at2_rag.ablation.reuse import Beginning, can_reuse
from at2_rag.answering import looking
from at2_rag.answering.looking import MOST, NO_CONTENT
from at2_rag.estimators import ProbedEstimator
from at2_rag.model.recorded_model import RecordedModel
from at2_rag.worlds import generate_examples

BY = {"rank_by": "question"}


@pytest.fixture(scope="module")
def worlds():
    return list(islice(generate_examples(11, 6, 2), 12))


def looks(tokenizer, text, passages, heads):
    """Return what heads of eager attention pay to each text from the tokens behind them all.

    Args:
        heads: (layers, heads): what each counts for.
    """
    model = AutoModelForCausalLM.from_pretrained(LLAMA / "model", attn_implementation="eager")
    encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    offsets, ids = encoded["offset_mapping"], torch.tensor([encoded["input_ids"]])
    with torch.inference_mode():
        attention = torch.stack(model(input_ids=ids, output_attentions=True).attentions)
    ranges = []
    for title, body in passages:
        start = text.index(title)
        end = text.index(body, start) + len(body)
        inside = [i for i, (a, b) in enumerate(offsets) if a < end and b > start]
        ranges.append((inside[0], inside[-1] + 1))
    rows = attention[:, 0, :, ranges[-1][1] :].double()
    rows = (rows * heads.double()[..., None, None]).sum(dim=(0, 1))
    found = []
    for a, b in ranges:
        most = sorted(rows[:, a:b].sum(dim=1).tolist())[-MOST:]
        found.append(sum(most) / len(most) / (b - a))
    return torch.tensor(found)


def few_heads(shape):
    """Return coefficients of three heads, as probing finds some."""
    coefficients = torch.zeros(shape.layers, shape.heads)
    coefficients[0, 1], coefficients[1, 0], coefficients[-1, -1] = 0.5, 0.3, 0.2
    return coefficients


@pytest.mark.parametrize("probed", [True, False])
def test_scores_are_what_heads_pay_beyond_what_they_pay_for_no_question(golden_llama, probed):
    """Those that probing found, or all of them alike."""
    shape = RecordedModel(golden_llama.model).shape
    estimator, heads = "average", torch.full((shape.layers, shape.heads), 1.0)
    if probed:
        heads = few_heads(shape)
        estimator = ProbedEstimator(heads, equal_tokens=3.0)
    reader = Reader(golden_llama.model, golden_llama.tokenizer, estimator)
    template = PromptTemplate("{passages}\n\nQ: {question}", titled="<{title}> {text}")
    texts = [getattr(passage, "text", passage) for passage in PASSAGES]
    passages = [Passage(text, title=f"Number {i}") for i, text in enumerate(texts)]
    found = dict(reader.rank(QUESTION, passages, prompt=template, system=None, **BY))
    prompt = reader.task(QUESTION, passages, "x", prompt=template)
    text = golden_llama.tokenizer.decode(prompt.ids[: prompt.prompt_length])
    told = [(f"<Number {i}>", p.text) for i, p in enumerate(passages)]
    own = looks(golden_llama.tokenizer, text, told, heads)
    other = looks(golden_llama.tokenizer, text.replace(QUESTION, NO_CONTENT), told, heads)
    expected = (own - other) / own.sum()
    assert expected.abs().max() > 1e-3
    check_close([found[i] for i in range(len(passages))], expected, scale=1.0, steps=4096)


@pytest.mark.parametrize("name", WORKING)
def test_going_on_from_what_is_remembered_is_reading_anew(name):
    model = build(name)
    recorded = RecordedModel(model)
    prompt, said = list(range(3, 23)), list(range(40, 48))
    weightings = LinearEstimator.uniform_of(recorded.shape).weightings
    expected = recorded.read(prompt, said, weightings)
    cache = DynamicCache(config=model.config) if can_reuse(model) else None
    if cache is not None:
        recorded.read(prompt, [*said[:3], 5, 6], weightings, cache)
    known = Beginning.of(cache)
    if known is None:
        pytest.skip(f"what {name} remembers cannot be copied, so it reads anew")
    again = known.copies(1, len(prompt) - 1)
    found = recorded.read(prompt, said, weightings, again)
    check_close(found.tables, expected.tables, steps=256)


def test_without_anything_remembered_scores_are_the_same(demo_reader, worlds, monkeypatch):
    ranked = [demo_reader.rank(w.question, w.passages, **BY) for w in worlds[:2]]
    monkeypatch.setattr(looking, "can_reuse", lambda model: False)
    monkeypatch.setattr(reuse.Beginning, "of", classmethod(lambda cls, cache: None))
    for world, known in zip(worlds, ranked, strict=False):
        found = demo_reader.rank(world.question, world.passages, **BY)
        assert [index for index, _ in found] == [index for index, _ in known]
        check_close([s for _, s in found], [s for _, s in known], steps=4096)


def test_the_best_come_first_and_copies_count_as_one(demo_reader, worlds):
    world = worlds[0]
    ranked = demo_reader.rank(world.question, world.passages, **BY)
    scores = [score for _, score in ranked]
    assert scores == sorted(scores, reverse=True)
    assert all(-1 < score < 1 for score in scores)
    assert sorted(index for index, _ in ranked) == list(range(len(world.passages)))
    first = world.passages[ranked[0][0]]
    twice = [*world.passages, Passage(first.text, title=first.title)]
    again = demo_reader.rank(world.question, twice, **BY)
    assert again[-1][0] == len(world.passages)


def test_an_answer_from_the_best_is_one_from_them_alone(demo_reader, worlds):
    asked = [(world.question, world.passages) for world in worlds[:3]]
    batch = demo_reader.answer_batch(asked, prune_to=2, **BY)
    for (question, passages), other in zip(asked, batch, strict=True):
        best = sorted(index for index, _ in demo_reader.rank(question, passages, **BY)[:2])
        answer = demo_reader.answer(question, passages, prune_to=2, **BY)
        assert list(answer.kept) == best
        assert (answer.draft, answer.dropped) == (None, ())
        assert set(answer.pruned) == set(range(len(passages))) - set(best)
        alone = demo_reader.answer(question, [passages[i] for i in best])
        assert answer.text == alone.text
        check_same(other.to_dict(), answer.to_dict(), steps=4096)
        *_, streamed = demo_reader.stream(question, passages, prune_to=2, **BY)
        check_same(streamed.to_dict(), answer.to_dict(), steps=4096)
        pruned = demo_reader.prune(question, passages, top_k=2, **BY)
        assert (list(pruned.kept), pruned.draft) == (best, None)
        assert pruned.saved.passages == (len(passages), 2)
        assert pruned.question == question


def test_sentences_are_kept_by_it_too(demo_reader, worlds):
    world = worlds[0]
    pruned = demo_reader.prune(world.question, world.passages, top_k=3, unit="sentence", **BY)
    assert sum(len(spans) for spans in pruned.spans) == 3
    share = demo_reader.prune(world.question, world.passages, min_share=0.2, **BY)
    ranked = dict(demo_reader.rank(world.question, world.passages, **BY))
    total = sum(score for score in ranked.values() if score > 0)
    enough = [i for i, score in ranked.items() if score >= 0.2 * total and score > 0]
    assert list(share.kept) == (sorted(enough) or [max(ranked, key=ranked.get)])


@pytest.mark.parametrize("rank_by", ["draft", "question"])
def test_what_was_shortened_to_be_read_is_kept_whole(short_reader, rank_by):
    long = [Passage("A mill stands here. " * 60, title=f"Number {i}") for i in range(2)]
    long[1] = Passage("The river is wide. " * 60, title="Number 1")
    told = {"on_overflow": "truncate", "rank_by": rank_by}
    assert short_reader.answer("Who?", long, on_overflow="truncate").shortened
    pruned = short_reader.prune("Who?", long, top_k=1, **told)
    assert pruned.passages == (long[pruned.kept[0]],)


def test_where_all_is_kept_nothing_is_looked_at(golden_reader, monkeypatch):
    monkeypatch.setattr(looking, "ranked_by_question", None)
    answer = golden_reader.answer(QUESTION, PASSAGES, prune_to=4, **BY)
    assert answer.pruned == ()


def test_what_does_not_fit_is_dropped_and_not_pruned(short_reader):
    long = Passage("word " * 700, title="Long")
    options = {"on_overflow": "drop", **BY}
    answer = short_reader.answer("Who?", ["One is.", "Two is.", "Three is.", long],
                                 prune_to=2, **options)  # fmt: skip
    assert (answer.dropped, len(answer.kept), len(answer.pruned)) == ((3,), 2, 1)
    assert [i for i, _ in short_reader.rank("Who?", ["One.", long], **options)] == [0]


def test_a_question_that_cannot_look_back_is_refused(golden_reader):
    first = PromptTemplate("Q: {question}\n\n{passages}")
    with pytest.raises(InputError, match="before them or not at all"):
        golden_reader.rank(QUESTION, PASSAGES, prompt=first, **BY)
    with pytest.raises(InputError, match="is 'N/A', which stands for no question"):
        golden_reader.rank(NO_CONTENT, PASSAGES, **BY)


@pytest.mark.parametrize("rank_by", ["draft", "question"])
def test_nothing_is_asked_where_there_is_nothing_to_rank(golden_reader, monkeypatch, rank_by):
    monkeypatch.setattr(golden_reader.model, "forward", None)
    told = {"rank_by": rank_by, "on_empty": "answer"}
    assert golden_reader.rank(QUESTION, [], **told) == []
    assert golden_reader.rank(QUESTION, [" "], **told) == []


def test_ranked_by_a_draft_is_what_the_draft_used(golden_reader):
    answer = golden_reader.answer(QUESTION, PASSAGES)
    assert golden_reader.rank(QUESTION, PASSAGES) == answer.used_passages


def test_there_is_no_other_way_to_rank(golden_reader):
    with pytest.raises(InputError, match="rank_by is 'bm25'; expected 'draft' or 'question'"):
        golden_reader.rank(QUESTION, PASSAGES, rank_by="bm25")
