"""Heads one by one: what all add is the score, and the page shows what any looked at."""

import pytest
import torch
from support.browser import barriers, opened
from support.zandor import PASSAGES, QUESTION

from at2_rag import LinearEstimator, Reader, inspect_attention
from at2_rag.errors import InputError
from at2_rag.estimators.probed import ProbedEstimator

SAID = "Zandor lies on the Mol. It was founded in 1203."


@pytest.fixture(scope="module")
def reader(golden_llama):
    shape = inspect_attention(golden_llama.model)
    draw = torch.Generator().manual_seed(3)
    weights = torch.randn(shape.layers, shape.heads, generator=draw)
    return Reader(golden_llama.model, golden_llama.tokenizer, LinearEstimator(weights))


@pytest.fixture(scope="module")
def answer(reader):
    return reader.attribute(QUESTION, PASSAGES, SAID)


@pytest.fixture(scope="module")
def heads(reader, answer):
    return reader.heads(answer)


def test_what_all_heads_add_is_the_score(heads, answer, reader):
    assert torch.equal(heads.weights, reader.estimator.head_weights)
    scored = torch.stack([answer.attribution.for_span(s.start, s.end) for s in answer.statements])
    weighted = torch.einsum("lh,lhts->ts", heads.weights, heads.attention)
    torch.testing.assert_close(weighted, scored, rtol=1e-4, atol=1e-5)
    together = heads.added.sum(dim=(0, 1))
    torch.testing.assert_close(together, scored, rtol=1e-4, atol=1e-5)
    best = scored.max(dim=1).values
    torch.testing.assert_close(heads.contributions.sum(dim=(0, 1)), best, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["copying", "probed"])
def test_where_equal_tokens_count_more_it_is_the_score_as_well(reader, kind):
    coefficients = reader.estimator.head_weights
    draw = torch.Generator().manual_seed(4)
    estimator = (
        LinearEstimator(coefficients, torch.randn(coefficients.shape, generator=draw))
        if kind == "copying"
        else ProbedEstimator(coefficients, equal_tokens=3.0)
    )
    other = reader.with_options(estimator=estimator)
    answer = other.attribute(QUESTION, PASSAGES, SAID)
    scored = torch.stack([answer.attribution.for_span(s.start, s.end) for s in answer.statements])
    heads = other.heads(answer)
    torch.testing.assert_close(heads.added.sum(dim=(0, 1)), scored, rtol=1e-4, atol=1e-5)


def test_a_network_has_heads_too(demo_reader):
    """Whose scores are no sums over heads."""
    answer = demo_reader.attribute(QUESTION, PASSAGES, SAID)
    heads = demo_reader.heads(answer)
    weighted = demo_reader.estimator.head_weights[..., None, None] * heads.attention
    assert torch.equal(heads.added, weighted)
    assert heads.to_html().startswith("<!doctype html>")


def test_average_attention_is_that_of_all_heads(heads, reader, answer):
    plain = reader.with_options(estimator="average").attribute(QUESTION, PASSAGES, SAID)
    scored = torch.stack([plain.attribution.for_span(s.start, s.end) for s in plain.statements])
    torch.testing.assert_close(heads.attention.mean(dim=(0, 1)), scored, rtol=1e-4, atol=1e-6)


def test_heads_that_matter_most_come_first(heads):
    found = heads.top(3, statement=1)
    values = [value for *_, value in found]
    assert values == sorted(values, reverse=True)
    layer, head, value = found[0]
    assert (
        float(heads.contributions[layer, head, 1])
        == value
        == float(heads.contributions[..., 1].max())
    )
    assert heads.top(1)[0][2] == pytest.approx(float(heads.contributions.mean(dim=-1).max()))
    with pytest.raises(InputError, match="k is 0"):
        heads.top(0)
    with pytest.raises(InputError, match="statement is 9"):
        heads.top(1, statement=9)


def test_only_answers_have_heads(reader):
    with pytest.raises(InputError, match="answer is a str"):
        reader.heads("It lies on the Mol.")


def columns(page, index):
    return page.eval_on_selector_all(
        f".method:nth-of-type({index + 1}) [data-s].lit",
        "all => all.map(e => [Number(e.dataset.s), Number(e.style.getPropertyValue('--s'))])",
    )


def test_any_head_is_shown_beside_the_methods(browser, heads, answer, tmp_path):
    other = heads.answer
    html = heads.to_html(beside={"again": other})
    with opened(browser, html, tmp_path) as page:
        names = page.locator(".method h3").all_inner_texts()
        assert names[:3] == ["a linear estimator", "average attention", "again"]
        page.click("#a-1")
        layer, head = 1, 2
        page.click(f".cell[data-l='{layer}'][data-h='{head}']")
        assert page.locator(".method h3").last.inner_text() == "layer 1, head 2"
        row = heads.attention[layer, head, 1]
        for source, share in columns(page, 3):
            assert share == pytest.approx(float(row[source] / row.max()), abs=2e-3)
        scored = answer.attribution.for_span(answer.statements[1].start, answer.statements[1].end)
        for source, share in columns(page, 0):
            assert share == pytest.approx(float(scored[source] / scored.max()), abs=2e-3)
        page.keyboard.press("ArrowRight")
        assert page.locator(".method h3").last.inner_text() == "layer 2, head 2"
        page.keyboard.press("ArrowUp")
        assert page.evaluate("document.activeElement.dataset.h") == "1"
        page.get_by_label("to the estimator").check()
        (most, *_) = page.locator("#top .what").all_inner_texts()
        index = int(heads.weights.argmax())
        assert (
            most
            == f"layer {index // heads.weights.shape[1]}, head {index % heads.weights.shape[1]}"
        )
        assert barriers(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(browser, heads, tmp_path, scheme):
    with opened(browser, heads.to_html(), tmp_path, color_scheme=scheme, width=390) as page:
        assert barriers(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_only_the_same_answer_can_stand_beside(heads, reader):
    wrong = reader.attribute(QUESTION, PASSAGES, "It lies on the Mol.")
    with pytest.raises(InputError, match="'b' has another text"):
        heads.to_html(beside={"b": wrong})
