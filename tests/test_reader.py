"""The reader: laws that hold whatever a model writes, options, and bad input."""

import copy
import json
import pickle
import shutil
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import transformers
from support.comparing import check_close, check_same
from support.invariants import Unchanged, check_answer
from support.loaded import loaded_pipeline
from support.zandor import PASSAGES, QUESTION
from transformers import AutoModelForCausalLM

from at2_rag import (
    CONTEXT,
    Answer,
    ContextOverflowError,
    EstimatorMismatchError,
    InputError,
    LinearEstimator,
    NoHeadsWarning,
    NumericalError,
    Passage,
    PlainPromptWarning,
    PromptTemplate,
    Reader,
    ScoreEstimator,
    Settings,
    ThinkingMarkers,
    UnsupportedModelError,
)
from at2_rag.documents.bm25 import best_by_bm25
from at2_rag.documents.passages import as_passages
from at2_rag.methods import RandomMethod
from at2_rag.model.recorded_model import RecordedModel
from at2_rag.prompt.maker import PromptMaker
from at2_rag.prompt.request import Request
from at2_rag.worlds import generate_examples

THINK = ThinkingMarkers("<think>", "</think>")


@pytest.mark.parametrize("unit", ["sentence", "passage", "word", "token"])
def test_invariants_hold_for_every_source_unit(golden_reader, unit):
    with Unchanged(PASSAGES):
        answer = golden_reader.answer(QUESTION, PASSAGES, source_unit=unit, prune_to=2)
    check_answer(answer, PASSAGES)
    assert len(answer.kept) == 2
    assert answer.kept == tuple(sorted(i for i, _ in answer.draft.used_passages[:2]))


def test_the_same_call_gives_the_same_answer(golden_reader):
    assert golden_reader.answer(QUESTION, PASSAGES) == golden_reader.answer(QUESTION, PASSAGES)


def test_generated_equals_read(golden_reader):
    """Scores recorded while answering equal those of reading the finished answer in one pass."""
    answer = golden_reader.answer(QUESTION, PASSAGES)
    request = Request(QUESTION, as_passages(PASSAGES), settings=golden_reader.settings)
    prompt = PromptMaker.of(golden_reader.tokenizer, request).make(answer.kept)
    recorded, weightings = RecordedModel(golden_reader.model), golden_reader.estimator.weightings
    [generated] = recorded.generate([prompt.ids], weightings, {"max_new_tokens": 24})
    read = recorded.read(prompt.ids, generated.ids, weightings)
    check_close(generated.attention.tables, read.tables)


@pytest.mark.parametrize(
    "options", [{"num_beams": 3}, {"use_cache": False}, {"cache_implementation": "static"},
                {"prompt_lookup_num_tokens": 3}],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_recorded_is_read_in_one_pass(golden_reader, options):
    answer = golden_reader.answer(QUESTION, PASSAGES, **options)
    check_answer(answer, PASSAGES)
    assert answer.attribution.scores.abs().sum() > 0
    if "num_beams" not in options:
        greedy = golden_reader.answer(QUESTION, PASSAGES)
        assert answer.text == greedy.text
        check_close(answer.attribution.scores, greedy.attribution.scores)


def test_sampling_follows_the_seed(golden_reader):
    def sample(seed):
        torch.manual_seed(seed)
        return golden_reader.answer(QUESTION, PASSAGES, do_sample=True, temperature=1.5)

    assert sample(1) == sample(1)
    assert sample(1).text != sample(2).text


def test_permuting_passages_moves_every_index_along(golden_reader):
    """Indices follow the passages; scores change only as the model reads another order."""
    order = [2, 0, 3, 1]
    moved = [PASSAGES[i] for i in order]
    text = "Zandor lies on the Mol."
    answer = golden_reader.attribute(QUESTION, moved, text)
    check_answer(answer, moved)
    again = [PASSAGES[i] for i in order]
    assert golden_reader.attribute(QUESTION, again, text) == answer


def test_without_positions_permuting_passages_permutes_their_scores(golden_llama):
    """With position encoding switched off and one layer, order can make no difference at all."""
    config = type(golden_llama.model.config)(
        **{**golden_llama.model.config.to_dict(), "num_hidden_layers": 1}
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    model.model.rotary_emb.inv_freq.zero_()
    reader = Reader(model, golden_llama.tokenizer, ScoreEstimator.uniform(model))
    order = [2, 0, 3, 1]
    straight = reader.attribute(QUESTION, PASSAGES, "It lies on the Mol.")
    moved = reader.attribute(QUESTION, [PASSAGES[i] for i in order], "It lies on the Mol.")
    check_close(moved.attribution.by_passage(), straight.attribution.by_passage()[order])


def test_history_and_system_prompt_reach_the_model(golden_reader):
    plain = golden_reader.answer(QUESTION, PASSAGES)
    history = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi."}]
    with Unchanged(history):
        chat = golden_reader.answer(QUESTION, PASSAGES, history=history, system="Be brief.")
    assert chat.prompt_tokens > plain.prompt_tokens
    check_answer(chat, PASSAGES)


def test_templates_change_the_prompt_and_not_the_offsets(golden_reader):
    template = PromptTemplate("{question}\n\n{passages}", titled="<{title}> {text}")
    for prompt in (CONTEXT, template):
        check_answer(golden_reader.answer(QUESTION, PASSAGES, prompt=prompt), PASSAGES)


def test_settings_of_the_reader_and_of_the_call(golden_llama):
    estimator = ScoreEstimator.load(golden_llama.folder)
    reader = Reader(
        golden_llama.model,
        golden_llama.tokenizer,
        estimator,
        Settings(max_new_tokens=5),
        source_unit="word",
    )
    assert reader.answer(QUESTION, PASSAGES).answer_tokens <= 5
    assert len(reader.answer(QUESTION, PASSAGES).attribution.sources) > 20
    answer = reader.answer(QUESTION, PASSAGES, max_new_tokens=2, source_unit="passage")
    assert answer.truncated
    assert len(answer.attribution.sources) == 4
    assert reader.settings.max_new_tokens == 5


def test_citations_obey_their_limits(demo_reader):
    passages = ["Zandor lies on the Mol River. It belongs to Rufe.", "Beldara plays the cello."]
    text = "Zandor lies on the Mol River."
    for most in (1, 2, 3):
        answer = demo_reader.attribute(QUESTION, passages, text, max_citations=most)
        assert 1 <= len(answer.statements[0].citations) <= most
    highest = answer.statements[0].citations[0].score
    none = demo_reader.attribute(QUESTION, passages, text, min_score=highest * 1.01)
    assert none.statements[0].citations == ()
    assert none.marked_text == str(none) == text


def test_citing_an_answer_from_anywhere(golden_reader):
    text = "  Zandor lies on the Mol. 日本語の文。 Final answer: Mol 😀  "
    answer = golden_reader.attribute(QUESTION, PASSAGES, text)
    check_answer(answer, PASSAGES)
    assert answer.text == text.strip()
    assert len(answer.statements) == 3


def test_average_attention_is_used_where_it_is_asked_for_by_name(golden_llama):
    model, tokenizer = golden_llama.model, golden_llama.tokenizer
    reader = Reader(model, tokenizer, "average")
    assert reader.estimator.kind == "uniform"
    assert reader.answer(QUESTION, PASSAGES).estimator == "uniform"


def test_auto_finds_a_learned_estimator_or_probes_the_model(golden_llama, tmp_path):
    """By default, too; a model that was never trained has no heads that read, and says so."""
    folder = tmp_path / "model"
    shutil.copytree(golden_llama.folder / "model", folder)
    for load in (
        lambda: Reader.from_pretrained(folder),
        lambda: Reader(golden_llama.model, golden_llama.tokenizer),
        lambda: Reader(golden_llama.model, golden_llama.tokenizer, "auto"),
        lambda: Reader.from_pipeline(loaded_pipeline(golden_llama.model, golden_llama.tokenizer)),
    ):
        with pytest.warns(NoHeadsWarning, match="no head finds what an answer goes") as caught:
            assert "probed" in load().estimator.metadata
        assert [warning.filename for warning in caught] == [__file__]
    LinearEstimator(torch.full((3, 4), 0.5)).save(folder / "at2_estimator")
    reader = Reader.from_pretrained(folder)
    assert torch.equal(reader.estimator.coefficients, torch.full((3, 4), 0.5))


def test_average_attention_of_all_keys_is_one(golden_llama):
    """Average attention over everything a token sees sums to one."""
    model = golden_llama.model
    weightings = ScoreEstimator.uniform(model).weightings
    table = RecordedModel(model).read(range(3, 40), range(40, 60), weightings).tables[0]
    check_close(table.sum(1), torch.ones(20))


def test_a_plain_text_model_is_prompted_in_plain_text(golden_llama, request):
    tokenizer = copy.deepcopy(golden_llama.tokenizer)
    tokenizer.chat_template = None
    estimator = ScoreEstimator.load(golden_llama.folder)
    with pytest.warns(PlainPromptWarning, match="no chat template"):
        reader = Reader(golden_llama.model, tokenizer, estimator, max_new_tokens=8)
    check_answer(reader.answer(QUESTION, PASSAGES, system="Be brief."), PASSAGES)
    check_answer(reader.attribute(QUESTION, PASSAGES, "The Mol."), PASSAGES)


def test_threads_share_a_reader(golden_reader):
    questions = [f"Question {i}: {QUESTION}" for i in range(6)]
    alone = [golden_reader.answer(q, PASSAGES) for q in questions]
    together = [None] * len(questions)

    def ask(index):
        together[index] = golden_reader.answer(questions[index], PASSAGES)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(questions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


@pytest.mark.parametrize(
    "copied",
    [
        lambda reader: pickle.loads(pickle.dumps(reader)),
        copy.deepcopy,
        copy.copy,
        lambda reader: Reader(
            copy.deepcopy(reader.model), reader.tokenizer, reader.estimator, reader.settings
        ),
    ],
    ids=["pickled", "deep", "shallow", "model"],
)
def test_copies_answer_the_same(golden_reader, copied):
    answer = golden_reader.answer(QUESTION, PASSAGES)
    another = copied(golden_reader)
    check_same(another.answer(QUESTION, PASSAGES).to_dict(), answer.to_dict())
    assert another.attribute(QUESTION, PASSAGES, "It lies on the Mol.").attribution.scores.any()
    assert golden_reader.answer(QUESTION, PASSAGES) == answer


def test_a_pickled_reader_answers_in_another_process(golden_reader, tmp_path):
    """And so does its model, when it comes by itself."""
    answer = golden_reader.answer(QUESTION, PASSAGES)
    (tmp_path / "model").write_bytes(pickle.dumps(golden_reader.model))
    (tmp_path / "reader").write_bytes(pickle.dumps((golden_reader, QUESTION, PASSAGES)))
    program = (
        "import json, pathlib, pickle, sys\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "model = pickle.loads((folder / 'model').read_bytes())\n"
        "from at2_rag import inspect_attention\n"
        "inspect_attention(model)\n"
        "reader, question, passages = pickle.loads((folder / 'reader').read_bytes())\n"
        "print(json.dumps(reader.answer(question, passages).to_dict()))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    # Another process may use other threads, which add in another order.
    found = Answer.from_dict(json.loads(result.stdout))
    assert (found.text, found.kept) == (answer.text, answer.kept)
    check_close(found.attribution.scores, answer.attribution.scores)


@pytest.mark.parametrize("make", [iter, tuple, lambda found: (p for p in found)])
def test_passages_may_come_in_any_iterable(golden_reader, make):
    expected = golden_reader.answer(QUESTION, PASSAGES)
    assert golden_reader.answer(QUESTION, make(PASSAGES)) == expected
    *_, streamed = golden_reader.stream(QUESTION, make(PASSAGES))
    assert streamed.kept == expected.kept
    [batched] = golden_reader.answer_batch(iter([(QUESTION, make(PASSAGES))]))
    assert batched.kept == expected.kept


def test_mappings_of_a_passages_fields_are_passages(golden_reader):
    given = [{"text": PASSAGES[0].text, "title": "Zandor", "id": "z"}, *PASSAGES[1:]]
    assert golden_reader.answer(QUESTION, given) == golden_reader.answer(QUESTION, PASSAGES)


@pytest.mark.parametrize("passages", [[], ["", " "], iter(())])
def test_nothing_is_answered_from_where_that_is_asked(golden_reader, passages):
    passages = list(passages)
    answer = golden_reader.answer(QUESTION, passages, on_empty="answer")
    check_answer(answer, passages)
    assert answer.text
    assert (answer.kept, answer.citations, answer.attribution.sources) == ((), (), ())
    assert all(statement.supported is not True for statement in answer.statements)
    *_, streamed = golden_reader.stream(QUESTION, passages, on_empty="answer", prune_to=2)
    assert (streamed.text, streamed.draft) == (answer.text, None)
    cited = golden_reader.attribute(QUESTION, passages, "On the Mol.", on_empty="answer")
    assert cited.citations == ()
    assert golden_reader.prune(QUESTION, passages, top_k=2, on_empty="answer").passages == ()
    assert not golden_reader.has_sources(passages)
    assert golden_reader.has_sources([*passages, "It is."])
    tool = [{"role": "tool", "content": "It is."}]
    assert not golden_reader.has_sources(passages, history=tool)
    assert golden_reader.has_sources(passages, history=tool, source_kinds=("tool",))


def test_empty_passages_keep_their_place(golden_reader):
    passages = ["", *PASSAGES, "  \n "]
    answer = golden_reader.answer(QUESTION, passages)
    check_answer(answer, passages)
    assert answer.kept == (1, 2, 3, 4)


# Bad input: one clear error each.


@pytest.mark.parametrize(
    ("passages", "message"),
    [
        ([], "No passages were given"),
        (["", "  "], "All 2 passages are empty"),
        ("text", "passages is one string"),
        ([1], r"passages\[0\] is a int"),
        (None, "passages is a NoneType; expected a list"),
        ({"text": "a"}, "passages is a dict; expected a list"),
        ([{"page": "a"}], r"passages\[0\] is a dict with the keys \['page'\]; expected 'text'"),
        ([{"text": 1}], r"passages\[0\]: A passage's text is 1, a int; expected a string"),
        ([SimpleNamespace(page_content="a")], "langchain_at2.documents_to_passages makes"),
        (["a", "half a \ud83d"], r"passages\[1\]\.text holds half .* at character 7"),
        ([Passage("a", "\udc80")], r"passages\[0\]\.title holds half of a surrogate pair"),
        ([Passage("a", id="x"), Passage("b", id="x")], r"passages\[0\] and passages\[1\].*'x'"),
    ],
)
def test_unusable_passages(golden_reader, passages, message):
    with pytest.raises(InputError, match=message):
        golden_reader.answer(QUESTION, passages)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"question": " "}, "question is ' '"),
        ({"prune_to": 0}, "prune_to is 0; expected a whole number of at least 1"),
        ({"prune_to": True}, "prune_to is True; expected a whole number of at least 1"),
        ({"source_unit": "page"}, "source_unit is 'page'; expected one of sentence"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"max_citations": 0}, "max_citations is 0"),
        ({"on_overflow": "cut"}, "on_overflow is 'cut'"),
        ({"on_empty": "drop"}, "on_empty is 'drop'; expected 'error' or 'answer'"),
        ({"question": "Who \ud83d?"}, "question holds half of a surrogate pair"),
        ({"system": "\ud83d"}, "system holds half of a surrogate pair"),
        ({"history": [{"role": "user", "content": "\ud83d"}]}, r"history\[0\]\['content'\] holds"),
        ({"prompt": "{passages}"}, "prompt is '{passages}'; expected any of 'from-passages', "),
        ({"max_passages": 0}, "max_passages is 0; expected a whole number of at least 1. Or None"),
        ({"max_passages": 2.5}, "max_passages is 2.5"),
        ({"num_return_sequences": 2}, "num_return_sequences is 2"),
        ({"max_length": 60}, "max_length is 60; expected max_new_tokens instead"),
        ({"stop_strings": [1]}, r"stop_strings is \[1\]; expected a string, or several in a list"),
        ({"stop_strings": 7}, "stop_strings is 7; expected a string"),
        ({"return_dict_in_generate": True}, "return_dict_in_generate"),
        ({"history": ["hello"]}, r"history\[0\] is 'hello'"),
    ],
)
def test_unusable_options(golden_reader, options, message):
    arguments = {"question": QUESTION, "passages": PASSAGES, **options}
    with pytest.raises(InputError, match=message):
        golden_reader.answer(**arguments)


def test_unknown_options_are_named(golden_reader):
    for name, meant in (("max_citation", "max_citations"), ("temperatur", "temperature")):
        words = rf"Unknown option {name}=1; expected any of source_unit.* did you mean {meant}"
        with pytest.raises(InputError, match=words):
            golden_reader.answer(QUESTION, PASSAGES, **{name: 1})
        with pytest.raises(InputError, match=words):
            golden_reader.attribute(QUESTION, PASSAGES, "The Mol.", **{name: 1})
    for call in (golden_reader.with_options, partial(Reader, *golden_pair(golden_reader))):
        with pytest.raises(InputError, match=r"Unknown option max_citation=1; .*max_citations\?"):
            call(max_citation=1)
        with pytest.raises(InputError, match=r"Unknown option max_tokens=1; .*max_new_tokens\?"):
            call(max_tokens=1)
    with pytest.raises(InputError, match=r"max_tokens=1; .* did you mean max_new_tokens"):
        golden_reader.answer(QUESTION, PASSAGES, max_tokens=1)
    with pytest.raises(InputError, match="Unknown option temperature=1; expected any of"):
        golden_reader.attribute(QUESTION, PASSAGES, "The Mol.", temperature=1)


def test_options_can_be_checked_before_there_is_a_question(golden_reader):
    earlier = [{"role": "user", "content": "Hello."}]
    sampled = {"max_citations": 1, "temperature": 0.5, "do_sample": True}
    golden_reader.check_options("answer", {**sampled, "prune_to": 2, "history": earlier})
    golden_reader.check_options("rank", {**sampled, "rank_by": "question", "history": earlier})
    golden_reader.check_options("attribute", {"score_by": "gradient", "thoughts": "Hm."})
    golden_reader.check_options("audit", {"max_citations": 1})


@pytest.mark.parametrize(
    ("call", "options", "message"),
    [
        ("answer", {"max_tokens": 1}, r"max_tokens=1; .* did you mean max_new_tokens"),
        ("answer", {"max_citations": 0}, "max_citations is 0"),
        ("answer", {"prune_to": 0}, "prune_to is 0"),
        ("answer", {"num_return_sequences": 2}, "num_return_sequences is 2; expected 1"),
        ("answer", {"stop_strings": {"a": 1, "b": [2]}.values()}, "expected a string, or several"),
        ("answer", {"do_sample": True, "temperature": 0}, "temperature is 0 with do_sample"),
        ("answer", {"self": 1, "call": 2}, "Unknown option self=1"),
        ("answer", {1: 2}, "an option is called 1; expected its name as text"),
        ("rank", {"history": ["Hello."]}, "history"),
        ("rank", {"prune_to": 1}, "Unknown option prune_to=1"),
        ("attribute", {"temperature": 1}, "Unknown option temperature=1; expected any of"),
        ("attribute", {"thoughts": 1}, "thoughts is"),
        ("audit", {"history": []}, "Unknown option history"),
        ("cite", {}, "call is 'cite'; expected one of answer, rank, attribute, audit"),
    ],
)
def test_options_that_no_call_could_take_are_refused(golden_reader, call, options, message):
    with pytest.raises(InputError, match=message):
        golden_reader.check_options(call, options)


def test_stop_strings_end_an_answer_without_more_being_told(golden_reader):
    whole = golden_reader.answer(QUESTION, PASSAGES)
    stop = whole.text[4:6]
    for answer in (
        golden_reader.answer(QUESTION, PASSAGES, stop_strings=[stop]),
        golden_reader.answer_batch([(QUESTION, PASSAGES)], stop_strings=[stop])[0],
        golden_reader.answer(
            QUESTION, PASSAGES, stop_strings=[stop], tokenizer=golden_reader.tokenizer
        ),
    ):
        assert answer.answer_tokens < whole.answer_tokens
        assert whole.text.startswith(answer.text)
        assert answer.text == whole.text[: whole.text.index(stop)].rstrip()


def test_settings_may_be_given_when_a_model_is_loaded(golden_llama):
    folder = golden_llama.folder / "model"
    reader = Reader.from_pretrained(
        folder, "average", dtype="float32", max_citations=1, method=RandomMethod()
    )
    assert isinstance(reader.method, RandomMethod)
    assert (reader.settings.max_citations, reader.model.dtype) == (1, torch.float32)
    misspelt = {
        "max_citation": "max_citations",
        "max_tokens": "max_new_tokens",
        "dtipe": "dtype",
        "devicemap": "device_map",
    }
    for name, meant in misspelt.items():
        with pytest.raises(InputError, match=rf"Unknown option {name}=1\. Did you mean {meant}\?"):
            Reader.from_pretrained(folder, "average", **{name: 1})
    # Before version 5, transformers put options of generate into the model's configuration.
    of_generate = ("do_sample",) if not transformers.__version__.startswith("4.") else ()
    for name in (*of_generate, "history", "anything"):
        with pytest.raises(InputError, match=rf"Unknown option {name}=True; expected a setting"):
            Reader.from_pretrained(folder, "average", **{name: True})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"estimator": 5}, "estimator is a int; expected ScoreEstimator or str or Path"),
        ({"estimator": "/no/where"}, "no score estimator at '/no/where'; expected a folder, a f"),
        ({"estimator": "no/such/place"}, "no score estimator at 'no/such/place'; expected"),
        ({"estimator": Path("gone")}, "No score estimator at gone"),
        ({"estimator": "no/such"}, "no score estimator at 'no/such', and none can be had from the"),
        ({"min_score": "0.1"}, "min_score is '0.1'; expected a number"),
        ({"estimator": "avrage"}, "no score estimator at 'avrage'.* Did you mean 'average'?"),
        ({"settings": {"max_new_tokens": 3}}, "settings is a dict; expected Settings or None"),
        ({"method": "lime"}, "no method 'lime'; expected one of at2, average-attention"),
        ({"method": "at2+bm52"}, "no method 'bm52'; expected one of at2, average-attention"),
        ({"prove": True}, "prove is True; expected a whole number of at least 1"),
        ({"min_score": float("nan")}, "min_score is nan; expected a number, or None"),
        ({"system": 3}, "system is 3; expected text"),
    ],
)
def test_what_cannot_be_an_option_is_told(golden_reader, given, message):
    with pytest.raises(InputError, match=message):
        golden_reader.with_options(**given)


def test_what_is_no_model_or_tokenizer_is_told(golden_llama):
    model, tokenizer = golden_llama.model, golden_llama.tokenizer
    for given, message in (
        (("gpt2", tokenizer), "model is a str; expected a model of transformers"),
        (
            (torch.compile(model, backend="eager"), tokenizer),
            r"compiled by torch.*itself",
        ),
        ((model, None), "tokenizer is a NoneType; expected the model's fast tokenizer"),
    ):
        with pytest.raises(InputError, match=message):
            Reader(*given, ScoreEstimator.uniform(model))
    compiled = copy.deepcopy(model)
    compiled.compile(backend="eager")
    with pytest.raises(InputError, match="compiled by torch"):
        Reader(compiled, tokenizer, ScoreEstimator.uniform(model))


def test_one_of_several_chat_templates_is_used(golden_llama):
    model, tokenizer = golden_llama.model, copy.deepcopy(golden_llama.tokenizer)
    options = {"estimator": ScoreEstimator.uniform(model), "max_new_tokens": 4}
    expected = Reader(model, golden_llama.tokenizer, **options).answer(QUESTION, PASSAGES)
    template = tokenizer.chat_template
    tokenizer.chat_template = {"default": template, "tool_use": "{{ messages[0].content }}"}
    assert Reader(model, tokenizer, **options).answer(QUESTION, PASSAGES) == expected
    tokenizer.chat_template = {"rag": template}
    with pytest.raises(InputError, match=r"has the chat templates \['rag'\]; expected .*default"):
        Reader(model, tokenizer, **options).answer(QUESTION, PASSAGES)


def golden_pair(reader):
    return reader.model, reader.tokenizer, reader.estimator


def test_a_reader_with_other_options_is_another_reader(golden_reader):
    """And what it folds attention with is what it scores with."""
    shape = golden_reader.estimator.shape
    generator = torch.Generator().manual_seed(0)
    other = LinearEstimator(torch.rand(shape.layers, shape.heads, generator=generator))
    changed = golden_reader.with_options(estimator=other, max_citations=1, method=RandomMethod())
    assert changed.estimator is other
    assert (changed.settings.max_citations, golden_reader.settings.max_citations) == (1, 3)
    assert golden_reader.method is None
    assert changed.with_options(source_unit="word").method is changed.method
    direct = Reader(golden_reader.model, golden_reader.tokenizer, other, max_new_tokens=24)
    expected = direct.answer(QUESTION, PASSAGES).attribution.scores
    again = changed.with_options(method="estimator", max_citations=3)
    assert torch.equal(again.answer(QUESTION, PASSAGES).attribution.scores, expected)
    assert not torch.equal(golden_reader.answer(QUESTION, PASSAGES).attribution.scores, expected)
    for name in ("model", "tokenizer", "estimator", "settings", "method"):
        with pytest.raises(AttributeError):
            setattr(golden_reader, name, None)
    with pytest.raises(EstimatorMismatchError):
        golden_reader.with_options(estimator=LinearEstimator(torch.ones(1, 1)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": None}, "A passage's text is None; expected a string"),
        ({"text": "a", "title": 3}, "A passage's title is 3, a int; expected a string, or None"),
        ({"text": "a", "id": 3}, "A passage's id is 3"),
        ({"text": "a", "url": b"x"}, "A passage's url is b'x', a bytes"),
        ({"text": "a", "metadata": "x"}, "A passage's metadata is 'x', a str; expected a mapping"),
    ],
)
def test_a_passage_says_what_it_cannot_hold(fields, message):
    with pytest.raises(InputError, match=message):
        Passage(**fields)


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        ([QUESTION], r"questions\[0\] is 'Which .*; expected pairs of a question and its passages"),
        (QUESTION, "questions is a str; expected pairs"),
        (None, "questions is a NoneType; expected pairs"),
        ([(QUESTION, PASSAGES), (QUESTION,)], r"questions\[1\] is \('Which"),
    ],
)
def test_unusable_questions(golden_reader, questions, message):
    with pytest.raises(InputError, match=message):
        golden_reader.answer_batch(questions)


def test_half_a_character_in_an_answer_is_told(golden_reader):
    for given, name in ((("\ud83d", None), "answer"), (("a", "\ud83d"), "thoughts")):
        with pytest.raises(InputError, match=f"{name} holds half of a surrogate pair"):
            golden_reader.attribute(QUESTION, PASSAGES, given[0], thoughts=given[1], thinking=THINK)


@pytest.mark.parametrize("answer", ["", "  \n", None])
def test_an_empty_answer_cannot_be_cited(golden_reader, answer):
    with pytest.raises(InputError, match=r"answer is .*; expected text"):
        golden_reader.attribute(QUESTION, PASSAGES, answer)


def test_an_empty_generated_answer_has_no_statements(golden_reader, golden_llama):
    end = golden_llama.tokenizer.eos_token_id
    answer = golden_reader.answer(QUESTION, PASSAGES, forced_eos_token_id=end, max_new_tokens=1)
    check_answer(answer, PASSAGES)
    assert (answer.text, answer.statements, answer.answer_tokens) == ("", (), 0)
    assert str(answer) == ""
    assert golden_reader.answer(
        QUESTION, PASSAGES, forced_eos_token_id=end, max_new_tokens=1, prune_to=1
    ).kept == (0,)


def test_an_answer_without_a_letter_is_one_statement(golden_reader):
    answer = golden_reader.attribute(QUESTION, PASSAGES, "1203")
    check_answer(answer, PASSAGES)
    assert [s.text for s in answer.statements] == ["1203"]


def test_a_span_outside_the_answer(golden_reader):
    answer = golden_reader.attribute(QUESTION, PASSAGES, "The Mol.")
    for span in ((0, 9), (-1, 3), (3, 3)):
        with pytest.raises(InputError, match="not within the answer's 8 characters"):
            answer.attribution.for_span(*span)
    with pytest.raises(InputError, match="k is 0"):
        answer.attribution.top(0)


def test_overflow_says_by_how_much(short_reader):
    passages = ["The bird saw a very big tree in the park. " * 6 for _ in range(8)]
    with pytest.raises(ContextOverflowError, match=r"has (\d+) tokens.*(\d+) tokens too long") as e:
        short_reader.answer("Who saw the tree?", passages)
    fits = short_reader.answer("Who saw the tree?", passages[:2])
    assert e.value.excess > 0
    assert fits.prompt_tokens + short_reader.settings.max_new_tokens <= 512


def test_overflow_can_drop_the_last_passages(short_reader):
    passages = [f"Bird number {i} saw a very big tree in the park. " * 5 for i in range(8)]
    with Unchanged(passages):
        answer = short_reader.answer("Who saw the tree?", passages, on_overflow="drop")
    check_answer(answer, passages)
    assert answer.kept + answer.dropped == tuple(range(8))
    assert answer.dropped
    # One more would not have fitted.
    request = Request("Who saw the tree?", as_passages(passages), settings=short_reader.settings)
    maker = PromptMaker.of(short_reader.tokenizer, request)
    assert len(maker.make(range(len(answer.kept) + 1)).ids) > 512 - 16
    pruned = short_reader.answer("Who?", passages, on_overflow="drop", prune_to=2)
    check_answer(pruned, passages)


def test_only_what_does_not_fit_is_dropped(short_reader):
    """Wherever it stands, and not what stands behind it."""
    short = [f"Bird number {i} saw a tree." for i in range(3)]
    for place in range(4):
        passages = [*short[:place], "The tree was very big. " * 100, *short[place:]]
        answer = short_reader.answer("Who saw it?", passages, on_overflow="drop")
        check_answer(answer, passages)
        assert (answer.dropped, answer.shortened) == ((place,), ())
        assert answer.kept == tuple(i for i in range(4) if i != place)
        without = short_reader.answer("Who saw it?", short)
        assert (answer.text, answer.prompt_tokens) == (without.text, without.prompt_tokens)


@pytest.mark.parametrize("unit", ["sentence", "passage", "token"])
def test_the_longest_passages_lose_their_last_sentences(short_reader, unit):
    long = " ".join(f"Tree number {i} was a very big tree." for i in range(80))
    passages = ["Bird one saw a tree. It sang.", Passage(long, title="Trees"), "Bird two slept."]
    options = {"on_overflow": "truncate", "source_unit": unit}
    with Unchanged(passages):
        answer = short_reader.answer("Who saw it?", passages, **options)
    check_answer(answer, passages)
    assert (answer.kept, answer.dropped) == ((0, 1, 2), ())
    [(index, length)] = answer.shortened
    assert index == 1
    assert long[:length].endswith("tree.")
    assert answer.passages[1].text == long
    assert all(s.end <= length for s in answer.attribution.sources if s.passage_index == 1)
    # One sentence more would not have fitted, and what was cut might as well not have been there.
    more = long.index("tree.", length) + len("tree.")
    by_hand = [passages[0], Passage(long[:length], title="Trees"), passages[2]]
    same = short_reader.answer("Who saw it?", by_hand, source_unit=unit)
    check_close(answer.attribution.scores, same.attribution.scores)
    assert same.prompt_tokens == answer.prompt_tokens
    by_hand[1] = Passage(long[:more], title="Trees")
    with pytest.raises(ContextOverflowError):
        short_reader.answer("Who saw it?", by_hand)
    assert Answer.from_dict(json.loads(json.dumps(answer.to_dict()))) == answer
    cited = short_reader.attribute("Who saw it?", passages, "Bird one saw a tree.", **options)
    assert cited.shortened
    assert len(short_reader.verify(cited).statements) == 1
    *_, streamed = short_reader.stream("Who saw it?", passages, **options)
    [batched] = short_reader.answer_batch([("Who saw it?", passages)], **options)
    assert streamed.shortened == batched.shortened == answer.shortened


def test_a_passage_without_a_sentence_left_is_dropped(short_reader):
    passages = ["A bird saw it. It sang.", "tree " * 1000, "It was a bird."]
    answer = short_reader.answer("Who saw it?", passages, on_overflow="truncate")
    check_answer(answer, passages)
    assert (answer.kept, answer.dropped, answer.shortened) == ((0, 2), (1,), ())
    pruned = short_reader.answer("Who?", passages, on_overflow="truncate", prune_to=1)
    assert pruned.dropped == (1,)
    with pytest.raises(ContextOverflowError, match="even one passage is too long"):
        short_reader.answer("Who?", ["tree " * 1000], on_overflow="truncate")


def test_one_passage_too_long_cannot_be_dropped(short_reader):
    with pytest.raises(ContextOverflowError, match="even one passage is too long"):
        short_reader.answer("Who?", ["tree " * 1000], on_overflow="drop")


def test_nan_weights_are_reported(golden_llama):
    model = AutoModelForCausalLM.from_pretrained(golden_llama.folder / "model")
    reader = Reader(model, golden_llama.tokenizer, ScoreEstimator.uniform(model))
    with torch.no_grad():
        model.lm_head.weight[7] = float("nan")
    for call in (
        lambda: reader.answer(QUESTION, PASSAGES, max_new_tokens=4),
        lambda: reader.attribute(QUESTION, PASSAGES, "The Mol."),
    ):
        with pytest.raises(NumericalError, match=r"logits became NaN.*dtype"):
            call()


def test_an_estimator_for_another_model(golden_llama):
    wrong = LinearEstimator(torch.ones(2, 4))
    with pytest.raises(EstimatorMismatchError, match=r"2 layers of 4 heads.*3 layers of 4 heads"):
        Reader(golden_llama.model, golden_llama.tokenizer, wrong)


def test_loading_from_folders(golden_llama, tmp_path):
    folder = golden_llama.folder
    reader = Reader.from_pretrained(
        folder / "model", estimator=folder / "score_estimator.pt", dtype="float32"
    )
    answer = reader.answer(QUESTION, PASSAGES, max_new_tokens=4)
    check_answer(answer, PASSAGES)
    assert answer.estimator == "linear"
    with pytest.raises(InputError, match=r"There is nothing at .*no-such-model"):
        Reader.from_pretrained(tmp_path / "no-such-model")


def test_loading_an_encoder_decoder_is_refused(tmp_path, golden_llama):
    from transformers import T5Config, T5ForConditionalGeneration

    small = T5Config(d_model=16, d_ff=16, num_layers=1, num_heads=2, vocab_size=32, d_kv=8)
    T5ForConditionalGeneration(small).save_pretrained(tmp_path)
    golden_llama.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModelError, match="no causal language model"):
        Reader.from_pretrained(tmp_path)


def test_a_method_goes_by_its_name(demo_reader):
    example = next(generate_examples(11, 4, hops=1))
    asked = example.question, example.passages, example.answer
    blend = demo_reader.with_options(method="at2+bm25")
    again = Reader(blend.model, blend.tokenizer, demo_reader.estimator, method="at2+bm25")
    assert blend.method.name == again.method.name == "at2+bm25"
    assert blend.attribute(*asked) == again.attribute(*asked)
    assert blend.with_options(method="estimator").attribute(*asked) == demo_reader.attribute(*asked)
    scores = blend.attribute(*asked).attribution.by_source()
    assert 0 <= float(scores.min()) <= float(scores.max()) <= 1


def test_what_is_no_answer_is_not_verified(golden_reader):
    with pytest.raises(InputError, match="answer is a str; expected Answer"):
        golden_reader.verify("The mill was built in 1820.")


def test_what_cannot_be_loaded_is_told_before_it_is_tried(tmp_path):
    with pytest.raises(InputError, match=r"holds no model: there is no config\.json and no GGUF"):
        Reader.from_pretrained(tmp_path)
    with pytest.raises(InputError, match="name is a NoneType; expected str or Path"):
        Reader.from_pretrained(None)
    with pytest.raises(InputError, match=r"dtype is 'float17'; expected .*, or a type of torch"):
        Reader.from_pretrained(tmp_path, dtype="float17")
    with pytest.raises(InputError, match="no method 'lime'"):
        Reader.from_pretrained(tmp_path, method="lime")


# How many passages are shown


def test_the_passages_that_are_shown_are_the_best_by_bm25_in_the_callers_order(golden_reader):
    for most in range(1, 5):
        answer = golden_reader.answer(QUESTION, PASSAGES, max_passages=most)
        check_answer(answer, PASSAGES)
        assert list(answer.kept) == best_by_bm25(QUESTION, answer.passages, most)
        assert sorted(answer.kept + answer.dropped) == [0, 1, 2, 3]
    assert answer.dropped == ()
    assert answer.text == golden_reader.answer(QUESTION, PASSAGES).text


@pytest.mark.parametrize("unit", ["sentence", "token"])
def test_passages_that_are_not_shown_change_nothing(golden_reader, unit):
    """As if nobody had passed them; only that their indices are taken."""
    answer = golden_reader.answer(QUESTION, PASSAGES, max_passages=2, source_unit=unit)
    shown = [PASSAGES[index] for index in answer.kept]
    alone = golden_reader.answer(QUESTION, shown, source_unit=unit)
    assert (answer.text, answer.prompt_tokens) == (alone.text, alone.prompt_tokens)
    assert torch.equal(answer.attribution.scores, alone.attribution.scores)
    told = [(answer.kept.index(s.passage_index), s.text) for s in answer.attribution.sources]
    assert told == [(s.passage_index, s.text) for s in alone.attribution.sources]


def test_all_ways_to_ask_show_the_same_passages(golden_reader):
    reader = golden_reader.with_options(max_passages=2)
    answer = reader.answer(QUESTION, PASSAGES)
    assert len(answer.kept) == 2
    assert reader.answer_batch([(QUESTION, PASSAGES)])[0].kept == answer.kept
    assert list(reader.stream(QUESTION, PASSAGES))[-1].kept == answer.kept
    given = reader.attribute(QUESTION, PASSAGES, "Zandor lies on the Mol.")
    assert (given.kept, given.dropped) == (answer.kept, answer.dropped)
    assert reader.task(QUESTION, PASSAGES).answer.kept == answer.kept
    assert set(reader.prune(QUESTION, PASSAGES, top_k=1).kept) <= set(answer.kept)
    assert reader.verify(given).statements


def test_empty_passages_are_not_counted_and_pruning_begins_with_what_is_shown(golden_reader):
    passages = ["", *PASSAGES, " "]
    answer = golden_reader.answer(QUESTION, passages, max_passages=3, prune_to=3)
    assert (len(answer.kept), len(answer.dropped), answer.draft) == (3, 1, None)
    pruned = golden_reader.answer(QUESTION, passages, max_passages=3, prune_to=1)
    assert len(pruned.kept) == 1
    assert (pruned.draft.kept, pruned.dropped) == (answer.kept, answer.dropped)


@pytest.mark.parametrize("how", ["drop", "truncate"])
def test_what_is_not_shown_and_what_does_not_fit_are_both_said(short_reader, how):
    passages = [f"Bird number {i} saw a very big tree in the park. " * 5 for i in range(8)]
    answer = short_reader.answer("Who saw bird?", passages, max_passages=6, on_overflow=how)
    check_answer(answer, passages)
    assert sorted(answer.kept + answer.dropped) == list(range(8))
    assert len(answer.kept) < 6 or answer.shortened
    few = short_reader.answer("Who saw bird?", passages, max_passages=1, on_overflow=how)
    assert (len(few.kept), len(few.dropped), few.shortened) == (1, 7, ())
