"""Questions whose evidence is known, with as many of their passages as are to be shown."""

from __future__ import annotations

from dataclasses import dataclass

from at2_rag.errors import InputError

from at2_rag_experiments.base import ExperimentConfig
from at2_rag_experiments.gold_question import GoldQuestion
from at2_rag_experiments.question_files import is_question_file, read_questions
from at2_rag_experiments.questions import gold_questions


@dataclass(frozen=True)
class ShownQuestionsConfig(ExperimentConfig):
    """What an experiment on such questions can be told.

    Attributes:
        first: How many questions of the data are passed over.
        passages: Most passages of a question: those with gold spans, and the first others, in
            their order; 0 for all.
    """

    first: int = 0
    passages: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_least(first=0, passages=0)

    def questions(self) -> list[GoldQuestion]:
        """Return the questions; those of a file in its order, so that some can be passed over.

        Raises:
            InputError: If there is no such data.
            FileFormatError: If a file cannot be read or a row is bad; with its place.
            MissingResourceError: If the hub does not give the data.
        """
        most = self.first + self.examples
        if is_question_file(self.data):
            return read_questions(self.data)[self.first : most]
        return gold_questions(self.data, most, seed=0)[self.first :]

    def shown(self, item: GoldQuestion) -> list[int]:
        """Return which passages of a question are shown, in their order."""
        indices, gold = range(len(item.passages)), set(item.supporting)
        most = self.passages or len(indices)
        return sorted(sorted(indices, key=lambda index: index not in gold)[:most])


def nothing_measured(questions: int) -> InputError:
    """Return what to say where no question could be measured."""
    return InputError(
        f"None of the {questions} questions fits the model's context and was answered with a "
        "statement; expected at least one. Use another model, or fewer passages."
    )
