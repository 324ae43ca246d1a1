"""What every experiment offers: a config, things to measure one by one, and a report of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar, cast

from at2_rag.errors import InputError
from at2_rag.prompt.template import FINAL_ANSWER, MULTI_PASSAGE, PromptTemplate
from at2_rag.reader import Reader
from rich.table import Table

#: Plain JSON types by name.
Record = dict[str, Any]

#: Stands for generated worlds, which the demo reader knows.
WORLDS = "worlds"

PromptName = Literal["final-answer", "plain"]
_PROMPTS: dict[str, PromptTemplate] = {"final-answer": FINAL_ANSWER, "plain": MULTI_PASSAGE}


class Item(Protocol):
    """One thing to measure: a question, or whatever an experiment goes through."""

    @property
    def id(self) -> str:
        """Name that is unique among the items of a run."""

    @property
    def fingerprint(self) -> str:
        """A hash of everything that its record depends on."""


ItemT = TypeVar("ItemT", bound=Item)
SubjectT = TypeVar("SubjectT")

#: Called after each step of a stretch of work with how many are done, how many there are, and
#: whether it was done before.
OnDone = Callable[[int, int, bool], None]


@dataclass(frozen=True)
class ExperimentConfig:
    """What all experiments can be told.

    Attributes:
        data: What is measured on: ``"worlds"``, the name of a data set, ``NAME=FILE`` for a file
            of its rows, or a ``.jsonl`` file of questions with passages.
        examples: How many examples to measure on; more of them only add to the fewer.
        seed: What everything that is random is drawn with.
        max_new_tokens: Longest answer, in tokens.
        prompt: Which prompt is used: ``"final-answer"``, the paper's for short answers (appendix
            A.6), or ``"plain"``, the same without the instruction, for models that were trained to
            end so anyway, as the demo reader was.
    """

    data: str = WORLDS
    examples: int = 100
    seed: int = 0
    max_new_tokens: int = 64
    prompt: PromptName = "plain"

    def __post_init__(self) -> None:
        self.check_least(examples=1, max_new_tokens=1)
        if self.prompt not in _PROMPTS:
            raise InputError(
                f"prompt is {self.prompt!r}; expected one of {', '.join(map(repr, _PROMPTS))}."
            )

    def check_least(self, **least: int) -> None:
        """Check that fields are as large as they must be.

        Args:
            least: The least that each of the fields may be, by name.

        Raises:
            InputError: If one of them is less.
        """
        for name, wanted in least.items():
            if getattr(self, name) < wanted:
                raise InputError(f"{name} is {getattr(self, name)}; expected at least {wanted}.")

    @property
    def template(self) -> PromptTemplate:
        """Return the prompt's template."""
        return _PROMPTS[self.prompt]


@dataclass(frozen=True)
class Report:
    """What an experiment found.

    Attributes:
        results: What was found, in plain JSON types.
        tables: The results as tables, to be read.
        draw: Draws the results into a figure of matplotlib.
        size: Width and height of the figure, in inches.
        files: Text files to write beside the others, by their names.
    """

    results: Record
    tables: tuple[Table, ...]
    draw: Callable[[Any], None]
    size: tuple[float, float] = (10.0, 4.0)
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment(ABC, Generic[ItemT, SubjectT]):
    """One experiment with its config; :func:`at2_rag_experiments.run_experiment` runs it.

    A subclass has a ``name``, and a ``config`` with a default; the default's class says what it can
    be told.

    Attributes:
        name: What the experiment is called on the command line.
        config: What the experiment was told.
    """

    name: ClassVar[str]
    config: ExperimentConfig = ExperimentConfig()

    @abstractmethod
    def items(self) -> Sequence[ItemT]:
        """Return what is to be measured, in order; the same for the same config."""

    def prepare(self, reader: Reader, folder: Path, on_done: OnDone) -> SubjectT:
        """Return what the items are measured on: the reader, or what was trained with it.

        Called at each start, before any item is measured. What takes long is kept in the folder,
        so that an interrupted preparation goes on where it stopped. Where there is nothing to
        prepare, items are measured on the reader itself.

        Args:
            reader: A reader with the model and the estimator that are asked about.
            folder: The folder of the results, there already and the experiment's own.
            on_done: Called after each step of what takes long.
        """
        return cast("SubjectT", reader)

    @abstractmethod
    def measure(self, subject: SubjectT, item: ItemT) -> Record:
        """Return everything worth knowing about one item, in plain JSON types.

        Args:
            subject: What :meth:`prepare` returned.
            item: The item to measure, one of :meth:`items`.
        """

    @abstractmethod
    def report(self, records: Sequence[Record]) -> Report:
        """Summarise the records of all items, in their order."""
