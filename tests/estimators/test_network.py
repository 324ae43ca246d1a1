"""Networks over sources: their laws, their files, and that they learn."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.comparing import check_close

from at2_rag import AttentionShape, EstimatorMismatchError, InputError, Reader, ScoreEstimator
from at2_rag.estimators import NetworkEstimator, Regions, SourceNetwork, TokenAttention

SHAPE = AttentionShape(3, 4)


def network(seed=0):
    torch.manual_seed(seed)
    return NetworkEstimator(SourceNetwork(SHAPE, mixtures=4, width=8, rounds=2))


def attention(tokens, keys, seed=0, mixtures=4):
    generator = torch.Generator().manual_seed(seed)
    tables = torch.rand(mixtures, tokens, keys, generator=generator) / keys
    ids = torch.randint(0, 5, (keys + 1,), generator=generator).tolist()
    return TokenAttention(tables, tuple(ids[:keys]), tuple(ids[-tokens:]))


def regions(owners, width=3, statements=()):
    sources = tuple((i * width, (i + 1) * width) for i in range(len(owners)))
    return Regions(sources, tuple(owners), ((0, 0),) * (max(owners) + 1), statements)


@given(st.permutations(range(6)), st.integers(0, 5))
def test_permuted_sources_have_permuted_scores(order, seed):
    owners = [0, 0, 1, 2, 2, 2]
    estimator, seen = network(seed), attention(5, 20, seed)
    whole = regions(owners)
    mixed = Regions(
        tuple(whole.sources[i] for i in order), tuple(owners[i] for i in order), whole.passages, ()
    )
    scores = estimator.scores(seen, whole).sources
    check_close(estimator.scores(seen, mixed).sources, scores[:, order])


def test_what_is_no_source_changes_no_source():
    """Passages and statements are scored beside the sources, which do not see them."""
    estimator, seen = network(), attention(5, 20)
    alone = estimator.scores(seen, Regions(regions([0, 0, 1]).sources, (0, 0, 1), (), ()))
    beside = estimator.scores(seen, regions([0, 0, 1], statements=((15, 17), (17, 20))))
    check_close(beside.sources, alone.sources)
    assert beside.statements.shape == (5, 2)


def test_which_passages_sources_are_of_matters():
    estimator, seen = network(), attention(5, 20)
    one = estimator.scores(seen, regions([0, 0, 1])).sources
    other = estimator.scores(seen, regions([0, 1, 1])).sources
    assert not torch.allclose(one, other)


def test_a_passages_score_is_the_share_of_probability_that_its_sources_bear():
    scores = network().scores(attention(5, 20), regions([0, 2, 2]))
    nats = scores.sources.clamp_min(0)
    check_close(scores.passages[:, 0], 1 - torch.exp(-nats[:, 0]))
    check_close(scores.passages[:, 2], 1 - torch.exp(-nats[:, 1] - nats[:, 2]))
    assert not scores.passages[:, 1].any()


def test_tokens_are_scored_one_by_one():
    """So any span of the answer can be scored, and an answer that is still growing."""
    estimator, seen = network(), attention(6, 20)
    whole = estimator.scores(seen, regions([0, 0, 1])).sources
    for token in range(6):
        row = TokenAttention(seen.tables[:, token : token + 1], seen.keys, seen.answer[token:][:1])
        single = estimator.scores(row, regions([0, 0, 1])).sources
        check_close(single[0], whole[token])


def test_no_answer_and_no_sources_have_no_scores():
    estimator = network()
    empty = TokenAttention(torch.zeros(4, 0, 7), tuple(range(7)), ())
    assert estimator.scores(empty, regions([0, 1])).sources.shape == (0, 2)
    nothing = estimator.scores(attention(3, 9), Regions((), (), ((0, 0),), ()))
    assert nothing.sources.shape == (3, 0)
    assert not nothing.passages.any()


def test_padding_changes_nothing():
    """Training pads; the network must not see it."""
    net = network().network
    plain, copied = torch.rand(2, 4, 3, 5)
    owners, real = torch.tensor([0, 0, 1, 1, 2]), torch.ones(5)
    scores = net(plain, copied, owners, real)
    pad = torch.nn.functional.pad
    padded = net(
        pad(plain, (0, 2)), pad(copied, (0, 2)), pad(owners, (0, 2), value=-1), pad(real, (0, 2))
    )
    check_close(padded[:, :5], scores)


def test_saved_equals_loaded(tmp_path):
    estimator = network(3)
    estimator.save(tmp_path)
    loaded = ScoreEstimator.load(tmp_path, SHAPE)
    seen = attention(5, 20)
    assert loaded.kind == "network"
    weights, expected = loaded.network.state_dict(), estimator.network.state_dict()
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    check_close(
        loaded.scores(seen, regions([0, 1])).sources,
        estimator.scores(seen, regions([0, 1])).sources,
    )
    with pytest.raises(EstimatorMismatchError, match="3 layers of 4 heads"):
        ScoreEstimator.load(tmp_path, AttentionShape(4, 3))


def test_weights_that_are_not_finite_are_refused():
    broken = SourceNetwork(SHAPE)
    broken.score.bias.data.fill_(float("nan"))
    with pytest.raises(InputError, match="weights hold NaN"):
        NetworkEstimator(broken)


def test_generated_equals_read(golden_llama):
    """One network, one answer: recorded step by step, or read in one pass."""
    reader = Reader(golden_llama.model, golden_llama.tokenizer, network())
    passages = ["The mill was built by Ada. It is old.", "Bob lives in Rome."]
    answer = reader.answer("Who built the mill?", passages, max_new_tokens=12)
    read = reader.attribute("Who built the mill?", passages, answer.text)
    if read.answer_tokens == answer.answer_tokens:  # the same ids, so the same scores
        check_close(read.attribution.scores, answer.attribution.scores)
    assert answer.estimator == "network"
