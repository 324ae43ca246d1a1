"""First come, first served; and whoever leaves, or takes too long, makes room for the next."""

import asyncio
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from at2_rag.server.limits import Limits
from at2_rag.server.metrics import Metrics
from at2_rag.server.problems import Problem
from at2_rag.server.streams import EventStream
from at2_rag.server.turns import Turns
from at2_rag.server.work import Desk, Quiet

EVENTS = st.lists(st.one_of(st.just("enter"), st.integers(0, 9)), max_size=40)


@given(EVENTS)
def test_turns_are_taken_in_order_whoever_leaves(events):
    """Against a list, which is all that a line is."""

    async def run():
        turns, line = Turns(most=5), []
        for each in events:
            if each == "enter" and len(line) > 5:
                with pytest.raises(Problem) as refused:
                    turns.enter()
                assert refused.value.code == "queue_full"
            elif each == "enter":
                line.append(turns.enter())
            elif each < len(line):
                line.pop(each).leave()
            assert [turn.ahead for turn in line] == list(range(len(line)))
            assert (turns.busy, turns.waiting) == (bool(line), max(len(line) - 1, 0))
        if line:
            async with asyncio.timeout(60):
                await line[0].come()
        for turn in line[1:]:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(turn.come(), 0)
        for turn in (*line, *line):  # leaving twice is leaving
            turn.leave()
        assert not turns.busy

    asyncio.run(run())


def counting(log, name, count=3, pause=0.0):
    """Return work that counts, and notes where it begins and ends."""

    async def events():
        log.append(f"{name} begins")
        try:
            for number in range(count):
                await asyncio.sleep(pause)
                yield number
        finally:
            log.append(f"{name} ends")

    return events


def desk(**limits):
    return Desk(Limits(**limits), Metrics())


async def all_of(work):
    return [event async for event in work.events() if not isinstance(event, Quiet)]


def test_work_is_done_one_by_one_and_told_in_full():
    async def run():
        log, shared = [], desk()
        works = [shared.begin(counting(log, name)) for name in "abc"]
        assert [work.ahead for work in works] == [0, 1, 2]
        assert await asyncio.gather(*map(all_of, works)) == [[0, 1, 2]] * 3
        assert log == [f"{name} {what}" for name in "abc" for what in ("begins", "ends")]

    asyncio.run(run())


def test_the_next_one_does_not_wait_for_a_slow_client():
    async def run():
        shared = desk()
        slow = shared.begin(counting([], "slow"))
        assert await shared.begin(counting([], "next")).last() == 2
        assert await all_of(slow) == [0, 1, 2]

    asyncio.run(run())


def test_who_leaves_ends_the_work_or_never_begins_it():
    async def run():
        log, shared = [], desk()
        first, second, third = (shared.begin(counting(log, n, 50, 0.01)) for n in "abc")
        async with aclosing(first.events()) as events:
            async for _ in events:
                break
        second.leave()
        first.leave()
        await third.begun(5)
        assert log == ["a begins", "a ends", "c begins"]
        assert shared.metrics.counted("cancelled") == 2
        await shared.close()
        assert log[-1] == "c ends"
        assert not shared.turns.busy

    asyncio.run(run())


def test_who_takes_too_long_is_told_so_and_the_next_is_done():
    async def run():
        shared = desk(seconds=0.05)
        long, short = shared.begin(counting([], "a", 99, 0.01)), shared.begin(counting([], "b"))
        with pytest.raises(Problem, match=r"longer than 0\.05 seconds") as problem:
            await all_of(long)
        assert problem.value.status_code == 504
        assert await all_of(short) == [0, 1, 2]

    asyncio.run(run())


def test_who_waits_too_long_is_told_so():
    async def run():
        shared = desk(wait_seconds=0.05)
        first, second = (shared.begin(counting([], n, 20, 0.01)) for n in "ab")
        with pytest.raises(Problem, match=r"not free within 0\.05 seconds"):
            await all_of(second)
        assert await first.last() == 19

    asyncio.run(run())


def test_who_waits_is_told_how_many_come_before():
    async def run():
        shared = desk(quiet_seconds=0.02)
        works = [shared.begin(counting([], n, 2, 0.1)) for n in "abc"]
        told = [event.ahead async for event in works[2].events() if isinstance(event, Quiet)]
        assert told == sorted(told, reverse=True)
        assert {2, 1, 0} == set(told)
        await shared.close()

    asyncio.run(run())


def test_an_error_is_told_where_it_comes():
    async def run():
        async def failing():
            yield 1
            raise Problem(400, "No.")

        shared = desk()
        work = shared.begin(failing)
        await work.begun(5)
        with pytest.raises(Problem, match="No"):
            await all_of(work)
        assert not shared.turns.busy

        async def failing_at_once():
            raise Problem(400, "Never.")
            yield

        with pytest.raises(Problem, match="Never"):
            await shared.begin(failing_at_once).begun(5)

    asyncio.run(run())


@pytest.mark.parametrize("stuck", [True, False])
def test_a_client_that_takes_nothing_counts_as_gone(stuck):
    """As does one that leaves: the events are let go."""

    async def run():
        ended, sent = [], []

        async def events():
            try:
                while True:
                    yield b"data: 1\n\n"
                    await asyncio.sleep(0)
            finally:
                ended.append("events")

        async def send(message):
            sent.append(message)
            await asyncio.sleep(600 if stuck and len(sent) > 3 else 0)

        async def receive():
            await asyncio.sleep(600 if stuck else 0.05)
            return {"type": "http.disconnect"}

        stream = EventStream(events(), 0.05, lambda: ended.append("work"))
        scope = {"type": "http", "asgi": {"spec_version": "2.3"}}
        async with asyncio.timeout(60):
            await stream(scope, receive, send)
        assert sorted(ended) == ["events", "work"]

    asyncio.run(run())
