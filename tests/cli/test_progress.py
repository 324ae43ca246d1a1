"""Without a terminal, what takes long is told by a line now and then."""

import re
import time

from at2_rag.cli.durations import in_words
from at2_rag.cli.progress import ProgressLines, resumable_progress
from at2_rag.cli.waiting import Waiting


class Clock:
    """Time that passes by itself, as much as wanted at each look."""

    def __init__(self, step):
        self.now, self.step = 0.0, step

    def __call__(self):
        self.now += self.step
        return self.now


def test_lines_come_now_and_then_with_what_is_left(capsys):
    progress = ProgressLines("measuring", first=5, every=10, clock=Clock(2))
    for done in range(1, 31):
        progress.on_done(done, 30)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "note: measuring: 3 of 30 done, 2.0 s/example, about 54 s left"
    assert lines[1] == "note: measuring: 8 of 30 done, 2.0 s/example, about 44 s left"
    assert len(lines) == 6


def test_what_was_done_before_promises_no_rate(capsys):
    progress = ProgressLines("collecting", first=0, every=100, clock=Clock(1))
    for done in range(1, 9):
        progress.on_done(done, 20, True)
    progress.on_done(9, 20)
    assert "9 of 20 done, 1.0 examples/s, about 11 s left" in capsys.readouterr().err


def test_another_stretch_of_work_has_a_pace_of_its_own(capsys):
    """An experiment collects, or finds collected, and then measures fewer things."""
    progress = ProgressLines("measuring", first=0, every=2, clock=Clock(1))
    for done in range(1, 96):
        progress.on_done(done, 95, True)
    for done in range(1, 13):
        progress.on_done(done, 12)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6
    assert all("1.0 examples/s" in line and "-" not in line for line in lines)
    assert lines[0].startswith("note: measuring: 1 of 12 done, ")
    assert lines[0].endswith("about 11 s left")


def test_what_is_soon_over_says_nothing(capsys):
    with resumable_progress("measuring", 2) as on_done:
        on_done(1, 2, False)
        on_done(2, 2, False)
    assert capsys.readouterr() == ("", "")


def test_waiting_is_told_until_it_is_over(capsys):
    waiting = Waiting("reading 3 passages", first=0.05, every=0.05)
    waiting.start()
    waiting.add("shown on terminals only")
    told, end = "", time.monotonic() + 60
    while told.count("\n") < 2:
        assert time.monotonic() < end, told
        time.sleep(0.01)
        told += capsys.readouterr().err
    waiting.stop()
    waiting.stop()
    told += capsys.readouterr().err
    assert re.fullmatch(r"(note: still reading 3 passages, for \d+ s now\n)+", told)
    time.sleep(0.15)
    assert capsys.readouterr().err == ""


def test_what_takes_a_while_can_turn_into_something_else(capsys):
    waiting, told = Waiting("answering", first=0.02, every=0.02), ""
    waiting.start()
    waiting.turn_to("looking for what it goes back to")
    end = time.monotonic() + 60
    while not re.search(r"note: still looking for what it goes back to, for \d+ s now\n", told):
        assert time.monotonic() < end, told
        time.sleep(0.01)
        told += capsys.readouterr().err
    waiting.stop()


def test_durations_are_as_exact_as_wanted():
    found = [in_words(seconds) for seconds in (0.4, 59, 99, 100, 3599, 7200, 36000)]
    assert found == ["0 s", "59 s", "99 s", "2 min", "60 min", "2.0 h", "10.0 h"]
