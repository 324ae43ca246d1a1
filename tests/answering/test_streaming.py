"""Streaming: in pieces what is answered as a whole, as early as it is certain, and left at once."""

import asyncio
import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.comparing import check_same
from support.nasty import NASTY
from support.saying import Says, saying
from support.sentences import TEXTS
from support.texts import KINDS, quick, readable_texts, tokenizer_of
from support.zandor import PASSAGES, QUESTION
from transformers import AutoModelForCausalLM

from at2_rag import (
    Answer,
    InputError,
    LinearEstimator,
    NetworkEstimator,
    NumericalError,
    Reader,
    ScoreEstimator,
    Statement,
    Writing,
)
from at2_rag.answering.background import NobodyListens, in_async_background, in_background
from at2_rag.answering.decoding import decode_answer
from at2_rag.answering.settled import SettledSentences, settled_text, settled_tokens
from at2_rag.documents.sentences import statement_spans
from at2_rag.estimators.calibration import Calibration, Reliability
from at2_rag.estimators.network import SourceNetwork
from at2_rag.methods.leave_one_out import LeaveOneOutMethod
from at2_rag.prompt.tokens import special_ids
from at2_rag.spans import touching
from at2_rag.worlds import generate_examples

THREE = "Zandor lies on the Mol. Dr. Rufe says so. It was founded in 1203."


def check_events(events, answer):
    """Assert that the events are those of an answer, in their order."""
    *pieces, last = events
    check_same(last.to_dict(), answer.to_dict())
    written = [event for event in pieces if isinstance(event, Writing)]
    assert [event.last for event in written] == [False] * (len(written) - 1) + [True] * bool(
        written
    )
    ahead = [event.text for event in written]
    assert all(ahead[:-1])
    assert "".join(ahead) in ("", answer.text)
    assert all(isinstance(event, Writing) for event in pieces[: len(ahead)])
    pieces, text, statements = pieces[len(ahead) :], "", []
    for event in pieces:
        if isinstance(event, Statement):
            assert len(text) == event.end
            statements.append(event)
        else:
            assert event
            text += event
            # Never past the end of a statement that is not there yet.
            ends = [s.end for s in answer.statements[len(statements) :]]
            assert not ends or len(text) <= ends[0]
    assert text == answer.text
    check_same([s.to_dict() for s in statements], [s.to_dict() for s in last.statements])


async def collect(events):
    return [event async for event in events]


def answer_threads():
    return [thread for thread in threading.enumerate() if thread.name == "at2-rag answer"]


# What is settled stays


PARTS = (
    *"abAB12.?!,;:-_[]()\"'”*。」！？『」你あ \u3000\t\n\r\xa0\x1f\x1c",
    ". ", ".\u3000", "  ", "No.", "Dr.", "e.g.", "U.S.", "...", ". . .", "--", "[1]", "He", "the",
    "# ", "| a. b |\n", "|---|\n", "\n\n",
)  # fmt: skip
MARKS = st.lists(st.sampled_from(PARTS), max_size=30).map("".join)


@given(st.one_of(TEXTS, MARKS, st.text('.?! aB"\u3000)。[1]', max_size=14)))
def test_settled_sentences_are_those_of_the_whole_text(text):
    check_settled(text)


@pytest.mark.parametrize(
    "text",
    [
        "He works for Inc. Headquartered there, he sleeps.",  # "Inc. He" would be two sentences
        "They met at 5 p.m. Settlement came. So it went.",
        'He said. "--[1x] Then he left.',
        'He said "Stop.") Then he left. (She did not.) So.',
        "Was it?! No. J. R. R. Tolkien wrote no. 5 in 1990. of all things.",
        "## A. B\nIt is. So\n\n| A. B | C |\n| --- | --- |\n| 1. He is. | 2 |\n| 3 | 4 |\nSo.",
        "It stands. He was born on Mars:\n\n",
        "Two things:\n\n- One.\n- **Another:**\n",
        "我们。[1]走了！「はい。」」**そう** OK. 3.5は。終わり",
    ],
)
def test_settled_sentences_where_they_are_hard_to_tell(text):
    check_settled(text)
    check_settled(f"{text} {text}\r\n{text}")


@pytest.mark.parametrize("passage", NASTY, ids=lambda passage: passage.title)
def test_settled_sentences_of_passages(passage):
    check_settled(passage.text)


def check_settled(text):
    text = text.lstrip()
    whole = statement_spans(text.rstrip())
    settled = SettledSentences("english")
    for length in range(len(text) + 1):
        settled.read(text[:length])
        count = len(settled.spans)
        assert settled.spans == whole[:count]
        assert settled.free <= length
        shown = len(text[: settled.free].rstrip())
        assert count == len(whole) or shown <= whole[count][1]


@pytest.mark.parametrize(
    ("text", "count", "shown"),
    [
        ("It rained", 0, "It rained"),
        ("It rained. We", 0, "It rained."),
        ("It rained. We ", 1, "It rained. We"),
        ("It rained.\n", 0, "It rained."),
        ("It rained.\n\n", 1, "It rained."),
        ("It rained.\nWe stayed", 1, "It rained.\nWe stayed"),
        ("It rained.\n- We", 1, "It rained.\n- We"),
        ('He said "Stop." Then ', 1, 'He said "Stop." Then'),
        ('He said "Stop." Th', 0, 'He said "Stop.'),
        ("It rained.[1] We ", 1, "It rained.[1] We"),
        ("It works for Inc. He", 0, "It works for Inc."),
        ('He said. "--[1x ', 0, 'He said. "'),
        ("Dr. Smith ", 0, "Dr. Smith"),
        ("It costs 3.5", 0, "It costs 3.5"),
        ("今日は。", 0, "今日は。"),
        ("今日は。明", 1, "今日は。明"),
        ("今日は。「はい", 1, "今日は。「はい"),
        ("1. Apples ", 0, "1. Apples"),
        ("12. 13. ", 0, "12. 13."),
    ],
)
def test_how_early_sentences_settle(text, count, shown):
    settled = SettledSentences("english")
    settled.read(text)
    assert len(settled.spans) == count
    assert text[: settled.free].rstrip() == shown


@pytest.mark.parametrize("kind", KINDS)
@quick
@given(text=readable_texts, data=st.data())
def test_settled_tokens_decode_to_what_they_will_be(kind, text, data):
    """For tokens of texts, and for tokens in an order that no text has."""
    tokenizer = tokenizer_of(kind)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    if data.draw(st.booleans()):
        anything = st.sampled_from(range(len(tokenizer)))
        ids = data.draw(st.lists(st.sampled_from(ids) | anything, max_size=20)) if ids else ids
    special = special_ids(tokenizer)
    whole = decode_answer(tokenizer, ids)
    read = ""
    for length in range(len(ids) + 1):
        tokens = settled_tokens(tokenizer, ids[:length], special)
        now = settled_text(tokenizer, ids[:tokens])
        assert now.startswith(read)
        assert f"{whole.text}\ufffd".startswith(now.rstrip())
        read = now
        check_spans(decode_answer(tokenizer, ids[:tokens]), whole, len(now.rstrip()))


def check_spans(part, whole, length):
    """Assert that the same tokens stand for each settled character."""
    for place in range(min(length, len(whole.text))):
        assert touching(part.spans, place, place + 1) == touching(whole.spans, place, place + 1)


# Streamed equals whole


@quick
@given(text=st.one_of(readable_texts, MARKS.filter(str.strip), TEXTS.filter(str.strip)))
def test_streamed_equals_whole_whatever_the_model_says(golden_reader, text):
    options = saying(golden_reader, text[:40])
    answer = golden_reader.answer(QUESTION, PASSAGES, **options)
    again = saying(golden_reader, text[:40])
    check_events(golden_reader.stream(QUESTION, PASSAGES, **again), answer)


@pytest.fixture(scope="module")
def estimators(golden_llama):
    """One of each kind, with thresholds that let statements lean on one another."""
    torch.manual_seed(0)
    shape = ScoreEstimator.uniform(golden_llama.model).shape
    some, every = (Reliability(threshold, None, None, 1) for threshold in (5.0, 1e-3))
    calibration = Calibration("sentence", 1.0, some, some, every)
    network = SourceNetwork(shape, mixtures=3, width=8)
    network.score.bias.data.fill_(1.0)  # scores above 0, or nothing is cited
    made = {
        "uniform": ScoreEstimator.uniform(golden_llama.model),
        "copying": LinearEstimator(torch.rand(3, 4), copying=torch.rand(3, 4)),
        "calibrated": LinearEstimator(torch.rand(3, 4)).calibrated(calibration),
        "network": NetworkEstimator(network),
        "calibrated network": NetworkEstimator(network).calibrated(calibration),
    }
    for name, estimator in made.items():
        assert name.endswith(estimator.kind) or name == "calibrated"
    return made


@pytest.mark.parametrize(
    "kind", ["uniform", "copying", "calibrated", "network", "calibrated network"]
)
@pytest.mark.parametrize("unit", ["sentence", "word"])
def test_every_kind_of_estimator(golden_llama, estimators, kind, unit):
    """To the last bit, although one comes from a part of the answer and one from the whole."""
    reader = Reader(golden_llama.model, golden_llama.tokenizer, estimators[kind])
    text = f"{THREE} So what? Final answer: Mol"
    options = {"source_unit": unit, "max_citations": 9}
    answer = reader.answer(QUESTION, PASSAGES, **saying(reader, text, **options))
    events = list(reader.stream(QUESTION, PASSAGES, **saying(reader, text, **options)))
    check_events(events, answer)
    assert len(answer.statements) == 5
    assert answer.citations or unit == "word"
    if kind.startswith("calibrated") and unit == "sentence":
        assert any(c.via is not None for s in answer.statements for c in s.citations)
        assert all(s.supported for s in answer.statements)


@pytest.mark.parametrize(
    "options",
    [{}, {"prune_to": 2}, {"max_new_tokens": 3}, {"source_unit": "token"}, {"max_citations": 1},
     {"history": [{"role": "user", "content": "Hello"}], "system": "Be brief."}],
    ids=str,
)  # fmt: skip
def test_every_option(golden_reader, demo_reader, options):
    for reader in (golden_reader, demo_reader):
        answer = reader.answer(QUESTION, PASSAGES, **options)
        check_events(reader.stream(QUESTION, PASSAGES, **options), answer)
        check_events(asyncio.run(collect(reader.astream(QUESTION, PASSAGES, **options))), answer)


@pytest.mark.parametrize(
    "options",
    [{"num_beams": 3}, {"use_cache": False}, {"cache_implementation": "static"},
     {"prompt_lookup_num_tokens": 3}, {"num_beams": 2, "prune_to": 1}],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_followed_comes_at_the_end(golden_reader, options):
    answer = golden_reader.answer(QUESTION, PASSAGES, **options)
    check_events(golden_reader.stream(QUESTION, PASSAGES, **options), answer)


def test_a_cache_that_cannot_be_followed_shows_before_anything_is_said(golden_reader, monkeypatch):
    """Sampled again, the answer would not begin with what was said."""
    monkeypatch.setattr("at2_rag.model.recorded_model.is_recordable", lambda model, arguments: True)
    options = {"use_cache": False, "do_sample": True, "temperature": 2.0, "max_new_tokens": 5}
    for seed in range(4):
        torch.manual_seed(seed)
        answer = golden_reader.answer(QUESTION, PASSAGES, **options)
        torch.manual_seed(seed)
        check_events(golden_reader.stream(QUESTION, PASSAGES, **options), answer)


LATE = {"prove": 2}, {"groundedness": True}, {"score_by": "gradient"}


@pytest.mark.parametrize("late", LATE, ids=str)
def test_text_comes_as_it_is_written_where_statements_come_at_the_end(demo_reader, late):
    world = next(generate_examples(11, 8, 2))
    events = list(demo_reader.stream(world.question, world.passages, **late))
    ahead = [event.text for event in events if isinstance(event, Writing)]
    assert len(ahead) > 3
    assert "".join(ahead) == events[-1].text
    check_events(events, demo_reader.answer(world.question, world.passages, **late))


def test_all_of_the_text_is_there_before_it_is_run_again(golden_llama):
    """Also its last word, which is not settled while more may follow."""
    read = threading.Event()

    class Waiting(LeaveOneOutMethod):
        def scores(self, task):
            assert read.wait(60), "the text was held back"
            return super().scores(task)

    plain = Reader(golden_llama.model, golden_llama.tokenizer, "average")
    expected = plain.answer(QUESTION, PASSAGES, **saying(plain, THREE) | {"max_new_tokens": 9})
    assert expected.truncated
    reader, text = plain.with_options(method=Waiting()), ""
    options = saying(reader, THREE) | {"max_new_tokens": 9}
    for event in reader.stream(QUESTION, PASSAGES, **options):
        text += event.text if isinstance(event, Writing) else ""
        if text == expected.text:
            read.set()
    assert read.is_set()


@quick
@given(text=st.one_of(readable_texts, MARKS.filter(str.strip), TEXTS.filter(str.strip)))
def test_text_ahead_is_that_of_the_whole_whatever_the_model_says(golden_llama, text):
    reader = Reader(golden_llama.model, golden_llama.tokenizer, "average", method="random")
    answer = reader.answer(QUESTION, PASSAGES, **saying(reader, text[:40]))
    check_events(reader.stream(QUESTION, PASSAGES, **saying(reader, text[:40])), answer)


def test_proven_statements_come_at_the_end(demo_reader, golden_llama):
    """With the citations that stand, so that no event has to be taken back."""
    other = Reader(golden_llama.model, golden_llama.tokenizer, method=LeaveOneOutMethod())
    world = next(generate_examples(11, 8, 2))
    asked = world.question, world.passages
    for reader, question, options in (
        (demo_reader, asked, {}),
        (demo_reader, asked, {"prune_to": 2}),
        (other, (QUESTION, PASSAGES), saying(other, THREE)),
    ):
        answer = reader.answer(*question, prove=2, **options)
        check_events(reader.stream(*question, prove=2, **options), answer)
        assert reader is other or any(c.effect is not None for c in answer.citations)


def test_other_methods_come_at_the_end(golden_llama):
    reader = Reader(
        golden_llama.model, golden_llama.tokenizer, method=LeaveOneOutMethod(), max_new_tokens=40
    )
    answer = reader.answer(QUESTION, PASSAGES, **saying(reader, THREE))
    events = list(reader.stream(QUESTION, PASSAGES, **saying(reader, THREE)))
    check_events(events, answer)
    assert sum(not isinstance(event, Writing) for event in events) == 2 * 3 + 1
    assert answer.estimator == LeaveOneOutMethod().name


def test_sampling_follows_the_seed(golden_reader):
    options = {"do_sample": True, "temperature": 1.5}
    torch.manual_seed(1)
    answer = golden_reader.answer(QUESTION, PASSAGES, **options)
    torch.manual_seed(1)
    check_events(golden_reader.stream(QUESTION, PASSAGES, **options), answer)


def test_the_callers_own_stopping_criteria_are_kept(golden_reader):
    from transformers import StoppingCriteria

    class AtFour(StoppingCriteria):
        def __call__(self, input_ids, scores, **kwargs):
            self.first = min(getattr(self, "first", 10**9), input_ids.shape[1])
            return torch.full((1,), input_ids.shape[1] - self.first >= 3)

    given = [AtFour()]
    answer = golden_reader.answer(QUESTION, PASSAGES, stopping_criteria=given)
    assert answer.answer_tokens == 4
    check_events(golden_reader.stream(QUESTION, PASSAGES, stopping_criteria=given), answer)
    assert len(given) == 1


def test_an_empty_answer(golden_reader, golden_llama):
    end = golden_llama.tokenizer.eos_token_id
    events = list(golden_reader.stream(QUESTION, PASSAGES, forced_eos_token_id=end,
                                       max_new_tokens=1))  # fmt: skip
    assert [type(event) for event in events] == [Answer]


# As early as it is certain


def test_events_come_while_the_model_is_writing(golden_reader):
    """The model waits at the second sentence's end until the first has been received."""
    received = threading.Event()
    first = len(Says(golden_reader, "Zandor lies on the Mol. Dr. Rufe says").ids)

    def wait(step):
        if step == first + 2:
            assert received.wait(60)

    says = Says(golden_reader, THREE, before=wait)
    events = []
    for event in golden_reader.stream(
        QUESTION, PASSAGES, logits_processor=[says], max_new_tokens=len(says.ids)
    ):
        events.append(event)
        if isinstance(event, Statement):
            received.set()
    check_events(events, golden_reader.answer(QUESTION, PASSAGES, **saying(golden_reader, THREE)))
    # Most tokens come as pieces of their own.
    assert len(events) > len(says.ids) / 2


def test_a_statement_is_scored_once(golden_llama, monkeypatch):
    reader = Reader(
        golden_llama.model, golden_llama.tokenizer, ScoreEstimator.uniform(golden_llama.model)
    )
    rows = []
    scores = LinearEstimator.scores

    def counted(self, attention, regions):
        rows.append(len(attention.answer))
        return scores(self, attention, regions)

    monkeypatch.setattr(LinearEstimator, "scores", counted)
    *_, answer = reader.stream(QUESTION, PASSAGES, **saying(reader, THREE))
    # While streaming, each token of a settled statement once and the few behind it; then all.
    assert sum(rows) < 2.5 * answer.answer_tokens


def test_the_event_loop_stays_free(golden_reader):
    """The model waits before each of its steps until the loop has turned once more."""
    turned = threading.Event()

    async def tick():
        while True:
            turned.set()
            await asyncio.sleep(0.001)

    def wait(step):
        turned.clear()
        assert turned.wait(60)

    async def run():
        ticking = asyncio.create_task(tick())
        says = Says(golden_reader, THREE, before=wait)
        stream = golden_reader.astream(QUESTION, PASSAGES, logits_processor=[says])
        events = await collect(stream)
        ticking.cancel()
        return events

    assert isinstance(asyncio.run(run())[-1], Answer)


# Left early


STEPS = 1000


@pytest.fixture
def endless(golden_reader):
    """Options of an answer that takes seconds, and the count of its steps."""
    says = Says(golden_reader, f"{THREE} ", again=True, before=lambda step: time.sleep(0.002))
    yield {"logits_processor": [says], "max_new_tokens": STEPS}, says
    assert 1 < says.steps < STEPS / 2
    assert answer_threads() == []


def test_closing_stops_the_model(golden_reader, endless):
    options, _ = endless
    stream = golden_reader.stream(QUESTION, PASSAGES, **options)
    assert next(stream)
    assert answer_threads()
    stream.close()


def test_dropping_the_generator_stops_the_model_and_frees_everything(golden_reader):
    says = Says(golden_reader, f"{THREE} ", again=True, before=lambda step: time.sleep(0.002))
    gone = weakref.ref(says)
    stream = golden_reader.stream(QUESTION, PASSAGES, logits_processor=[says], max_new_tokens=STEPS)
    next(stream)
    del stream, says
    gc.collect()
    assert answer_threads() == []
    assert gone() is None


def test_an_error_of_the_consumer_stops_the_model(golden_reader, endless):
    options, _ = endless

    def consume():
        for event in golden_reader.stream(QUESTION, PASSAGES, **options):
            raise LookupError(event)

    with pytest.raises(LookupError):
        consume()


@pytest.mark.parametrize(
    "before_words_come", [{"prune_to": 1}, {"num_beams": 2}], ids=["a draft", "beams"]
)
def test_what_comes_before_any_words_can_be_left(golden_reader, endless, before_words_come):
    options, says = endless
    stream = golden_reader.astream(QUESTION, PASSAGES, **before_words_come, **options)

    async def run():
        waiting = asyncio.create_task(anext(stream))
        while says.steps < 3:
            await asyncio.sleep(0.001)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(run())


async def break_off(stream):
    async for _ in stream:
        break


async def close(stream):
    await anext(stream)
    await stream.aclose()
    assert answer_threads() == []


async def close_behind(stream):
    async with aclosing(stream):
        await anext(stream)
    assert answer_threads() == []


async def fail(stream):
    async for event in stream:
        raise LookupError(event)


async def cancel_itself(stream):
    async for _ in stream:
        asyncio.current_task().cancel()


async def cancel_again_and_again(stream):
    task = asyncio.current_task()

    async def cancel():
        for _ in range(9):
            task.cancel()
            await asyncio.sleep(0)

    async for _ in stream:
        cancelling = asyncio.create_task(cancel())
    await cancelling


@pytest.mark.parametrize(
    ("leave", "error"),
    [(break_off, None), (close, None), (close_behind, None), (fail, LookupError),
     (cancel_itself, asyncio.CancelledError), (cancel_again_and_again, asyncio.CancelledError)],
)  # fmt: skip
def test_leaving_an_async_stream_stops_the_model(golden_reader, endless, leave, error):
    async def run():
        task = asyncio.create_task(leave(golden_reader.astream(QUESTION, PASSAGES, **endless[0])))
        (result,) = await asyncio.gather(task, return_exceptions=True)
        assert type(result) is (error or type(None))
        del task, result
        deadline = time.monotonic() + 120
        while answer_threads() and time.monotonic() < deadline:  # until the loop gets to it
            await asyncio.sleep(0.01)
        assert answer_threads() == []

    asyncio.run(run())


def test_a_loop_that_ends_closes_its_streams(golden_reader, endless):
    """Also one that it had no time to close."""
    asyncio.run(break_off(golden_reader.astream(QUESTION, PASSAGES, **endless[0])))
    for thread in answer_threads():
        thread.join(120)
    assert answer_threads() == []


def test_a_stream_that_nobody_could_close_ends_its_work_too():
    """As when an event loop ends before it has closed a stream that was left."""
    left = threading.Event()

    def work(line):
        line.put(1)
        deadline = time.monotonic() + 120
        try:
            while time.monotonic() < deadline:
                line.check()
                time.sleep(0.001)
        except NobodyListens:
            left.set()

    asyncio.run(break_off(in_async_background(work)))
    assert left.wait(60)


def test_a_loop_that_is_closed_ends_the_work():
    """Nothing waits for results that cannot be delivered."""
    loop = asyncio.new_event_loop()
    started, closed = threading.Event(), threading.Event()

    def work(line):
        line.put(1)
        started.set()
        assert closed.wait(60)
        while True:
            line.put(2)

    stream = in_async_background(work)
    assert loop.run_until_complete(anext(stream)) == 1
    assert started.wait(60)
    (thread,) = answer_threads()
    loop.close()
    closed.set()
    thread.join(60)
    assert not thread.is_alive()
    with pytest.raises(RuntimeError):
        stream.aclose().send(None)


def test_a_stream_that_was_never_started_runs_nothing(golden_reader, recwarn):
    golden_reader.stream(QUESTION, PASSAGES).close()
    stream = golden_reader.astream(QUESTION, PASSAGES)
    del stream
    gc.collect()
    assert answer_threads() == []
    assert not recwarn.list


# Errors


@pytest.mark.parametrize(
    ("question", "options", "message"),
    [
        (" ", {}, "question is ' '"),
        (QUESTION, {"prune_to": 0}, "prune_to is 0"),
        (QUESTION, {"source_unit": "page"}, "source_unit is 'page'"),
        (QUESTION, {"num_return_sequences": 2}, "num_return_sequences is 2"),
    ],
)
def test_bad_input_is_refused_at_the_first_event(golden_reader, question, options, message):
    stream = golden_reader.stream(question, PASSAGES, **options)
    with pytest.raises(InputError, match=message):
        next(stream)
    with pytest.raises(InputError, match=message):
        asyncio.run(collect(golden_reader.astream(question, PASSAGES, **options)))
    assert answer_threads() == []


def test_errors_of_the_model_reach_the_consumer_behind_what_was_said(golden_reader):
    def fail(step):
        if step == 20:
            raise MemoryError("full")

    for collect_all in (
        lambda **options: collect_into(golden_reader.stream(QUESTION, PASSAGES, **options)),
        lambda **options: asyncio.run(
            acollect_into(golden_reader.astream(QUESTION, PASSAGES, **options))
        ),
    ):
        says = Says(golden_reader, THREE, before=fail)
        events, error = collect_all(logits_processor=[says])
        assert isinstance(error, MemoryError)
        assert "".join(e for e in events if isinstance(e, str)).startswith("Zandor")
        assert answer_threads() == []


def collect_into(stream):
    events = []
    try:
        for event in stream:
            events.append(event)
    except MemoryError as error:
        return events, error
    return events, None


async def acollect_into(stream):
    events = []
    try:
        async for event in stream:
            events.append(event)
    except MemoryError as error:
        return events, error
    return events, None


def test_nan_is_reported(golden_llama):
    model = AutoModelForCausalLM.from_pretrained(golden_llama.folder / "model")
    reader = Reader(model, golden_llama.tokenizer, ScoreEstimator.uniform(model))
    with torch.no_grad():
        model.lm_head.weight[7] = float("nan")
    with pytest.raises(NumericalError, match="logits became NaN"):
        list(reader.stream(QUESTION, PASSAGES, max_new_tokens=4))


def test_background_work_that_fails_at_once():
    def work(line):
        raise KeyError("nothing")

    with pytest.raises(KeyError, match="nothing"):
        list(in_background(work))


# At the same time


def test_threads_answer_and_stream_at_once(demo_reader):
    questions = [f"Which river does {name} lie on?" for name in ("Zandor", "Rufe", "Mol", "Dabri")]
    alone = [demo_reader.answer(question, PASSAGES) for question in questions]

    def ask(index):
        question = questions[index // 2]
        if index % 2:
            return [demo_reader.answer(question, PASSAGES)]
        return list(demo_reader.stream(question, PASSAGES))

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ask, range(8)))
    for index, events in enumerate(together):
        if index % 2:
            assert events == [alone[index // 2]]
        else:
            check_events(events, alone[index // 2])


def test_tasks_stream_at_once(golden_reader):
    questions = [f"Question {i}: {QUESTION}" for i in range(16)]
    alone = [golden_reader.answer(question, PASSAGES) for question in questions]

    async def run():
        streams = (golden_reader.astream(question, PASSAGES) for question in questions)
        return await asyncio.gather(*map(collect, streams))

    for events, answer in zip(asyncio.run(run()), alone, strict=True):
        check_events(events, answer)
    assert answer_threads() == []
