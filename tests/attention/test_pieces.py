"""Attention to whole pieces, by the fused kernel, against the sum of attention to their tokens."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from support.architectures import WORKING, build
from support.comparing import check_close, check_same
from support.zandor import PASSAGES, QUESTION

from at2_rag import Reader
from at2_rag.attention import pieces as module
from at2_rag.attention.folds import sum_ranges
from at2_rag.attention.masks import BooleanMask, PaddingMask, PositionMask
from at2_rag.attention.pieces import Pieces, piece_attention, suits
from at2_rag.attention.recording import capture_of
from at2_rag.attention.weights import AttentionCall, attention_weights
from at2_rag.estimators import LinearEstimator, ScoreEstimator
from at2_rag.model.recorded_model import RecordedModel

#: What attention to a piece may be off by, beside itself. In float32, some steps of the sum. In
#: bfloat16, the kernel rounds each weight to 8 bits before it adds them up, and the sum again:
#: twice half a step of 2^-7.
RELATIVE = {torch.float32: 64 * 2.0**-23, torch.bfloat16: 2.0**-7}
#: The kernel's exponential is good to so much of the largest weight, which is below 1.
ABSOLUTE = 2.0**-21

PROMPT, ANSWER = 90, 7

#: Its masks are tensors, also where positions alone say what is in sight.
HANDS_OVER_TABLES = transformers.__version__.startswith("4.")


@pytest.fixture(autouse=True)
def whatever_the_processor(monkeypatch):
    """That bfloat16 is slower without tiles says nothing about what comes out."""
    monkeypatch.setattr(module, "has_bfloat16_tiles", lambda: True)
    module.is_faster.cache_clear()
    yield
    module.is_faster.cache_clear()


def made_call(dtype=torch.float32, groups=2, per_group=3, width=16, sinks=False, texts=1):
    generator = torch.Generator().manual_seed(groups + width)
    keys, heads = PROMPT + ANSWER - 1, groups * per_group

    def numbers(*shape):
        return 2 * torch.randn(*shape, generator=generator)

    return AttentionCall(
        numbers(texts, heads, ANSWER, width).to(dtype),
        numbers(texts, groups, keys, width).to(dtype),
        PositionMask(),
        scaling=0.3,
        first_query=PROMPT - 1,
        sinks=numbers(heads) if sinks else None,
    )


def expected(call, text, pieces):
    """Return (heads, rows, pieces and tokens behind them), from the weights of single tokens."""
    rows = slice(0, call.query.shape[2])
    weights = torch.cat([c.weights[text] for c in attention_weights(call, rows)]).clone()
    return torch.cat(
        [sum_ranges(weights, list(pairwise(pieces.edges))), weights[..., pieces.end :]], dim=-1
    )


def found(call, text, pieces, byte_limit=2**25):
    chunks = list(piece_attention(call, text, pieces, byte_limit))
    assert [c.first_row for c in chunks] == sorted({c.first_row for c in chunks})
    return torch.cat([c.weights for c in chunks], dim=1)


def check_sums(call, text, pieces):
    whole = expected(call, text, pieces)
    off = (found(call, text, pieces) - whole).abs()
    assert bool((off <= RELATIVE[call.key.dtype] * whole + ABSOLUTE).all()), float(off.max())


@pytest.mark.parametrize("sinks", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 16), (2, 3, 16), (3, 1, 8), (2, 2, 64), (1, 4, 24)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pieces_get_what_their_tokens_get(dtype, shape, sinks):
    """In one block and in several, whatever the heads share."""
    call = made_call(dtype, *shape, sinks=sinks)
    for ranges in ([], [(5, 40)], [(i, i + 9) for i in range(0, PROMPT, 9)], [(88, 95)]):
        pieces = Pieces.of(ranges, PROMPT)
        assert suits(call, pieces)
        assert pieces.hold(ranges)
        check_sums(call, 0, pieces)


@given(edges=st.lists(st.integers(-3, PROMPT + 20), max_size=60))
def test_any_cut_is_as_good_as_another(edges):
    """Also pieces of a single token, in many blocks; and never is a range lost."""
    ranges = list(pairwise(sorted(edges)))
    pieces = Pieces.of(ranges, PROMPT)
    assert pieces.hold([(max(start, 0), max(end, 0)) for start, end in ranges])
    check_sums(made_call(width=8), 0, pieces)


@pytest.mark.parametrize("limit", [1, 1500, 10**9])
def test_chunks_add_up_to_the_whole(limit):
    call, pieces = made_call(), Pieces.of([(i, i + 10) for i in range(0, PROMPT, 10)], PROMPT)
    chunks = list(piece_attention(call, 0, pieces, limit))
    assert (len(chunks) > 1) == (limit < 10**9)
    check_close(torch.cat([c.weights for c in chunks], dim=1), found(call, 0, pieces))


def test_each_text_of_a_batch_has_its_own_pieces():
    call = made_call(texts=2)
    for text, cut in enumerate([(10, 50), (30, 60)]):
        pieces = Pieces.of([cut], PROMPT - 20 * text)
        alone = replace(call, query=call.query[text : text + 1], key=call.key[text : text + 1])
        assert torch.equal(found(call, text, pieces), found(alone, 0, pieces))
        first = len(found(call, text, pieces)[0])
        check_close(found(call, text, pieces)[:, -first:], expected(call, text, pieces)[:, -first:])


def test_what_hides_a_piece_is_left_to_single_tokens():
    call, pieces = made_call(), Pieces.of([(10, 50)], PROMPT)
    keys = call.key.shape[2]
    table = torch.ones(1, 1, ANSWER, keys, dtype=torch.bool)
    assert suits(call, pieces)
    assert suits(replace(call, mask=PositionMask(window=keys)), pieces)
    for other in (
        replace(call, mask=PositionMask(window=keys - 1)),
        replace(call, mask=PositionMask(causal=False)),
        replace(call, mask=BooleanMask(table)),
        replace(call, mask=PaddingMask(torch.ones(1, keys), PositionMask())),
        replace(call, softcap=30.0),
        replace(call, position_bias=torch.zeros(1, 6, ANSWER, keys)),
        replace(call, first_query=PROMPT),  # so that a cache has let go of a key
        replace(call, query=call.query.half(), key=call.key.half()),
        replace(call, query=call.query.double(), key=call.key.double()),
    ):
        assert not suits(other, pieces)
    assert not suits(call, Pieces.of([(i, i + 1) for i in range(40)], PROMPT))
    assert not suits(call, Pieces.of([], keys + 1))


def test_a_kernel_that_says_something_else_is_not_used(monkeypatch):
    call, pieces = made_call(), Pieces.of([(10, 50)], PROMPT)
    kernel = module.fused
    for other in (
        lambda *given: (kernel(*given)[0] * 1.01, kernel(*given)[1]),
        lambda *given: (kernel(*given)[0], kernel(*given)[1] * 1.01),
        lambda *given: torch.ops.aten.no_such_kernel(*given),
    ):
        module.is_faster.cache_clear()
        monkeypatch.setattr(module, "fused", other)
        assert not suits(call, pieces)


def texts_of(seed, *lengths):
    generator = torch.Generator().manual_seed(seed)
    return [
        tuple(torch.randint(3, 128, (length,), generator=generator).tolist() for length in text)
        for text in lengths
    ]


@pytest.mark.parametrize("name", WORKING)
def test_reading_pieces_agrees_with_reading_tokens(name):
    """Of any architecture, also with windows, sinks and soft caps, and in a batch."""
    model = build(name)
    recorded, shape = RecordedModel(model), capture_of(model).shape
    weightings = torch.rand(2, shape.layers, shape.heads)
    texts = texts_of(1, (60, 5), (41, 9), (70, 1), (20, 0))
    ranges = [[(2, 15), (15, 33), (2, 40)], [(0, 41)], [(30, 31), (40, 66)], [(0, 20)]]
    batch = recorded.read_batch(texts, weightings, ranges=ranges)
    for (prompt, answer), wanted, together in zip(texts, ranges, batch, strict=True):
        tokens = recorded.read(prompt, answer, weightings).over(wanted)
        alone = recorded.read(prompt, answer, weightings, ranges=wanted)
        check_close(alone.over(wanted), tokens, scale=1.0 * shape.layers * shape.heads)
        check_close(together.over(wanted), tokens, scale=1.0 * shape.layers * shape.heads)


def test_a_reading_of_pieces_says_what_it_cannot_say():
    model = build("llama")
    weightings = ScoreEstimator.uniform(model).weightings
    [(prompt, answer)] = texts_of(2, (60, 8))
    seen = RecordedModel(model).read(prompt, answer, weightings, ranges=[(0, 20)])
    assert seen.pieces is not None
    if not HANDS_OVER_TABLES:
        assert not seen.tables[..., 1:20].any()
        assert not seen.tables[..., 21:60].any()
    seen.over([(0, 20), (0, 60), (20, 62), (61, 65)])
    with pytest.raises(ValueError, match="not made of whole"):
        seen.over([(0, 19)])
    with pytest.raises(ValueError, match="expected attention to each by itself"):
        seen.to_same_tokens()


def test_given_answers_are_cited_as_by_single_tokens(golden_llama, monkeypatch):
    """Every score of an answer, of an estimator of each kind, one at a time and together."""
    model, tokenizer = golden_llama.model, golden_llama.tokenizer
    plain = LinearEstimator(torch.rand(3, 4), metadata={})
    used = []
    monkeypatch.setattr(
        "at2_rag.attention.recording.piece_attention",
        lambda *given: used.append(given[2]) or piece_attention(*given),
    )
    for estimator in (plain, replace(plain, copying=torch.rand(3, 4))):
        reader = Reader(model, tokenizer, estimator)
        asked = [(QUESTION, PASSAGES, "Zandor. It is so."), (QUESTION, PASSAGES[:1], "No.")]
        used.clear()
        alone, together = [reader.attribute(*each) for each in asked], reader.attribute_batch(asked)
        assert bool(used) == (estimator is plain and not HANDS_OVER_TABLES)
        with monkeypatch.context() as without:
            without.setattr("at2_rag.attention.recording.suits", lambda *given: False)
            by_token = [reader.attribute(*each) for each in asked]
        for one, other, expected in zip(alone, together, by_token, strict=True):
            check_same(one.to_dict(), expected.to_dict())
            check_same(other.to_dict(), expected.to_dict())
