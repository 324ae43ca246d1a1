"""Pruning: what is kept, verbatim and in order, and what was saved."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.invariants import Unchanged, check_answer
from support.zandor import PASSAGES, QUESTION

from at2_rag import InputError
from at2_rag.answer.pruning import PruneRule
from at2_rag.documents.sentences import sentence_spans
from at2_rag.spans import joined


def test_whole_passages(golden_reader):
    with Unchanged(PASSAGES):
        pruned = golden_reader.prune(QUESTION, PASSAGES, top_k=2)
    check_answer(pruned.draft, PASSAGES)
    best = sorted(index for index, _ in pruned.draft.used_passages[:2])
    assert list(pruned.kept) == best
    assert pruned.passages == tuple(pruned.draft.passages[i] for i in best)
    ranked = dict(pruned.draft.used_passages)
    assert pruned.scores == tuple(ranked[i] for i in pruned.kept)
    assert pruned.saved.passages == (4, 2)
    before, after = pruned.saved.tokens
    assert before == pruned.draft.prompt_tokens
    assert after == golden_reader.answer(QUESTION, list(pruned.passages)).prompt_tokens


def test_keeping_all_saves_nothing(golden_reader):
    for rule in ({"top_k": 4}, {"top_k": 5}, {"top_k": 50, "unit": "sentence"}):
        pruned = golden_reader.prune(QUESTION, PASSAGES, **rule)
        assert pruned.kept == (0, 1, 2, 3)
        saved = pruned.saved
        assert saved.passages == (4, 4)
        assert saved.sentences[0] == saved.sentences[1]
        if "unit" not in rule:  # which leaves out white space around the sentences
            assert pruned.passages == pruned.draft.passages
            assert saved.tokens[0] == saved.tokens[1]


@pytest.mark.parametrize("most", [3, 4, 99])
def test_there_is_nothing_to_prune_where_no_more_are_there(golden_reader, most):
    passages = [*PASSAGES[:3], "  \n"]
    once = golden_reader.answer(QUESTION, passages)
    assert once.draft is None
    assert golden_reader.answer(QUESTION, passages, prune_to=most) == once
    *_, streamed = golden_reader.stream(QUESTION, passages, prune_to=most)
    assert streamed.draft is None
    few, many = golden_reader.answer_batch([(QUESTION, passages), (QUESTION, PASSAGES)], prune_to=3)
    assert (few.draft, len(few.kept), len(many.kept)) == (None, 3, 3)
    assert len(many.draft.kept) == 4


def test_sentences_within_passages(golden_reader):
    with Unchanged(PASSAGES):
        pruned = golden_reader.prune(QUESTION, PASSAGES, top_k=3, unit="sentence")
    assert sum(len(spans) for spans in pruned.spans) == 3
    assert pruned.saved.sentences[1] == 3
    for passage, index, spans in zip(pruned.passages, pruned.kept, pruned.spans, strict=True):
        original = pruned.draft.passages[index]
        assert (passage.title, passage.id, passage.url) == (
            original.title, original.id, original.url,
        )  # fmt: skip
        assert set(spans) <= set(sentence_spans(original.text))
        for start, end in spans:
            assert original.text[start:end] in passage.text
    best = [pruned.draft.attribution.sources[i] for i, _ in pruned.draft.used_sources[:3]]
    kept = {
        (i, *span) for i, spans in zip(pruned.kept, pruned.spans, strict=True) for span in spans
    }
    assert kept == {(s.passage_index, s.start, s.end) for s in best}


def test_copies_take_no_places(golden_reader):
    """PASSAGES[3] is PASSAGES[0] without its title."""
    golden_reader = golden_reader.with_options(estimator="average")
    texts = {i: p if isinstance(p, str) else p.text for i, p in enumerate(PASSAGES)}
    for most in (1, 2, 3, 4):
        pruned = golden_reader.prune(QUESTION, PASSAGES, top_k=most)
        assert len({texts[i] for i in pruned.kept}) == min(most, 3)
        assert len(pruned.kept) == most
        assert golden_reader.answer(QUESTION, PASSAGES, prune_to=most).kept == pruned.kept
    shared = golden_reader.prune(QUESTION, PASSAGES, min_share=1e-6)
    assert shared.kept == (0, 1, 2)
    raw, used = dict(shared.draft.ranked_passages), dict(shared.draft.used_passages)
    assert used[0] == pytest.approx(raw[0] + raw[3])
    assert (used[3], sum(used.values())) == (0.0, pytest.approx(sum(raw.values())))
    sentences = golden_reader.prune(QUESTION, PASSAGES, top_k=7, unit="sentence")
    assert 3 not in sentences.kept


@pytest.mark.parametrize(
    "text",
    [
        "| Year | Sales |\n|---|---|\n| 2020 | 45 |\n| 2021 | 50 |\nGrowth was strong.",
        " Total costs\n$1,100\n\n```\nx = 1\n```\nGood. \n",
        "The mill was designed by Ida Noor, and it was finished\nin 1889. It stands.\n",
    ],
)
def test_keeping_all_sentences_gives_back_the_text(golden_reader, text):
    count = len(golden_reader.prune(QUESTION, [text], top_k=1).draft.attribution.sources)
    pruned = golden_reader.prune(QUESTION, [text], top_k=count, unit="sentence")
    assert [passage.text for passage in pruned.passages] == [text]
    assert pruned.saved.tokens[0] == pruned.saved.tokens[1]


def test_lines_stay_lines_where_others_are_gone():
    text = "| a |\n| b |\n| c |\n\nOne. Two. Three."
    places = [(0, 5), (12, 17), (19, 23), (29, 35)]
    assert joined(text, places) == "| a |\n| c |\n\nOne. Three."
    assert joined(text, [(0, 5), (24, 28)]) == "| a |\nTwo."


def test_neighbours_keep_what_stands_between_them(golden_reader):
    passage = "One is here.\n\nTwo is here.  Three is here."
    pruned = golden_reader.prune(QUESTION, [passage], top_k=3, unit="sentence")
    assert pruned.passages[0].text == passage


@given(
    scores=st.dictionaries(st.integers(0, 9), st.floats(-1, 1), min_size=1),
    share=st.floats(0.01, 1.0),
)
@example(scores={0: 5e-324, 1: 5e-324}, share=0.25)
def test_a_share_keeps_exactly_those_that_have_it(scores, share):
    kept = PruneRule(min_share=share).choose(scores)
    total = sum(s for s in scores.values() if s > 0)
    having = sorted(k for k, s in scores.items() if s > 0 and s >= share * total)
    assert kept == having or (not having and len(kept) == 1)
    assert kept == sorted(kept)


@given(
    scores=st.dictionaries(st.integers(0, 9), st.floats(-1, 1), min_size=1), k=st.integers(1, 10)
)
def test_top_k_keeps_the_highest_in_order(scores, k):
    kept = PruneRule(top_k=k).choose(scores)
    assert len(kept) == min(k, len(scores))
    assert kept == sorted(kept)
    left = [scores[key] for key in scores if key not in kept]
    assert not left or max(left) <= min(scores[key] for key in kept)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "top_k is None and min_share is None"),
        ({"top_k": 1, "min_share": 0.1}, "top_k is 1 and min_share is 0.1"),
        ({"top_k": 0}, "top_k is 0; expected a whole number of at least 1"),
        ({"top_k": 1.5}, r"top_k is 1\.5; expected a whole number of at least 1"),
        ({"min_share": 0.0}, r"min_share is 0\.0; expected above 0"),
        ({"min_share": 1.5}, r"min_share is 1\.5"),
        ({"top_k": 1, "unit": "word"}, "unit is 'word'; expected 'passage' or 'sentence'"),
    ],
)
def test_unusable_rules(golden_reader, options, message):
    with pytest.raises(InputError, match=message):
        golden_reader.prune(QUESTION, PASSAGES, **options)
