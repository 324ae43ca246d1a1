"""Answers of models that think first: what they cite, and that nothing of it is off by a token."""

import copy
import json
from itertools import islice

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.comparing import check_close, check_same, what_was_said
from support.golden import load_golden
from support.leaning import CALIBRATION, SOURCES, TEXT
from support.saying import saying
from support.texts import PIECES, tokenizer_of
from tokenizers import AddedToken
from transformers import AutoModelForCausalLM

from at2_rag import (
    Answer,
    InputError,
    LinearEstimator,
    NetworkEstimator,
    Passage,
    Reader,
    ScoreEstimator,
    Statement,
    ThinkingMarkers,
)
from at2_rag.answer.attribution import Attribution
from at2_rag.answer.citing import cite
from at2_rag.answer.thoughts import Thoughts
from at2_rag.answering.streaming import Thinking, Writing
from at2_rag.documents.sentences import sentence_spans
from at2_rag.estimators.network import SourceNetwork
from at2_rag.evaluation import compare
from at2_rag.methods import (
    AttentionMethod,
    GradientMethod,
    LeaveOneOutMethod,
    SurrogateMethod,
    attribution_by,
)
from at2_rag.prompt.settings import Settings
from at2_rag.prompt.thinking_markers import KNOWN_MARKERS, ThoughtFormat
from at2_rag.training import SkipReason, TrainingExample, collect, load_collected, world_examples
from at2_rag.worlds import HELD_OUT_SEED, generate_examples

THINK, FINAL = KNOWN_MARKERS[0], ThinkingMarkers("", " Final answer: ")
QUESTION = "Where is it?"
PASSAGES = [
    Passage("It is on the Mol. It is old.", title="Zandor", id="z"),
    "The Mol is 😀. 日本の文。 It is.",
    Passage("He was born in it.", url="https://h.example"),
    "It is on the Mol.",
]
THOUGHTS = "It is on the Mol 😀. 日本の文。 Is it?"
RESPONSE = "The Mol. It is."


def thinker(name="llama", form="plain", opened=False, markers=THINK, **options):
    """Return a reader that writes what it is told to, with markers of some form."""
    golden = load_golden(name)
    tokenizer, model = golden.tokenizer, golden.model
    if form != "plain":
        own = [markers.begin.strip(), markers.end.strip()]
        special = form == "special"
        tokenizer.add_tokens([AddedToken(t, special=special, normalized=False) for t in own if t])
        torch.manual_seed(0)
        model.resize_token_embeddings(len(tokenizer))
        options["thinking"] = "auto"
    if opened:
        start = "<|assistant|>\n"
        tokenizer.chat_template = tokenizer.chat_template.replace(start, start + markers.begin)
    options = {"thinking": markers, **options}
    estimator = options.pop("estimator", None) or ScoreEstimator.uniform(model)
    return Reader(model, tokenizer, estimator, **options)


#: Markers as special tokens, as ordinary ones, cut in pieces; and a prompt that has begun.
KINDS = {
    "special": {"form": "special"},
    "ordinary": {"form": "ordinary"},
    "plain": {},
    "opened": {"form": "ordinary", "opened": True},
    "no sign": {"markers": FINAL},
}


@pytest.fixture(scope="module", params=KINDS)
def thinking(request):
    return thinker(**KINDS[request.param])


@pytest.fixture(scope="module")
def reader():
    return thinker(form="ordinary")


@pytest.fixture(scope="module")
def demo():
    """The demo reader, whose steps are its thoughts and whose short answer is its response."""
    return Reader.demo(max_new_tokens=64, thinking=FINAL)


def markers_of(reader):
    return THINK if reader.settings.thinking == "auto" else reader.settings.thinking


def is_opened(reader):
    return not markers_of(reader).begin or THINK.begin in reader.tokenizer.chat_template


def written(reader, thoughts=THOUGHTS, response=RESPONSE):
    return ThoughtFormat(markers_of(reader), is_opened(reader)).written(thoughts, response)


def answered(reader, thoughts=THOUGHTS, response=RESPONSE, passages=PASSAGES, **options):
    says = saying(reader, written(reader, thoughts, response))
    return reader.answer(QUESTION, passages, **{**says, **options})


def task_of(reader, thoughts=THOUGHTS, response=RESPONSE, passages=PASSAGES, **options):
    says = saying(reader, written(reader, thoughts, response))
    return reader.task(QUESTION, passages, **{**says, **options})


def decoded(reader, ids):
    return reader.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False).strip()


def check_thoughtful(answer, passages):
    """Assert every invariant of an answer with thoughts."""
    texts = [p if isinstance(p, str) else p.text for p in passages]
    thoughts, last = answer.thoughts, answer.passages[-1]
    assert [p.text for p in answer.passages] == [*texts, thoughts.text]
    assert (last.kind, last.id) == ("thought", "thoughts")
    check_part(answer, answer.text, answer.statements, answer.attribution, len(texts) + 1)
    check_part(answer, thoughts.text, thoughts.statements, thoughts.attribution, len(texts))
    assert [i for i, _ in answer.ranked_passages] == sorted(
        answer.kept, key=lambda i: -dict(answer.ranked_passages)[i]
    )
    assert set(answer.kept) <= set(range(len(texts)))
    used = [c.number for s in (*answer.statements, *thoughts.statements) for c in s.citations]
    assert list(dict.fromkeys(used)) == list(range(1, len(set(used)) + 1))
    assert [c.number for c in answer.citations] == list(range(1, len(answer.citations) + 1))
    assert Answer.from_dict(json.loads(json.dumps(answer.to_dict()))) == answer


def check_part(answer, text, statements, attribution, documents):
    """Assert what holds of a response and of thoughts: they cite only what was before them."""
    assert [s.text for s in statements] == [text[a:b] for a, b in attribution.statements]
    tokens = len(attribution.token_spans)
    assert attribution.scores.shape == (len(attribution.sources), tokens)
    assert attribution.passage_scores.shape == (documents, tokens)
    thoughts = 0 if text == answer.thoughts.text else len(answer.thoughts.statements)
    assert attribution.thought_scores.shape == (thoughts, tokens)
    assert attribution.statement_scores.shape == (len(statements), tokens)
    for source in attribution.sources:
        assert source.passage_index < documents
        passage = answer.passages[source.passage_index]
        assert passage.text[source.start : source.end] == source.text
    for statement in statements:
        assert text[statement.start : statement.end] == statement.text
        for citation in statement.citations:
            assert (citation.start, citation.end) == (statement.start, statement.end)
            assert citation.passage_index < documents
            passage = answer.passages[citation.passage_index]
            assert (citation.kind, citation.title) == (passage.kind, passage.title)
            assert passage.text[citation.source_start : citation.source_end] == citation.text
        for kind in ("passage", "thought"):
            own = [c.score for c in statement.citations if c.kind == kind and not c.inherited]
            assert own == sorted(own, reverse=True)


# What is written is cited


@pytest.mark.parametrize("unit", ["sentence", "passage", "word", "token"])
def test_thoughts_and_response(reader, unit):
    answer = answered(reader, source_unit=unit)
    assert (answer.text, answer.thoughts.text) == (RESPONSE, THOUGHTS)
    assert answer.thoughts.finished
    assert [s.text for s in answer.thoughts.statements] == [
        THOUGHTS[a:b] for a, b in sentence_spans(THOUGHTS)
    ]
    assert len(answer.statements) == 2
    check_thoughtful(answer, PASSAGES)
    kinds = {c.kind for s in answer.statements for c in s.citations}
    assert kinds == {"passage", "thought"} or unit in ("word", "token")
    own = len(saying(reader, written(reader))["logits_processor"][0].ids) - 1
    assert answer.answer_tokens == own  # those of the markers too


@pytest.mark.parametrize("unit", ["sentence", "word", "token"])
def test_tokens_are_those_of_their_texts(thinking, unit):
    task = task_of(thinking, source_unit=unit)
    assert len(task.sources) == len(task.answer.attribution.sources)
    for source, place in zip(task.answer.attribution.sources, task.sources, strict=True):
        found = decoded(thinking, task.ids[slice(*place)])
        assert source.text.strip() in found
        assert len(found) <= len(source.text) + 4  # such as the space or line before a sentence
    for statement, place in zip(task.answer.statements, task.said, strict=True):
        assert decoded(thinking, task.ids[slice(*place)]) == statement.text
    for statement, place in zip(task.answer.thoughts.statements, task.thoughts, strict=True):
        assert decoded(thinking, task.ids[slice(*place)]) == statement.text
    assert decoded(thinking, task.ids[task.prompt_length :]) == RESPONSE
    assert max(end for _, end in task.sources) <= task.prompt_length


def test_recorded_equals_read(thinking):
    recorded, task = answered(thinking), task_of(thinking)
    read = thinking.task(QUESTION, PASSAGES, RESPONSE, thoughts=THOUGHTS)
    assert (read.ids, read.prompt_length) == (task.ids, task.prompt_length)
    assert (read.sources, read.targets, read.thoughts) == (
        task.sources, task.targets, task.thoughts,
    )  # fmt: skip
    whole = thinking.attribute(QUESTION, PASSAGES, written(thinking))
    for answer in (read.answer, whole):
        check_same(what_was_said(answer), what_was_said(recorded))


def test_many_at_a_time_equal_one_by_one(reader):
    says = saying(reader, written(reader))
    asked = [(QUESTION, PASSAGES), ("Who was born?", PASSAGES[1:]), (QUESTION, [])]
    for options in ({}, {"max_new_tokens": 12}):
        together = reader.answer_batch(asked, **{**saying(reader, written(reader)), **options})
        for (question, passages), answer in zip(asked, together, strict=True):
            alone = reader.answer(question, passages, **{**says, **options})
            check_same(what_was_said(answer), what_was_said(alone))
            says = saying(reader, written(reader))


def test_a_model_that_is_cut_off_in_its_thoughts(thinking):
    begun = written(thinking, response="").removesuffix(markers_of(thinking).end)
    length = len(saying(thinking, begun)["logits_processor"][0].ids) - 1
    for tokens in (8, 16, length):
        answer = answered(thinking, max_new_tokens=tokens)
        assert (answer.text, answer.statements, answer.citations) == ("", (), ())
        assert answer.truncated
        assert not answer.thoughts.finished
        assert THOUGHTS.startswith(answer.thoughts.text.rstrip("\ufffd"))  # half a character
        assert answer.thoughts.statements
        assert (answer.marked_text, str(answer)) == ("", "(cut off in its thoughts)")
        check_thoughtful(answer, PASSAGES)
        assert thinking.verify(answer).statements == ()
        task = task_of(thinking, max_new_tokens=tokens)
        assert not task.targets
        assert attribution_by(LeaveOneOutMethod(), task).scores.shape[1] == 0


def test_thoughts_without_a_response(thinking):
    answer = answered(thinking, response="")
    assert (answer.text, answer.thoughts.text) == ("", THOUGHTS)
    assert answer.thoughts.finished
    check_thoughtful(answer, PASSAGES)


@pytest.mark.parametrize("thoughts", ["", "\n\n", " "])
def test_empty_thoughts_are_none(thinking, thoughts):
    text = f"{THINK.begin.strip()}{thoughts}{THINK.end.strip()}\n\n{RESPONSE}"
    if markers_of(thinking) == FINAL:
        text = f"{thoughts}Final answer: {RESPONSE}"
    elif is_opened(thinking):
        text = text.removeprefix(THINK.begin.strip())
    answer = thinking.answer(QUESTION, PASSAGES, **saying(thinking, text))
    assert (answer.text, answer.thoughts) == (RESPONSE, None)
    assert len(answer.passages) == len(PASSAGES)
    assert {c.kind for c in answer.citations} == {"passage"}
    read = thinking.attribute(QUESTION, PASSAGES, text)
    assert (read.text, read.thoughts) == (RESPONSE, None)


def test_a_model_that_did_not_think(reader):
    text = "It is the <think> Mol </think>. Zandor lies there."
    answer = reader.answer(QUESTION, PASSAGES, **saying(reader, text))
    assert (answer.text, answer.thoughts) == (text, None)
    plain = reader.answer(QUESTION, PASSAGES, thinking=None, **saying(reader, text))
    check_same(what_was_said(plain), what_was_said(answer))
    all_of_it = answered(reader, thinking=None)
    assert all_of_it.text == written(reader)
    assert all_of_it.thoughts is None


def test_what_cannot_be_read(golden_reader, reader):
    with pytest.raises(InputError, match="has no markers"):
        golden_reader.attribute(QUESTION, PASSAGES, RESPONSE, thoughts=THOUGHTS)
    with pytest.raises(InputError, match="expected text to cite"):
        reader.attribute(QUESTION, PASSAGES, " ")
    with pytest.raises(InputError, match="No passages"):
        golden_reader.answer(QUESTION, [])


# Which sources there are


def test_kinds_of_sources(reader):
    both = answered(reader)
    passages = answered(reader, source_kinds=("passage",))
    thoughts = answered(reader, source_kinds=["thought"])
    inside = len(passages.attribution.sources)
    check_close(passages.attribution.scores, both.attribution.scores[:inside])
    check_close(thoughts.attribution.scores, both.attribution.scores[inside:])
    assert {c.kind for c in passages.citations} == {"passage"}
    assert {c.kind for c in thoughts.citations} == {"thought"}
    assert not any(s.citations for s in thoughts.thoughts.statements)
    assert len(passages.passages) == len(PASSAGES)
    for answer in (both, passages, thoughts):
        assert answer.thoughts.text == THOUGHTS
        check_same(answer.ranked_passages, both.ranked_passages)
        assert Answer.from_dict(answer.to_dict()) == answer


def test_without_passages_there_are_thoughts_to_cite(reader):
    answer = answered(reader, passages=[])
    check_thoughtful(answer, [])
    assert {c.kind for c in answer.citations} == {"thought"}
    assert not any(s.citations for s in answer.thoughts.statements)
    assert answer.ranked_passages == []
    assert reader.verify(answer).statements
    none = reader.answer(QUESTION, [], **saying(reader, RESPONSE))
    assert (none.citations, none.text) == ((), RESPONSE)
    with pytest.raises(InputError, match="No passages"):
        answered(reader, passages=[], source_kinds=("passage",))


def test_each_kind_has_citations_of_its_own(reader):
    answer = answered(reader, max_citations=1)
    for statement in answer.statements:
        kinds = [c.kind for c in statement.citations if not c.inherited]
        assert len(kinds) == len(set(kinds))


def test_passages_are_ranked_by_thoughts_and_response(reader):
    answer = answered(reader)
    parts = (answer.attribution, answer.thoughts.attribution)
    sums = sum(part.passage_scores.sum(dim=1)[: len(PASSAGES)] for part in parts)
    wanted = sums / sum(len(part.token_spans) for part in parts)
    check_same(dict(answer.ranked_passages), dict(enumerate(wanted.tolist())))
    sums = sum(part.scores.sum(dim=1)[: len(parts[1].sources)] for part in parts)
    ranked = dict(answer.ranked_sources)
    wanted = sums / sum(len(part.token_spans) for part in parts)
    check_same(ranked, dict(enumerate(wanted.tolist())))


@pytest.mark.parametrize("unit", ["passage", "sentence"])
def test_pruning_keeps_passages_alone(reader, unit):
    says = saying(reader, written(reader))
    pruned = reader.prune(QUESTION, PASSAGES, min_share=1e-6, unit=unit, **says)
    assert set(pruned.kept) <= set(range(len(PASSAGES)))
    assert all(passage.kind == "passage" for passage in pruned.passages)
    assert pruned.draft.thoughts.text == THOUGHTS
    ranked = dict(pruned.draft.ranked_passages)
    assert pruned.scores == tuple(ranked[index] for index in pruned.kept)


def test_answering_again_from_fewer_passages(reader):
    answer = answered(reader, prune_to=2)
    draft = answered(reader)
    assert answer.kept == tuple(sorted(i for i, _ in draft.ranked_passages[:2]))
    check_same(what_was_said(answer.draft), what_was_said(draft))
    check_thoughtful(answer, PASSAGES)
    reread = reader.verify(answer)
    assert [s.statement for s in reread.statements] == list(answer.statements)


def test_thoughts_are_scored_as_if_they_were_all_that_was_written(reader):
    """A network compares sources with one another; thoughts are no sources of thoughts."""
    torch.manual_seed(0)
    network = NetworkEstimator(SourceNetwork(reader.estimator.shape, mixtures=3, width=8))
    by = Reader(reader.model, reader.tokenizer, network)
    both, passages = answered(by), answered(by, source_kinds=("passage",))
    scores = [answer.thoughts.attribution.scores for answer in (both, passages)]
    check_close(*scores)
    inside = len(passages.attribution.sources)
    assert not torch.allclose(both.attribution.scores[:inside], passages.attribution.scores)
    check_stream(*streamed(by, written(by)))


# Scores against what they can be computed from in another way


def eager_of(reader):
    """Return the same model with attention that says its weights."""
    config = copy.deepcopy(reader.model.config)
    eager = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    eager.load_state_dict(reader.model.state_dict())
    return eager.eval()


@torch.no_grad()
def weights_of(model, ids):
    """Return (layers, heads, queries, keys)."""
    outputs = model(input_ids=torch.tensor([ids]), output_attentions=True)
    return torch.stack([layer[0] for layer in outputs.attentions])


@pytest.mark.parametrize("name", ["llama", "qwen2", "phi3"])
def test_scores_are_the_mean_of_the_models_attention(name):
    reader = thinker(name)
    task = task_of(reader)
    average = weights_of(eager_of(reader), task.ids).mean(dim=(0, 1))
    answer, first = task.answer, task.prompt_length
    rows = average[first - 1 : -1]  # what predicts each token of the response
    for index, (start, end) in enumerate(task.sources):
        wanted = rows[:, start:end].sum(dim=1)
        assert torch.allclose(answer.attribution.scores[index], wanted, atol=1e-5)
        assert float(answer.attribution.by_source()[index]) == pytest.approx(
            float(wanted.mean()), abs=1e-5
        )
    for index, (start, end) in enumerate(task.thoughts):
        wanted = rows[:, start:end].sum(dim=1)
        assert torch.allclose(answer.attribution.thought_scores[index], wanted, atol=1e-5)
    thoughts = answer.thoughts.attribution
    # The thoughts end where their last sentence does.
    end = task.thoughts[-1][1]
    rows = average[end - 1 - len(thoughts.token_spans) : end - 1]
    for index in range(len(thoughts.sources)):
        wanted = rows[:, slice(*task.sources[index])].sum(dim=1)
        assert torch.allclose(thoughts.scores[index], wanted, atol=1e-5)


@torch.no_grad()
def log_probability(model, ids, first, target, hidden=()):
    """Return the log-probability of a target when no token attends to the hidden ones."""
    mask = torch.ones(1, len(ids), dtype=torch.long)
    mask[0, list(hidden)] = 0
    positions = torch.arange(len(ids))[None]
    logits = model(
        input_ids=torch.tensor([ids]), attention_mask=mask, position_ids=positions
    ).logits[0]
    rows = (
        logits[first - 1 : -1]
        .double()
        .log_softmax(-1)
        .gather(-1, torch.tensor(ids[first:])[:, None])
    )
    return float(rows[slice(*target), 0].sum())


@torch.no_grad()
def largest_logit(task):
    """Return the size of what rounds in a log-probability, however near to 0 that is."""
    return float(task.model(torch.tensor([task.ids])).logits.abs().max())


def test_leaving_out_a_thought(reader):
    task = task_of(reader)
    scores = LeaveOneOutMethod().scores(task)
    arguments = [(task.model, task.ids, task.prompt_length, target) for target in task.targets]
    for index, place in enumerate(task.sources):
        for row, known in zip(scores, arguments, strict=True):
            whole, without = log_probability(*known), log_probability(*known, range(*place))
            check_close(row[index], whole - without, scale=largest_logit(task))


def test_removing_a_thought(reader):
    """The model reads prompt and thoughts without its tokens."""
    task = task_of(reader)
    masks = torch.ones(len(task.sources), len(task.sources)) - torch.eye(len(task.sources))
    effects = task.ablator(by="removal").ablate(masks)
    thoughts = [i for i, s in enumerate(task.answer.attribution.sources) if s.passage_index == 4]
    assert len(thoughts) == len(task.answer.thoughts.statements)
    for index in thoughts:
        start, end = task.sources[index]
        ids = (*task.ids[:start], *task.ids[end:])
        first = task.prompt_length - (end - start)
        for target in task.targets:
            wanted = log_probability(task.model, ids, first, target)
            check_close(effects.log_probability(*target)[index], wanted)


@pytest.mark.parametrize(
    "method", [LeaveOneOutMethod(), GradientMethod(), SurrogateMethod(8)], ids=lambda m: m.name
)
def test_other_methods_score_thoughts_as_well(reader, method):
    task = task_of(reader)
    scores = method.scores(task)
    assert scores.shape == (2, len(task.answer.attribution.sources))
    by = Reader(reader.model, reader.tokenizer, reader.estimator, method=method)
    answer = answered(by)
    assert answer.estimator == method.name
    for statement, row in zip(answer.statements, scores, strict=True):
        found = answer.attribution.for_span(statement.start, statement.end)
        check_close(found, row)
    assert not any(s.citations for s in answer.thoughts.statements)
    assert {c.kind for c in answer.citations} <= {"passage", "thought"}
    assert Answer.from_dict(answer.to_dict()) == answer


@pytest.mark.parametrize("by", ["attention", "removal"])
def test_methods_side_by_side(reader, by):
    methods = [LeaveOneOutMethod(), AttentionMethod()]
    tasks = [task_of(reader), task_of(reader, max_new_tokens=9), task_of(reader, passages=[])]
    found = compare(tasks, methods, ks=(1,), num_ablations=6, by=by)
    assert found.skipped == 1
    assert [t.text for t in found.targets] == ["The Mol.", "It is."] * 2
    assert all(-1 <= m.lds <= 1 for m in found.measurements)
    if by == "attention":  # what leaving one out measures is its score
        scores = LeaveOneOutMethod().scores(tasks[0])
        drops = [m.drops[0] for m in found.measurements if m.method == "leave-one-out"][:2]
        check_close(drops, scores.amax(dim=1), scale=largest_logit(tasks[0]))


def test_what_is_learned_from_counts_thoughts(reader, tmp_path):
    example = TrainingExample("a", QUESTION, tuple(map(as_passage, PASSAGES)), written(reader))
    cut = TrainingExample("b", QUESTION, example.passages, f"<think>{THOUGHTS}")
    report = collect(reader, [example, cut], tmp_path, num_ablations=3, source_unit="sentence")
    assert (report.stored, report.skipped) == (1, {SkipReason.empty_answer: 1})
    [record] = load_collected(tmp_path).records
    task = reader.task(QUESTION, PASSAGES, RESPONSE, thoughts=THOUGHTS)
    assert record.masks.shape == (3, len(task.sources))
    weights = weights_of(eager_of(reader), task.ids)[:, :, task.prompt_length - 1 : -1]
    for target, (start, end) in enumerate(task.targets):
        paid = [weights[:, :, start:end, a:b].sum(-1).mean(-1) for a, b in task.sources]
        signs = record.masks.float() * 2 - 1
        wanted = torch.einsum("as,slh->alh", signs, torch.stack(paid)).flatten(1)
        # Records are stored in half precision.
        assert torch.allclose(record.features[target], wanted, rtol=2e-3, atol=1e-5)


def as_passage(passage):
    return Passage(passage) if isinstance(passage, str) else passage


def test_a_model_that_really_thinks_is_learned_from(demo, tmp_path):
    examples = world_examples(5, 2, (4, 4), hops=(2,))
    report = collect(demo, examples, tmp_path, num_ablations=2)
    assert report.stored == 2
    for record, example in zip(load_collected(tmp_path).records, examples, strict=True):
        task = demo.task(example.question, example.passages, source_unit="token")
        owners = [source.passage_index for source in task.answer.attribution.sources]
        assert owners.count(4) > 5
        assert record.masks.shape == (2, len(owners))
        assert record.answer == task.answer.text


# While it is being written


def check_stream(events, answer):
    """Assert that events are those of an answer, thoughts first."""
    *pieces, last = events
    check_same(last.to_dict(), answer.to_dict())
    thoughts = [event.text for event in pieces if isinstance(event, Thinking)]
    assert all(isinstance(event, Thinking) for event in pieces[: len(thoughts)])
    assert "".join(thoughts) == ("" if answer.thoughts is None else answer.thoughts.text)
    rest, text, statements = pieces[len(thoughts) :], "", []
    ahead = [event.text for event in rest if isinstance(event, Writing)]
    assert all(isinstance(event, Writing) for event in rest[: len(ahead)])
    assert "".join(ahead) in ("", answer.text)
    for event in rest[len(ahead) :]:
        if isinstance(event, Statement):
            assert len(text) == event.end
            statements.append(event)
        else:
            text += event
    assert text == answer.text
    check_same([s.to_dict() for s in statements], [s.to_dict() for s in answer.statements])
    return len(thoughts)


def streamed(reader, text, **options):
    """Return the events of an answer that says a text, and the answer as a whole."""
    whole = reader.answer(QUESTION, PASSAGES[:1], **{**saying(reader, text), **options})
    events = reader.stream(QUESTION, PASSAGES[:1], **{**saying(reader, text), **options})
    return list(events), whole


def test_streamed_equals_whole(thinking):
    events, whole = streamed(thinking, written(thinking))
    assert whole.text == RESPONSE
    assert check_stream(events, whole) > 10
    early = [event for event in events[:-1] if isinstance(event, Statement)]
    assert early[0].text == "The Mol."
    assert isinstance(events[events.index(early[0]) + 1], str)  # before the text was all there


@pytest.mark.parametrize("tokens", [1, 7, 43])
def test_streamed_equals_whole_where_it_is_cut_off(thinking, tokens):
    check_stream(*streamed(thinking, written(thinking), max_new_tokens=tokens))


near = st.sampled_from(["<", "</", "</think", "think>", "Final", "Final answer", ":", "<think>"])
said = st.lists(st.sampled_from(PIECES) | near, max_size=5).map("".join)


@settings(max_examples=5, deadline=None, derandomize=True, database=None)
@given(thoughts=said, response=said, cut=st.integers(0, 6))
def test_streamed_equals_whole_whatever_is_thought(thinking, thoughts, response, cut):
    text = written(thinking, thoughts, response)
    length = len(saying(thinking, text)["logits_processor"][0].ids)
    assume(length > cut)
    check_stream(*streamed(thinking, text, max_new_tokens=length - cut))


ODD = (
    "<think> It <think> rains.</think> It does.", "\n\n<think>\n<think>\n\n</think>\nIt.",
    "<thin> It rains.", "<", "", "It rains. </think> It does.", " \n It rains.",
    "It rains.</think", "It rains.</think>", "</think>", "</think>It", "<think></think>",
)  # fmt: skip
STYLES = ("special", "plain", "opened", "no sign")


@pytest.mark.parametrize("thinking", STYLES, indirect=True)
@pytest.mark.parametrize("text", ODD)
def test_streamed_equals_whole_where_markers_are_odd(thinking, text):
    events, whole = streamed(thinking, text)
    check_stream(events, whole)
    if "<think> It <think>" in text and markers_of(thinking) == THINK:
        # The first is the sign, also if repeated; and as a special token it is no text.
        assert whole.thoughts.text.replace("<think> ", "").split() == ["It", "rains."]
        assert whole.text == "It does."


def test_thoughts_that_end_in_bytes_come_before_the_response(golden_reader):
    reader = Reader(
        golden_reader.model,
        tokenizer_of("prepending"),
        golden_reader.estimator,
        thinking=ThinkingMarkers("", "Final answer: "),
    )
    text = "One day 한국Final answer: 漢 and so on."
    whole = reader.answer("Who?", ["It rained."], **saying(reader, text))
    assert whole.thoughts.text == "One day 한국"
    check_stream(list(reader.stream("Who?", ["It rained."], **saying(reader, text))), whole)


def test_with_another_method_statements_alone_come_at_the_end(reader):
    by = Reader(reader.model, reader.tokenizer, reader.estimator, method=LeaveOneOutMethod())
    events, whole = streamed(by, written(by))
    assert check_stream(events, whole) > 10
    assert sum(isinstance(event, Writing) for event in events) > 3


@pytest.mark.parametrize("thinking", STYLES, indirect=True)
@pytest.mark.parametrize("text", ODD)
def test_text_ahead_of_its_statements_is_the_whole_where_markers_are_odd(thinking, text):
    check_stream(*streamed(thinking.with_options(method="random"), text))


# Leaning on thoughts, and proving it


def test_support_comes_from_passages_and_never_from_thoughts_alone():
    """Three statements of one token; the third source is the only sentence of the thoughts."""
    passages = [Passage("One. Two."), Passage("Three.", kind="thought")]
    spans = ((0, 3), (4, 7), (8, 11))
    thought = Attribution(
        SOURCES[:2], torch.tensor([[1.0], [0.0]]), torch.zeros(1, 1), ((0, 6),), 6, ((0, 6),),
        torch.zeros(1, 1), torch.zeros(0, 1),
    )  # fmt: skip
    scores = torch.tensor([[0, 0, 0], [0, 0, 0.6], [9.0, 9.0, 0]])
    leans = torch.tensor([[0.9, 0, 0]])
    response = Attribution(
        SOURCES, scores, torch.zeros(2, 3), spans, 11, spans, torch.zeros(3, 3), leans
    )
    thoughts = Thoughts("Three.", (), thought, finished=True)
    cited = cite(TEXT, response, passages, Settings(), CALIBRATION, thoughts)
    assert [s.supported for s in cited.thoughts.statements] == [True]
    assert [s.supported for s in cited.statements] == [True, False, True]
    found = [[(c.text, c.via_thought, c.kind) for c in s.citations] for s in cited.statements]
    assert found == [
        [("One.", 0, "passage"), ("Three.", None, "thought")],
        [("Three.", None, "thought")],
        [("Two.", None, "passage")],
    ]
    assert [c.number for c in cited.thoughts.statements[0].citations] == [1]


@pytest.fixture(scope="module")
def worlds(demo):
    """Held-out worlds of 8 passages, with questions over two hops, and what was answered."""
    examples = list(islice(generate_examples(HELD_OUT_SEED, 8, 2), 25))
    answers = demo.answer_batch([(e.question, e.passages) for e in examples])
    right = [
        (example, answer)
        for example, answer in zip(examples, answers, strict=True)
        if answer.text == example.final_answer
    ]
    assert len(right) >= 20
    return right[:20]


def test_the_thought_cited_first_holds_the_last_hop(worlds):
    found = []
    for example, answer in worlds:
        thoughts = [c.text for s in answer.statements for c in s.citations if c.kind == "thought"]
        last_hop = next(s for s in answer.thoughts.statements if example.final_answer in s.text)
        found.append(thoughts[:1] == [last_hop.text])
    assert sum(found) >= 0.9 * len(worlds)


def test_what_the_answer_rests_on_is_cited(worlds):
    """By the response itself, or through its thoughts."""
    found = 0
    for example, answer in worlds:
        cited = {
            (c.passage_index, c.source_start)
            for statement in answer.statements
            for c in statement.citations
            if c.kind == "passage"
        }
        wanted = {
            (passage, sentence_spans(example.passages[passage].text)[sentence][0])
            for passage, sentence in example.supporting_sentences
        }
        found += wanted <= cited
        for citation in answer.statements[-1].citations:
            through = citation.via_thought
            if through is not None:
                places = [c.place for c in answer.thoughts.statements[through].citations]
                assert citation.place in places
    # Measured on 100 such worlds: 85 answered right, and both sentences cited in 75 of these; in 17
    # of the first 21.
    assert found >= 0.7 * len(worlds)


def test_what_was_inherited_from_a_thought_is_proven_without_it(demo, worlds):
    """The source is left out together with the thoughts that repeat what it says."""
    example, answer = next(
        (e, a) for e, a in worlds if any(c.inherited for c in a.statements[-1].citations)
    )
    [verified] = demo.verify(answer).statements
    task = demo.task(example.question, example.passages, answer.text, thoughts=answer.thoughts.text)
    sources = task.answer.attribution.sources
    places = {(s.passage_index, s.start, s.end): i for i, s in enumerate(sources)}
    known = task.model, task.ids, task.prompt_length, task.targets[0]
    for citation, evidence in zip(verified.statement.citations, verified.alone, strict=True):
        hidden = [*range(*task.sources[places[citation.place]])]
        if citation.inherited:
            for statement, place in zip(answer.thoughts.statements, task.thoughts, strict=True):
                if citation.place in [c.place for c in statement.citations]:
                    hidden += range(*place)
        whole, without = log_probability(*known), log_probability(*known, hidden)
        check_close(evidence.drop, whole - without, scale=largest_logit(task))
    assert verified.together.factor > 10
    [removed] = demo.verify(answer, by="removal").statements
    inherited = next(c for c in verified.statement.citations if c.inherited)
    masks = torch.ones(2, len(sources))
    masks[1, places[inherited.place]] = 0
    for statement in answer.thoughts.statements:
        if inherited.place in [c.place for c in statement.citations]:
            masks[1, places[8, statement.start, statement.end]] = 0
    log_p = task.ablator(by="removal").ablate(masks).log_probability(*task.targets[0])
    row = verified.statement.citations.index(inherited)
    check_close(removed.alone[row].drop, log_p[0] - log_p[1], scale=largest_logit(task))
    assert removed.together.factor > 10


def test_statements_lean_on_thoughts_where_there_are_thresholds(demo, worlds):
    """Without, as with average attention, citations are those of attention alone."""
    example, _ = worlds[0]
    average = Reader(
        demo.model, demo.tokenizer, ScoreEstimator.uniform(demo.model), settings=demo.settings
    )
    for options in ({}, {"transitive": False}):
        answer = average.answer(example.question, example.passages, **options)
        assert all(c.via_thought is None for c in answer.citations)
        assert all(s.supported is None for s in answer.statements)
    assert isinstance(average.estimator, LinearEstimator)
