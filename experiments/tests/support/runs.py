"""What tests of whole runs share: how a run is stopped, and what it wrote."""

import json

#: What every run writes.
FILES = ("config.json", "records.jsonl", "results.json", "table.txt", "figure.png")


class Stopped(Exception):
    """Somebody pressed a key."""


def silent(*done):
    """Follow a run, and say nothing."""


def stopping_after(steps):
    """Follow a run, and stop it at its so-many-th step, whatever that is a step of."""
    seen = []

    def follow(*done):
        seen.append(done)
        if len(seen) == steps:
            raise Stopped

    return follow


def lines_of(folder):
    """The lines of the records."""
    return (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()


def records_of(folder):
    """The records themselves, in the order of the items."""
    return [json.loads(line)["record"] for line in lines_of(folder)]


def results_of(folder):
    """The results as they were written."""
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def table_of(folder):
    """The tables as they were written."""
    return (folder / "table.txt").read_text(encoding="utf-8")


def as_read(value):
    """A value as it is once written to JSON and read again."""
    return json.loads(json.dumps(value))


def contents(folder):
    """Every file of a folder and of those in it."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
