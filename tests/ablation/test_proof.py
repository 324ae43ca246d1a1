"""Proven citations against ablations made by hand."""

import json
import math
from itertools import chain, islice

import pytest
import torch
from support.comparing import check_close, check_same
from transformers import MistralConfig, MistralForCausalLM

from at2_rag import Answer, InputError, Passage, Reader, ScoreEstimator, Settings, ThinkingMarkers
from at2_rag.ablation.proof import EFFECT, Proof
from at2_rag.methods import KnockoutMethod, LeaveOneOutMethod
from at2_rag.worlds import generate_examples

MANY = 99


@pytest.fixture(scope="module")
def worlds():
    return list(islice(generate_examples(11, 4, 2), 3))


@pytest.fixture(scope="module")
def thinker():
    """The demo reader, whose steps are its thoughts and whose short answer is its response."""
    return Reader.demo(max_new_tokens=64, thinking=ThinkingMarkers("", " Final answer: "))


def places_of(task):
    return [(s.passage_index, s.start, s.end) for s in task.answer.attribution.sources]


def drops_by_hand(task, groups):
    """Return (targets, groups): what leaving out each group of sources does."""
    masks = torch.ones(1 + len(groups), len(task.sources)).bool()
    for row, group in enumerate(groups, start=1):
        masks[row, group] = False
    effects = task.ablator().ablate(masks)
    log_p = torch.stack([effects.log_probability(*target) for target in task.targets])
    return log_p[:, :1] - log_p[:, 1:], float(log_p.abs().max())


def saying_the_same(answer):
    """Return for each source the indices of all that say the same."""
    words = [" ".join(source.text.split()).casefold() for source in answer.attribution.sources]
    return [[i for i, other in enumerate(words) if other == word] for word in words]


def own(statement):
    return [c for c in statement.citations if not c.inherited]


def test_everything_that_matters_is_cited_and_nothing_else(demo_reader, worlds):
    """With so many tries that every source is left out, as leaving each out by hand says."""
    cited = 0
    for example in worlds:
        options = {"transitive": False, "max_citations": MANY}
        answer = demo_reader.answer(example.question, example.passages, prove=MANY, **options)
        task = demo_reader.task(example.question, example.passages, answer.text, **options)
        places = places_of(task)
        alone, scale = drops_by_hand(task, [[index] for index in range(len(places))])
        scores = answer.attribution
        for statement, drops in zip(answer.statements, alone, strict=True):
            effects = {c.place: c.effect for c in statement.citations}
            expected = [drops[places.index(place)] for place in effects]
            check_close(list(effects.values()), torch.tensor(expected), scale=scale)
            assert list(effects.values()) == sorted(effects.values(), reverse=True)
            found = scores.for_span(statement.start, statement.end)
            judged = zip(places, drops, found, strict=True)
            real = {place for place, drop, score in judged if drop >= EFFECT and score > 0}
            if real:
                assert set(effects) == real
            assert len(effects) <= max(1, len(real))
            assert bool(statement.supported) >= bool(real)
            cited += len(effects)
    assert cited >= 4


def test_a_few_tries_take_the_best_scored(demo_reader, worlds):
    for example in worlds:
        options = {"transitive": False, "max_citations": MANY}
        every = demo_reader.answer(example.question, example.passages, prove=MANY, **options)
        few = demo_reader.answer(example.question, example.passages, prove=2, **options)
        for statement, other in zip(few.statements, every.statements, strict=True):
            scores = few.attribution.for_span(statement.start, statement.end)
            best = {places for places, _ in zip(ranked(few, scores), range(2), strict=False)}
            assert {c.place for c in statement.citations} <= best
            standing = {c.place for c in other.citations if c.effect >= EFFECT}
            if standing & best:
                assert {c.place for c in statement.citations} == standing & best


def ranked(answer, scores):
    sources = answer.attribution.sources
    order = sorted(range(len(sources)), key=lambda index: -float(scores[index]))
    return [(sources[i].passage_index, sources[i].start, sources[i].end) for i in order]


def test_texts_that_say_the_same_are_left_out_together_and_cited_once(demo_reader, worlds):
    """Each alone is not missed, since the other says it too."""
    [example] = worlds[:1]
    single = demo_reader.answer(example.question, example.passages, prove=3, transitive=False)
    kept = [c for s in single.statements for c in s.citations if c.effect >= EFFECT]
    twins = [Passage(p.text.replace(" ", "  "), title=p.title) for p in example.passages]
    passages = [*example.passages, *twins]
    options = {"transitive": False, "max_citations": MANY}
    answer = demo_reader.attribute(example.question, passages, single.text, prove=MANY, **options)
    task = demo_reader.task(example.question, passages, single.text, **options)
    places = places_of(task)
    drops, scale = drops_by_hand(task, saying_the_same(answer))
    found = 0
    for statement, fallen in zip(answer.statements, drops, strict=True):
        said = [" ".join(c.text.split()) for c in statement.citations]
        assert len(set(said)) == len(said)
        for citation in statement.citations:
            check_close(citation.effect, fallen[places.index(citation.place)], scale=scale)
            found += citation.effect >= EFFECT
    assert kept
    assert found


def test_what_hides_each_other_is_supported_and_cites_what_does_most(demo_reader, worlds):
    """Of two sentences that say the same in other words, either hides the other."""
    seen = 0
    for example in worlds:
        passages = [*example.passages, *other_words(example.passages)]
        answer = demo_reader.answer(example.question, passages, prove=6, transitive=False)
        for statement in answer.statements:
            effects = [c.effect for c in statement.citations]
            assert statement.supported or not effects
            if not effects or max(effects) >= EFFECT:
                continue
            scores = answer.attribution.for_span(statement.start, statement.end)
            task = demo_reader.task(example.question, passages, answer.text)
            same, places = saying_the_same(answer), places_of(task)
            best = [same[places.index(place)] for place in ranked(answer, scores)]
            positive = [group for group in best if max(scores[group]) > 0]
            tried = list(map(list, dict.fromkeys(map(tuple, positive))))[:6]
            drops, scale = drops_by_hand(task, [*tried, [*chain(*tried)]])
            *alone, together = drops[answer.statements.index(statement)].tolist()
            assert together - sum(max(0.0, drop) for drop in alone) >= EFFECT - 1e-3 * scale
            check_close(effects, [max(alone)], scale=scale)
            seen += 1
    assert seen


def other_words(passages):
    return [Passage(f"It is known that {p.text}", title=p.title) for p in passages]


def test_inherited_citations_are_left_out_with_what_repeats_them(demo_reader, worlds):
    found = 0
    for example in worlds:
        answer = demo_reader.answer(example.question, example.passages, prove=4)
        by_scores = demo_reader.answer(example.question, example.passages)
        again = demo_reader.verify(by_scores)
        for target, statement in enumerate(answer.statements):
            drops = {
                c.place: evidence.drop
                for c, evidence in zip(
                    by_scores.statements[target].citations, again.statements[target].alone,
                    strict=True,
                )
            }  # fmt: skip
            for citation in statement.citations:
                if citation.inherited:
                    source = answer.statements[citation.via].citations
                    assert citation.place in {c.place for c in source}
                    check_close(citation.effect, drops[citation.place], steps=4096)
                    assert citation.effect >= EFFECT
                    found += 1
    assert found


def test_thoughts_stay_as_they_are(thinker, worlds):
    inherited = 0
    for example in worlds:
        answer = thinker.answer(example.question, example.passages, prove=3)
        plain = thinker.answer(example.question, example.passages)
        assert answer.thoughts.text == plain.thoughts.text
        for proven, scored in zip(
            answer.thoughts.statements, plain.thoughts.statements, strict=True
        ):
            assert [c.place for c in proven.citations] == [c.place for c in scored.citations]
            assert all(c.effect is None for c in proven.citations)
        for proven, scored in zip(answer.statements, plain.statements, strict=True):
            kinds = [c.kind for c in proven.citations]
            assert kinds == sorted(kinds)  # those of thoughts last
            assert all((c.effect is None) == (c.kind == "thought") for c in proven.citations)
            assert [c.place for c in proven.citations if c.kind == "thought"] == [
                c.place for c in scored.citations if c.kind == "thought"
            ]
        inherited += sum(c.via_thought is not None for c in answer.citations)
    assert inherited


@pytest.mark.parametrize("options", [{}, {"estimator": "average"}, {"method": LeaveOneOutMethod()}])
def test_support_is_known_with_whatever_scores(demo_reader, worlds, options):
    reader = demo_reader.with_options(**options)
    for example in worlds:
        answer = reader.answer(example.question, example.passages, prove=4)
        assert all(type(statement.supported) is bool for statement in answer.statements)
        assert any(statement.supported for statement in answer.statements)
        again = Answer.from_dict(json.loads(json.dumps(answer.to_dict())))
        assert again == answer
        assert again.settings.prove == 4


def test_every_way_to_an_answer_proves_it(demo_reader, worlds):
    asked = [(example.question, example.passages) for example in worlds]
    for options in ({}, {"prune_to": 2}):
        alone = [demo_reader.answer(*each, prove=3, **options) for each in asked]
        batch = demo_reader.answer_batch(asked, prove=3, **options)
        for one, other in zip(batch, alone, strict=True):
            check_same(one.to_dict(), other.to_dict(), steps=4096)
    given = demo_reader.attribute(*asked[0], alone[0].text, prove=3)
    own_reader = demo_reader.with_options(prove=3)
    check_same(own_reader.attribute(*asked[0], alone[0].text).to_dict(), given.to_dict())
    assert any(c.effect is not None for c in given.citations)


def test_knockout_proves_with_what_knockout_finds_for_less(demo_reader, worlds):
    """Effects are those of the method, what is cited mostly that of leaving out."""
    cited = []
    for example in worlds:
        options = {"transitive": False, "prove": MANY, "max_citations": MANY}
        task = demo_reader.task(example.question, example.passages, **options)
        settings = Settings(**options, prove_by="knockout")
        found = Proof.of(task, settings).run(None)
        assert found.passes < Proof.of(task, Settings(**options)).run(None).passes
        drops, places = KnockoutMethod().scores(task), places_of(task)
        for statement, row in zip(found.answer.statements, drops, strict=True):
            effects = [c.effect for c in statement.citations]
            expected = row[[places.index(c.place) for c in statement.citations]]
            check_close(effects, expected, scale=float(drops.abs().max()))
            cited += effects
    assert cited


def test_where_nothing_can_be_hidden_from_a_part_it_is_hidden_from_all(golden_llama):
    """A sliding window has let go of what would be gone on from."""
    torch.manual_seed(0)
    model = MistralForCausalLM(
        MistralConfig(
            vocab_size=768, hidden_size=32, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, sliding_window=16,
        )
    ).eval()  # fmt: skip
    reader = Reader(model, golden_llama.tokenizer, ScoreEstimator.uniform(model))
    passages = ["The mill was built by Anna Reed. It has two wheels."] * 2
    asked = "Who built the mill?", passages, "Anna Reed built it."
    proven, by_knockout = (
        reader.attribute(*asked, prove=2, prove_by=by) for by in ("attention", "knockout")
    )
    assert by_knockout.statements == proven.statements
    assert reader.attribute(*asked, groundedness=True).statements[0].ungrounded is not None


def test_a_draft_is_not_proven(demo_reader, worlds):
    [example] = worlds[:1]
    answer = demo_reader.answer(example.question, example.passages, prove=3, prune_to=2)
    assert any(c.effect is not None for c in answer.citations)
    assert all(c.effect is None for c in answer.draft.citations)
    pruned = demo_reader.prune(example.question, example.passages, top_k=2, prove=3)
    assert all(c.effect is None for c in pruned.draft.citations)


def test_what_it_takes_is_told(demo_reader, worlds):
    [example] = worlds[:1]
    by_tries = []
    for tries in (1, 3):
        kept, anew = (
            demo_reader.task(example.question, example.passages, **options)
            for options in ({"prove": tries, "transitive": False}, {"transitive": False})
        )
        settings = Settings(prove=tries, transitive=False)
        known, unknown = (Proof.of(task, settings).run(None) for task in (kept, anew))
        check_same(known.answer.to_dict()["statements"], unknown.answer.to_dict()["statements"])
        assert 0 < known.passes < unknown.passes
        by_tries.append(known.passes)
    assert by_tries == sorted(by_tries)
    nothing = Settings(prove=3, min_score=1e9, transitive=False)
    assert Proof.of(anew, nothing).run(None).passes == 0


def test_without_sources_worth_a_try_nothing_is_supported(demo_reader, worlds):
    [example] = worlds[:1]
    answer = demo_reader.answer(
        example.question, example.passages, prove=3, min_score=1e9, transitive=False
    )
    assert all(s.citations == () and s.supported is False for s in answer.statements)


def test_printed_references_tell_the_effect(demo_reader, worlds):
    [example] = worlds[:1]
    answer = demo_reader.answer(example.question, example.passages, prove=3)
    assert str(answer).count("times less likely without it") == len(
        [c for c in answer.citations if c.effect > math.log(1.05)]
    )
    assert "likely" not in answer.references
    assert "likely" not in str(demo_reader.answer(example.question, example.passages))


@pytest.mark.parametrize("value", [0, -1, 1.5, "3"])
def test_how_many_tries_is_a_whole_number(value):
    with pytest.raises(InputError, match=r"prove is .*; expected a whole number of at least 1"):
        Settings(prove=value)


def test_it_needs_no_estimator_of_its_own(golden_llama):
    """A model that writes nonsense, by average attention."""
    estimator = ScoreEstimator.uniform(golden_llama.model)
    reader = Reader(golden_llama.model, golden_llama.tokenizer, estimator, max_new_tokens=12)
    answer = reader.answer("Who?", ["Ann is here. Bob is there."], prove=2)
    for statement in answer.statements:
        assert all(c.effect is not None for c in own(statement))
        assert statement.supported or not statement.citations
