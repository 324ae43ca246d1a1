"""Notes come once, and not before an error that makes them moot."""

import logging
import warnings

import pytest
import typer

from at2_rag.cli.console import note, note_now, show, show_json
from at2_rag.cli.notes import held_notes
from at2_rag.notices import warn_of_no_sampling


@pytest.fixture
def lines(capsys):
    """Returns what has been written since the last call, each stream's lines."""

    def read():
        found = capsys.readouterr()
        return found.out.splitlines(), found.err.splitlines()

    return read


def test_notes_wait_until_something_is_shown(lines):
    with held_notes():
        note("one")
        note("one")
        assert lines() == ([], [])
        show("shown")
        assert lines() == (["shown"], ["note: one"])
        note("two")
        assert lines() == ([], ["note: two"])


@pytest.mark.parametrize("end", [lambda: None, lambda: show_json({})])
def test_notes_come_at_the_end_at_last(lines, end):
    with held_notes():
        note("one")
        end()
    assert lines()[1] == ["note: one"]


def test_an_error_makes_notes_moot_but_not_those_that_tell_what_takes_long(lines):
    def fail():
        with held_notes():
            note("moot")
            note_now("downloading")
            raise ValueError("gone")

    with pytest.raises(ValueError, match="gone"):
        fail()
    assert lines() == ([], ["note: downloading"])
    note("of the next command")
    assert lines()[1] == ["note: of the next command"]


def test_a_command_that_exits_by_itself_has_its_notes(lines):
    def leave():
        with held_notes():
            note("one")
            raise typer.Exit(1)

    with pytest.raises(typer.Exit):
        leave()
    assert lines()[1] == ["note: one"]


def test_warnings_for_users_are_notes_once_in_each_command(lines):
    for _ in range(2):
        with held_notes():
            warn_of_no_sampling(["top_k"], stacklevel=0)
            warn_of_no_sampling(["top_k"], stacklevel=0)
            warnings.warn("of another library", UserWarning, stacklevel=2)
        told = lines()[1]
        assert len(told) == 1
        assert told[0].startswith("note: top_k does nothing without do_sample=True")


def test_what_the_library_logs_is_told_at_once(lines):
    with held_notes():
        logging.getLogger("at2_rag.anything").warning("probing %s", "it")
        assert lines()[1] == ["note: probing it"]
