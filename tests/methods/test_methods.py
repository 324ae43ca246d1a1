"""Every method against something it can be computed from in another way."""

import math
import sys
from dataclasses import replace

import pytest
import torch
from support.architectures import build
from support.comparing import check_close
from support.golden import golden_task
from support.made_up_methods import Fixed, linear_task, random_task

from at2_rag import (
    EstimatorMismatchError,
    InputError,
    LinearEstimator,
    NumericalError,
    Reader,
    ScoreEstimator,
)
from at2_rag.ablation.masking import Ablator, random_masks
from at2_rag.ablation.task import AttributionTask
from at2_rag.methods import (
    METHOD_NAMES,
    AttentionMethod,
    BlendMethod,
    GradientMethod,
    LeaveOneOutMethod,
    RandomMethod,
    SurrogateMethod,
    WordOverlapMethod,
    answer_by,
    attribution_by,
    method_by_name,
)
from at2_rag.methods.base import checked_scores, task_seed
from at2_rag.methods.surrogate import fit_surrogate
from at2_rag.prompt.settings import Settings
from at2_rag.worlds import generate_examples

ALL = ("average-attention", "gradient", "esm-8", "leave-one-out", "random")


@pytest.fixture(scope="module")
def task(golden_llama):
    """10 sentences of 4 passages, and 3 statements."""
    return golden_task(golden_llama, golden_llama.cases[3])


@pytest.fixture(scope="module")
def world_task(demo_reader):
    example = next(generate_examples(11, 4, hops=1))
    return demo_reader.task(example.question, example.passages, example.answer)


# Attention


def test_at2_agrees_with_the_published_scores(golden):
    method = AttentionMethod(ScoreEstimator.load(golden.folder / "score_estimator.pt"))
    assert method.name == "at2"
    for case in golden.cases:
        scores = method.scores(golden_task(golden, case))
        expected = torch.tensor(case["scores_by_sentence"])
        torch.testing.assert_close(scores, expected, rtol=0, atol=1e-5)


def test_average_attention_is_the_mean_over_layers_and_heads(golden_llama, task):
    method = AttentionMethod()
    assert method.name == "average-attention"
    scores = method.scores(task)
    eager = type(golden_llama.model).from_pretrained(
        golden_llama.folder / "model", dtype=torch.float32, attn_implementation="eager"
    )
    with torch.no_grad():
        weights = eager(torch.tensor([task.ids]), output_attentions=True).attentions
    mean = torch.stack(weights)[:, 0].mean(dim=(0, 1))[task.first_row : -1]
    for row, (start, end) in zip(scores, task.targets, strict=True):
        expected = [mean[start:end, a:b].sum(dim=1).mean() for a, b in task.sources]
        torch.testing.assert_close(row, torch.stack(expected), rtol=0, atol=1e-5)
    uniform = AttentionMethod(ScoreEstimator.uniform(golden_llama.model))
    assert uniform.name == "average-attention"
    assert torch.equal(uniform.scores(task), scores)


def test_an_estimator_for_another_model_is_refused(task):
    with pytest.raises(EstimatorMismatchError, match="2 layers of 4 heads"):
        AttentionMethod(LinearEstimator(torch.ones(2, 4))).scores(task)


# Gradient


@pytest.mark.parametrize("architecture", ["gpt2", "phi", "starcoder2"])
def test_gradients_agree_with_finite_differences(architecture):
    """One coordinate of a source's embeddings at a time.

    Models that are double precision throughout; many others normalise in single precision.
    """
    model = build(architecture).double()
    task = random_task(model)
    scores = GradientMethod().scores(task)
    ids = torch.tensor([task.ids])
    step = 1e-5
    with torch.no_grad():
        embeddings = model.get_input_embeddings()(ids)
        positions = range(*task.sources[0])
        hidden = embeddings.shape[-1]
        shifts = torch.zeros(2 * len(positions) * hidden, *embeddings.shape[1:])
        for index, position in enumerate(p for p in positions for _ in range(hidden)):
            shifts[2 * index : 2 * index + 2, position, index % hidden] = torch.tensor(
                [step, -step]
            )
        logits = model(inputs_embeds=embeddings + shifts).logits[:, 15:-1]
        log_p = logits.log_softmax(-1).gather(-1, ids[:, 16:, None].expand(len(shifts), -1, 1))
    for (start, end), score in zip(task.targets, scores[:, 0], strict=True):
        value = log_p[:, start:end].sum(dim=(1, 2))
        norm = ((value[0::2] - value[1::2]) / (2 * step)).abs().sum()
        assert float(score) == pytest.approx(float(norm), rel=1e-4)


def test_gradients_leave_the_model_as_it_was(world_task):
    with torch.inference_mode():
        scores = GradientMethod().scores(world_task)
    assert (scores > 0).all()
    assert all(parameter.grad is None for parameter in world_task.model.parameters())
    assert torch.equal(scores, GradientMethod().scores(world_task))


def test_no_target_leans_on_a_later_one():
    """The gradient of the first target must not change with what comes after it."""
    model = build("llama")
    long = random_task(model)
    short = AttributionTask(model, long.ids[:19], 16, long.sources, long.targets[:1], None)
    check_close(GradientMethod().scores(short)[0], GradientMethod().scores(long)[0])


# Leave-one-out


def test_leave_one_out_is_what_ablating_one_source_does(task):
    scores = LeaveOneOutMethod().scores(task)
    ablator = Ablator(task.model, task.ids, task.prompt_length, task.sources)
    for source in range(len(task.sources)):
        masks = torch.ones(2, len(task.sources))
        masks[1, source] = 0
        effects = ablator.ablate(masks)
        for target, span in enumerate(task.targets):
            whole, without = effects.log_probability(*span).tolist()
            check_close(scores[target, source], whole - without, scale=abs(without))
    assert scores.abs().max() > 1e-2


def test_leave_one_out_is_in_nats():
    """By hand, where probabilities are large enough for log-probabilities to differ from logits."""
    scores = LeaveOneOutMethod().scores(linear_task(torch.tensor([[4.0, 1.0, 0.0]])))

    def log_p(kept):
        return -math.log1p(math.exp(-(kept - 1.0)))

    expected = [log_p(5.0) - log_p(kept) for kept in (1.0, 4.0, 5.0)]
    check_close(scores[0], expected)


# Surrogates


def test_lasso_recovers_a_linear_effect_up_to_its_shrinkage():
    masks = random_masks(256, 6, seed=0)
    truth = torch.tensor([3.0, 0.0, -2.0, 0.0, 0.0, 0.5], dtype=torch.float64)
    weights = fit_surrogate(masks, masks.double() @ truth, tokens=1, regularization=0.01)
    # Standardised columns of ½ ± ½ have scale ½, so λ shrinks a weight by about λ / ½.
    torch.testing.assert_close(weights, truth, rtol=0, atol=0.03)
    assert float(weights[0]) == pytest.approx(3.0 - 0.02, abs=5e-3)
    assert (weights[[1, 3, 4]].abs() < 5e-3).all()


def test_lasso_solves_its_own_equations():
    """At the minimum, each standardised source's correlation with the residual is λ at most."""
    generator = torch.Generator().manual_seed(3)
    masks = random_masks(40, 12, seed=3)
    logits = 5.0 * torch.randn(40, generator=generator, dtype=torch.float64)
    weights = fit_surrogate(masks, logits, tokens=4, regularization=0.05)
    centred = masks.double() - masks.double().mean(dim=0)
    scale = centred.square().mean(dim=0).sqrt()
    residual = (logits - logits.mean() - centred @ weights) / 4
    pull = (centred / scale).T @ residual / 40
    used = weights != 0
    assert used.any()
    torch.testing.assert_close(pull[used], 0.05 * weights[used].sign(), rtol=0, atol=2e-3)
    assert (pull.abs() <= 0.05 + 2e-3).all()


def test_shrinkage_is_per_token_of_the_target():
    masks = random_masks(64, 3, seed=1)
    logits = masks.double() @ torch.tensor([2.0, 1.0, 0.0], dtype=torch.float64)
    one = fit_surrogate(masks, logits, tokens=1, regularization=0.01)
    ten = fit_surrogate(masks, 10 * logits, tokens=10, regularization=0.01)
    torch.testing.assert_close(ten, 10 * one)


def test_sources_never_or_always_kept_get_nothing():
    masks = torch.tensor([[1, 0, 1], [0, 0, 1], [1, 0, 1], [0, 0, 1]])
    weights = fit_surrogate(masks, torch.tensor([4.0, 0.0, 4.0, 0.0]), 1, 0.01)
    assert weights.tolist()[1:] == [0.0, 0.0]
    assert float(weights[0]) > 3.9
    assert not fit_surrogate(masks, torch.full((4,), 2.5), 1, 0.01).any()


def test_surrogates_find_the_weights_of_a_linear_model():
    weights = torch.tensor([[4.0, 0.0, 0.0, 0.0, -2.0], [0.0, 0.0, 3.0, 0.0, 0.0]])
    task = linear_task(weights)
    torch.testing.assert_close(SurrogateMethod(64).scores(task), weights, rtol=0, atol=0.05)
    # Leave-one-out sees drops in log-probability, so the order is the same and the scale is not.
    drops = LeaveOneOutMethod().scores(task)
    assert drops.argmax(dim=1).tolist() == [0, 2]
    assert drops.argmin(dim=1)[0] == 4


def test_surrogate_and_leave_one_out_agree_on_what_a_trained_model_needs(world_task):
    """Of the world's statement, which only one sentence of the passages states."""
    surrogate, alone = (
        SurrogateMethod(48).scores(world_task),
        LeaveOneOutMethod().scores(world_task),
    )
    assert int(surrogate[0].argmax()) == int(alone[0].argmax())
    assert float(alone[0].max()) > 1.0


def test_surrogates_follow_their_seed(task):
    scores = SurrogateMethod(8).scores(task)
    assert torch.equal(scores, SurrogateMethod(8).scores(task))
    assert not torch.equal(scores, SurrogateMethod(8, seed=1).scores(task))


def test_without_scikit_learn_nothing_is_ablated(task, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    monkeypatch.setattr(AttributionTask, "ablator", lambda self: pytest.fail("ablated"))
    with pytest.raises(ImportError, match=r'pip install "at2-rag\[training\]"'):
        SurrogateMethod(8).scores(task)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_ablations": 1}, "num_ablations is 1; expected at least 2"),
        ({"regularization": 0.0}, "regularization is 0.0; expected more than 0"),
    ],
)
def test_unusable_options(options, message):
    with pytest.raises(InputError, match=message):
        SurrogateMethod(**options)


# Random


def test_random_scores_follow_seed_and_task(task, world_task):
    scores = RandomMethod().scores(task)
    assert torch.equal(scores, RandomMethod().scores(task))
    assert not torch.equal(scores, RandomMethod(1).scores(task))
    other = replace(task, sources=task.sources[::-1])
    assert not torch.equal(scores, RandomMethod().scores(other))
    many = linear_task(torch.zeros(100, 100))
    assert abs(float(RandomMethod().scores(many).mean())) < 0.05


def test_purposes_never_share_a_seed(task):
    seeds = {task_seed(purpose, s, task) for purpose in ("surrogate", "evaluation") for s in (0, 1)}
    assert len(seeds) == 4
    assert task_seed("x", 0, linear_task(torch.zeros(1, 2))) == 2356334137558972543


# Words


def test_overlap_is_of_the_words_that_tell(world_task):
    scores = WordOverlapMethod().scores(world_task)
    assert scores.shape == (len(world_task.targets), len(world_task.sources))
    assert bool((scores >= 0).all())
    sources = world_task.answer.attribution.sources
    for statement, row in zip(world_task.answer.statements, scores, strict=True):
        said = set(statement.text.strip(".").split())
        shared = [len(said & set(source.text.strip(".").split())) for source in sources]
        assert shared[int(row.argmax())] >= 2
    asked = WordOverlapMethod(with_question=True).scores(world_task)
    assert bool((asked >= scores).all())
    assert not torch.equal(asked, scores)


# Blends


def test_a_blend_is_the_mean_of_shares(world_task, demo_reader):
    parts = AttentionMethod(demo_reader.estimator), WordOverlapMethod()
    blend = method_by_name("at2+bm25", demo_reader.estimator)
    assert (blend.name, blend.forward_passes(world_task)) == ("at2+bm25", 1)
    shares = []
    for part in parts:
        found = part.scores(world_task).clamp(min=0)
        shares.append(found / found.sum(dim=1, keepdim=True))
    check_close(blend.scores(world_task), (shares[0] + shares[1]) / 2)


def test_a_part_that_finds_nothing_adds_nothing(task):
    class Nothing(RandomMethod):
        def scores(self, task):
            return -torch.ones(len(task.targets), len(task.sources))

    scores = BlendMethod((AttentionMethod(), Nothing())).scores(task)
    check_close(scores.sum(dim=1), torch.full((3,), 0.5))


def test_a_blend_needs_parts():
    with pytest.raises(InputError, match="was given 1 methods; expected at least two"):
        BlendMethod((RandomMethod(),))
    with pytest.raises(InputError, match="no method ''"):
        method_by_name("bm25+")


# All of them


def test_names_lead_back_to_methods(golden_llama):
    estimator = ScoreEstimator.load(golden_llama.folder)
    for name in METHOD_NAMES:
        if not name.endswith("-N"):
            assert method_by_name(name, estimator).name == name
    method = method_by_name("knockout-3")
    assert (method.name, method.best) == ("knockout-3", 3)
    for count in (32, 64, 128, 256):
        method = method_by_name(f"esm-{count}", seed=5)
        assert (method.name, method.num_ablations, method.seed) == (f"esm-{count}", count, 5)
        assert method.regularization == 0.01


def test_unknown_names_are_told_what_there_is(golden_llama):
    with pytest.raises(
        InputError, match="no method 'lime'; expected one of at2, average-attention,"
    ):
        method_by_name("lime")
    with pytest.raises(InputError, match="no method 'esm-'"):
        method_by_name("esm-")
    with pytest.raises(InputError, match=r"at2 was given none .* use average-attention"):
        method_by_name("at2")
    with pytest.raises(InputError, match="at2 was given a uniform one"):
        method_by_name("at2", ScoreEstimator.uniform(golden_llama.model))


def test_costs_in_forward_passes(task):
    costs = {name: method_by_name(name).forward_passes(task) for name in ALL}
    assert (len(task.targets), len(task.sources)) == (3, 10)
    assert costs == {
        "average-attention": 1, "gradient": 4, "esm-8": 8, "leave-one-out": 11, "random": 0,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["average-attention", "gradient", "leave-one-out"])
def test_permuted_sources_have_permuted_scores(task, name):
    """What a source is given depends on it, not on its place in the list."""
    order = torch.randperm(len(task.sources), generator=torch.Generator().manual_seed(0))
    permuted = replace(task, sources=tuple(task.sources[i] for i in order.tolist()))
    method = method_by_name(name)
    check_close(method.scores(permuted), method.scores(task)[:, order])


@pytest.mark.parametrize("name", ALL)
def test_an_answer_without_statements_has_no_scores(task, name):
    empty = replace(task, targets=())
    assert method_by_name(name).scores(empty).shape == (0, len(task.sources))


def test_unsound_scores_are_refused(task):
    with pytest.raises(InputError, match=r"fixed returned scores of shape \(1, 2\); expected"):
        checked_scores(Fixed(torch.zeros(1, 2)), task)
    with pytest.raises(NumericalError, match="fixed returned NaN"):
        checked_scores(Fixed(torch.full((3, 10), float("nan"))), task)


# Citations from any method


@pytest.mark.parametrize("name", ALL)
def test_a_statements_scores_are_the_methods(world_task, name):
    method = method_by_name(name)
    attribution = attribution_by(method, world_task)
    scores = method.scores(world_task)
    for statement, expected in zip(world_task.answer.statements, scores, strict=True):
        found = attribution.for_span(statement.start, statement.end)
        check_close(found, expected)
        owners = torch.tensor([s.passage_index for s in attribution.sources])
        by_passage = attribution.by_passage((statement.start, statement.end))
        sums = [expected[owners == passage].sum() for passage in range(len(by_passage))]
        check_close(by_passage, torch.stack(sums), scale=float(expected.abs().sum()))


def test_statements_that_share_a_token_keep_their_scores(task):
    """The second and third target begin on the last token of the one before."""
    ends = [end for _, end in task.targets]
    starts = [0, ends[0] - 1, ends[1] - 1]
    shared = replace(task, targets=tuple(zip(starts, ends, strict=True)))
    scores = torch.randn(3, 10, generator=torch.Generator().manual_seed(2))
    table = attribution_by(Fixed(scores), shared).scores
    for (start, end), expected in zip(shared.targets, scores, strict=True):
        check_close(table[:, start:end].mean(dim=1), expected)


def test_citations_are_the_methods_highest_sources(world_task):
    scores = torch.full((len(world_task.targets), len(world_task.sources)), -1.0)
    scores[0, 2], scores[0, 5], scores[0, 1] = 4.0, 3.0, 1.0
    answer = answer_by(Fixed(scores), world_task, Settings(max_citations=3))
    sources = world_task.answer.attribution.sources
    first, *others = answer.statements
    assert [c.text for c in first.citations] == [sources[2].text, sources[5].text]
    check_close([c.score for c in first.citations], [4.0, 3.0])
    assert all(statement.citations == () for statement in others)
    assert (answer.text, answer.estimator) == (world_task.answer.text, "fixed")
    limited = answer_by(Fixed(scores), world_task, Settings(min_score=3.5))
    assert [c.text for c in limited.statements[0].citations] == [sources[2].text]


def test_the_readers_own_citations_come_from_its_own_method(demo_reader, world_task):
    """Attention as a method gives what the reader gives by itself."""
    again = answer_by(AttentionMethod(demo_reader.estimator), world_task, Settings())
    assert all(s.citations for s in again.statements)
    for statement in world_task.answer.statements:
        span = statement.start, statement.end
        check_close(
            again.attribution.for_span(*span), world_task.answer.attribution.for_span(*span)
        )


def test_nothing_to_score_leaves_zeros(task):
    class Forbidden(Fixed):
        def scores(self, task):
            pytest.fail("scored")

    attribution = attribution_by(Forbidden(None), replace(task, targets=()))
    assert attribution.scores.shape == task.answer.attribution.scores.shape
    assert not attribution.scores.any()
    assert not attribution.passage_scores.any()


def test_a_reader_cites_by_any_method(golden_llama):
    reader = Reader(golden_llama.model, golden_llama.tokenizer, method=LeaveOneOutMethod())
    passages = ["Zandor lies on the Mol. It is old.", "The Mol is a river."]
    answer = reader.attribute("Where is Zandor?", passages, "It lies on the Mol.", max_citations=1)
    task = reader.task("Where is Zandor?", passages, "It lies on the Mol.")
    scores = LeaveOneOutMethod().scores(task)[0]
    span = (answer.statements[0].start, answer.statements[0].end)
    check_close(answer.attribution.for_span(*span), scores)
    assert answer.estimator == "leave-one-out"
    best = task.answer.attribution.sources[int(scores.argmax())]
    if scores.max() > 0:
        assert answer.citations[0].text == best.text
    else:
        assert answer.citations == ()
