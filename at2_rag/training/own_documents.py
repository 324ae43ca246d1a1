"""Collecting from own documents: a question at a time is written, judged, ablated and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from random import Random

from at2_rag.datasets.topics import Topic, topics
from at2_rag.datasets.written import Dropped, Written, WrittenFiles, plain
from at2_rag.documents.passages import Passage, as_passages
from at2_rag.errors import InputError
from at2_rag.reader import Reader
from at2_rag.training.asking import Asker, AskOptions, Writer
from at2_rag.training.budget import Budget
from at2_rag.training.collector import CollectOptions, Collector
from at2_rag.training.outcomes import Outcome
from at2_rag.training.shards import ShardFolder

#: Of so many questions that are kept, one is collected again without the passages that it is about:
#: calibration has to see statements that nothing supports.
_WITHOUT_EVERY = 3

#: What the record of spent time is called.
SPENT = "spent.json"


@dataclass(frozen=True)
class Step:
    """What became of one topic.

    Attributes:
        side: Name of the part of the documents that the topic is from.
        written: The question that was written about it.
        outcomes: What became of its examples; none where the question was dropped.
        resumed: Whether all of it was done before.
    """

    side: str
    written: Written
    outcomes: tuple[Outcome, ...]
    resumed: bool


@dataclass
class Side:
    """A part of the documents, with what is asked about it and collected from it.

    Attributes:
        name: What the part is called.
        asker: Writes and judges the questions.
        first: What is asked about first; ``None`` if there is nothing to ask about.
        topics: What is asked about next, in order.
        files: The questions that were written.
        collector: Collects the examples.
        kept: How many questions are kept so far.
        dropped: How many questions were dropped so far, by reason.
    """

    name: str
    asker: Asker
    first: Topic | None
    topics: Iterator[Topic]
    files: WrittenFiles
    collector: Collector
    kept: int = 0
    dropped: dict[Dropped, int] = field(default_factory=dict)
    _asked: set[str] = field(default_factory=set)
    _stored: dict[int, Written] = field(default_factory=dict)
    _collected: int = 0

    @classmethod
    def begin(
        cls,
        name: str,
        reader: Reader,
        passages: Sequence[Passage],
        folder: Path,
        asking: AskOptions,
        collecting: CollectOptions,
        writer: Writer | None = None,
    ) -> Side:
        """Begin to collect from passages into a folder, or go on.

        Args:
            name: What the part of the documents is called.
            reader: The reader whose model writes, answers and is explained.
            passages: The passages to ask about, each with an id of its own.
            folder: Where questions and records go.
            asking: How questions are asked.
            collecting: What is collected of each.
            writer: Writes the questions instead of the reader's model.

        Raises:
            InputError: If the folder holds another run.
            FileFormatError: If a file in it is damaged.
        """
        collector = Collector.begin(reader, ShardFolder.at(folder), collecting)
        files = WrittenFiles(folder)
        asker = Asker(reader, passages, asking, writer)
        first = next(topics(passages, asking.seed), None)
        side = cls(name, asker, first, topics(passages, asking.seed), files, collector)
        side._stored = files.read()
        return side

    def step(self) -> Step | None:
        """Ask about the next topic, and collect what comes of it; ``None`` if there is none left.

        Raises:
            InputError: If what is stored is of another run.
            FileFormatError: If it is damaged.
            DiskFullError: If there is no room.
            NumericalError: If the model produced NaN while it was asked.
        """
        topic = next(self.topics, None)
        if topic is None:
            return None
        written = self._stored.get(topic.number)
        known = written is not None
        if written is None:
            written = self.asker.ask(topic, self._asked)
            self.files.add(written)
        self._asked.add(plain(written.question))
        if written.dropped is not None:
            self.dropped[written.dropped] = self.dropped.get(written.dropped, 0) + 1
            return Step(self.name, written, (), known)
        outcomes = tuple(self._collect(written))
        return Step(self.name, written, outcomes, known and all(o.resumed for o in outcomes))

    def _collect(self, written: Written) -> Iterator[Outcome]:
        self.kept += 1
        examples = [written.example]
        if self.collector.options.detail and self.kept % _WITHOUT_EVERY == 0:
            examples.append(written.without_its_passages)
        for example in examples:
            if example.passages:
                yield self.collector.collect(self._collected, example)
                self._collected += 1


@dataclass(frozen=True)
class DocumentReport:
    """What was asked about documents, and collected.

    Attributes:
        kept: How many questions were kept, by side.
        dropped: How many questions were dropped, by reason.
        collected: How many examples there are to learn from.
        seconds: How long it took, earlier times included.
        exhausted: Whether nothing was left to ask about.
    """

    kept: dict[str, int]
    dropped: dict[Dropped, int]
    collected: int
    seconds: float
    exhausted: bool

    @property
    def share_kept(self) -> float:
        """Which share of the questions that were written is kept; 0 if none was written."""
        kept, dropped = sum(self.kept.values()), sum(self.dropped.values())
        return kept / max(kept + dropped, 1)


def collect_sides(
    sides: Sequence[Side],
    order: Sequence[str],
    budget: Budget,
    *,
    examples: int | None = None,
    progress: Callable[[Step], None] | None = None,
) -> DocumentReport:
    """Ask and collect, a topic of one side after the other, as long as there is time.

    Args:
        sides: Parts of the documents, with their names.
        order: Names of the sides, in the order that they take turns.
        budget: How long it may take.
        examples: How many questions to keep at most, of all sides together; ``None`` for no bound.
        progress: Called after every topic.

    Raises:
        InputError: If what is stored is of another run.
    """
    by_name, done, collected = {side.name: side for side in sides}, set[str](), 0
    for name in cycle(order):
        enough = examples is not None and sum(side.kept for side in sides) >= examples
        if len(done) == len(by_name) or enough or not budget.has_room:
            break
        step = by_name[name].step()
        if step is None:
            done.add(name)
            continue
        collected += sum(outcome.skipped is None for outcome in step.outcomes)
        if step.resumed:
            budget.skip()
        else:
            budget.note()
        if progress is not None:
            progress(step)
    dropped: dict[Dropped, int] = {}
    for side in sides:
        for reason, count in side.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    kept = {side.name: side.kept for side in sides}
    return DocumentReport(kept, dropped, collected, budget.spent, len(done) == len(by_name))


def collect_documents(
    reader: Reader,
    passages: Sequence[Passage],
    out: str | Path,
    *,
    minutes: float | None = None,
    examples: int | None = None,
    asking: AskOptions | None = None,
    collecting: CollectOptions | None = None,
    writer: Writer | None = None,
    on_begin: Callable[[Sequence[Side]], None] | None = None,
    progress: Callable[[Step], None] | None = None,
) -> DocumentReport:
    """Collect from own documents, with questions that the model itself writes about them.

    A question is written about a sentence of a passage, or about two of two passages that are
    alike, and answered from it among the passages that share the most words with it. It is kept
    if the answer gets far less likely once the passage is left out; what is kept is in
    ``questions.jsonl``, with the passages that it goes back to under ``about``, and what is not in
    ``dropped.jsonl``, with the reason. Called again, it goes on where it stopped.

    Args:
        reader: The reader whose model writes, answers and is explained.
        passages: What is asked about, such as from :func:`at2_rag.documents.files.read_passages`.
        out: Folder for questions and records, new or of the same run.
        minutes: How long it may take, earlier times included; ``None`` for no bound.
        examples: How many questions to keep at most; ``None`` for no bound.
        asking: How questions are asked; ``None`` for the defaults.
        collecting: What is collected of each; ``None`` for sentences as sources, with detail.
        writer: Writes the questions instead of the reader's model; it is given a topic and what is
            shown of it.
        on_begin: Called with what is asked about, before the first question.
        progress: Called after every topic.

    Raises:
        InputError: If an argument cannot be used, or ``out`` holds another run.
        FileFormatError: If a file in ``out`` is damaged.
        DiskFullError: If the disk is full; everything before is stored.
    """
    folder = Path(out)
    budget = Budget(folder / SPENT, minutes)
    pool = with_ids(passages)
    options = collecting or CollectOptions(source_unit="sentence", detail=True)
    side = Side.begin("all", reader, pool, folder, asking or AskOptions(), options, writer)
    if on_begin is not None:
        on_begin([side])
    budget.skip()
    return collect_sides([side], ["all"], budget, examples=examples, progress=progress)


def with_ids(passages: Sequence[Passage]) -> tuple[Passage, ...]:
    """Return passages that have something in them, each with an id, made of its place if need be.

    Raises:
        InputError: If there are fewer than two, or two have the same id.
    """
    found = as_passages(passages)
    named = tuple(
        p if p.id is not None else Passage(p.text, p.title, f"passage-{i}", p.url, p.metadata)
        for i, p in enumerate(found)
        if not p.is_empty
    )
    if len(named) < 2:
        raise InputError(
            f"There are {len(named)} passages to ask about; expected at least two, so that one has "
            "another to be told from."
        )
    return as_passages(named)


def divided(
    passages: Sequence[Passage], held_out: float, seed: int
) -> tuple[tuple[Passage, ...], tuple[Passage, ...]]:
    """Divide passages into those to learn from and those to measure on, by their documents.

    Where there are few documents, or none are told, passages are divided by themselves.

    Args:
        passages: All passages, with ids.
        held_out: Which share of the documents to measure on.
        seed: Which documents these are; the same seed gives the same ones.

    Raises:
        InputError: If there are fewer than four passages, or the share is not between 0 and 1.
    """
    if not 0 < held_out < 1 or len(passages) < _FEWEST:
        raise InputError(
            f"held_out is {held_out} and there are {len(passages)} passages; expected a share "
            f"between 0 and 1, and at least {_FEWEST} passages, two on each side."
        )
    named = [str(p.id) for p in passages]
    documents = [str(p.metadata.get("path", p.id)) for p in passages]
    wanted = max(round(held_out * len(passages)), 2)
    few = len(set(documents)) < _ENOUGH_DOCUMENTS
    taken = [] if few else _taken(documents, wanted, seed)
    if not 2 <= len(taken) <= len(passages) - 2:
        taken = _taken(named, wanted, seed)
    measured = set(taken)
    return (
        tuple(p for i, p in enumerate(passages) if i not in measured),
        tuple(p for i, p in enumerate(passages) if i in measured),
    )


def _taken(groups: Sequence[str], wanted: int, seed: int) -> list[int]:
    """Return places of whole groups, drawn at random until there are as many as wanted."""
    order = sorted(set(groups))
    Random(f"at2-held-out-{seed}").shuffle(order)
    found: list[int] = []
    for group in order:
        places = [index for index, name in enumerate(groups) if name == group]
        if len(found) < wanted and len(found) + len(places) <= len(groups) - 2:
            found += places
    return found


_FEWEST = 4
#: With fewer documents than this, a side would be made of one or two of them.
_ENOUGH_DOCUMENTS = 6
