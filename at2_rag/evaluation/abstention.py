"""Whether a reader says that it does not know, and what gives it away when it makes something up.

Not in the paper. Questions that the passages answer are asked beside questions that they do not
answer; each signal that comes along with an answer is measured by how well it tells right answers
from those that were made up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

import torch

from at2_rag.ablation.task import AblationKind, AttributionTask
from at2_rag.answer.answer import Answer
from at2_rag.errors import ContextOverflowError
from at2_rag.evaluation.questions import Question, final_answer_in, says_unknown
from at2_rag.evaluation.results import Estimate

if TYPE_CHECKING:
    from at2_rag.reader import Reader

#: What is measured of each answer; the higher, the more it should be right.
SIGNALS = (
    "supported statements (share)",
    "highest score, first statement",
    "highest score, last statement",
    "log-probability a token (nats)",
    "drop without passages (nats)",
    "drop without passages, a token (nats)",
)

#: ``right`` and ``wrong`` answer a question that the passages answer, as far as it can be judged,
#: ``answered`` where it cannot; ``made up`` answers one that they do not.
Outcome = Literal["abstained", "right", "wrong", "answered", "made up"]

_WITH_ANSWER: tuple[Outcome, ...] = ("right", "wrong", "answered", "abstained")
_WITHOUT_ANSWER: tuple[Outcome, ...] = ("abstained", "made up")


@dataclass(frozen=True)
class JudgedAnswer:
    """An answer, what became of it, and what was measured of it.

    Attributes:
        id: The id of the example that was asked.
        question: The question that was answered.
        text: The text of the answer.
        answerable: Whether the passages answer the question.
        outcome: Whether the model abstained, or what its answer turned out to be.
        supported: Whether the passages made the model say it, of each statement in order; ``None``
            while no threshold is calibrated.
        signals: What each of :data:`SIGNALS` came to, by its name; ``None`` where there is nothing
            to measure.
    """

    id: str
    question: str
    text: str
    answerable: bool
    outcome: Outcome
    supported: tuple[bool | None, ...]
    signals: dict[str, float | None]


@dataclass(frozen=True)
class Separation:
    """How well a signal tells right answers from made-up ones.

    Attributes:
        auroc: Share of pairs of a right answer and a made-up one in which the right one has the
            higher signal, ties counted half; ``None`` without a pair.
        standard_error: Standard error of ``auroc`` by Hanley and McNeil (1982), who take both kinds
            for exponentially distributed; 0 where all pairs agree, which then says little.
        right: How many right answers have the signal.
        made_up: How many made-up answers have the signal.
    """

    auroc: float | None
    standard_error: float | None
    right: int
    made_up: int

    @classmethod
    def of(cls, right: Sequence[float], made_up: Sequence[float]) -> Separation:
        """Measure how much higher the values of right answers are."""
        n, m = len(right), len(made_up)
        if not n or not m:
            return cls(None, None, n, m)
        gaps = torch.tensor(right, dtype=torch.float64)[:, None] - torch.tensor(
            made_up, dtype=torch.float64
        )
        area = float((gaps.sign() + 1).mean()) / 2
        # The chances that two of one kind are both on the right side of one of the other.
        two_right, two_made_up = area / (2 - area), 2 * area**2 / (1 + area)
        square = (
            area * (1 - area) + (n - 1) * (two_right - area**2) + (m - 1) * (two_made_up - area**2)
        ) / (n * m)
        return cls(area, math.sqrt(max(square, 0.0)), n, m)

    def __str__(self) -> str:
        if self.auroc is None:
            return "–"
        return f"{self.auroc:.3f} ± {self.standard_error:.3f}"


@dataclass(frozen=True)
class AbstentionReport:
    """Answers to questions with and without an answer in the passages.

    Attributes:
        answers: Every answer that was measured, in the order of the questions.
        skipped: Ids of the examples that were too long for the model.
    """

    answers: tuple[JudgedAnswer, ...]
    skipped: tuple[str, ...]

    def count(self, *outcomes: Outcome, answerable: bool | None = None) -> int:
        """Return how many answers came to any of the outcomes."""
        return sum(
            answer.outcome in outcomes and answerable in (None, answer.answerable)
            for answer in self.answers
        )

    def share(self, outcome: Outcome, *, answerable: bool) -> Estimate:
        """Return the share of an outcome among questions with an answer, or without."""
        found = [float(a.outcome == outcome) for a in self.answers if a.answerable == answerable]
        return Estimate.of(found, range(len(found)))

    def separation(self, signal: str) -> Separation:
        """Return how well a signal tells right answers from made-up ones.

        Wrong answers to questions that have one are left out, and so is what abstained. Where
        nothing can be compared, answers to questions that have one are taken for right.

        Raises:
            KeyError: If there is no such signal.
        """
        if signal not in SIGNALS:
            raise KeyError(f"{signal!r} is not measured; there are {', '.join(SIGNALS)}.")

        def values(*outcomes: Outcome) -> list[float]:
            found = [a.signals[signal] for a in self.answers if a.outcome in outcomes]
            return [value for value in found if value is not None]

        return Separation.of(values("right", "answered"), values("made up"))

    @property
    def supported_precision(self) -> float | None:
        """Of the statements called supported in right and made-up answers, the share in right ones.

        ``None`` where none is called supported, or no threshold is calibrated.
        """
        right, made_up = self._supported("right", "answered"), self._supported("made up")
        called = sum(right) + sum(made_up)
        return sum(right) / called if called else None

    @property
    def supported_recall(self) -> float | None:
        """Of the statements of right answers, the share called supported; ``None`` as above."""
        right = self._supported("right", "answered")
        return fmean(right) if right else None

    def _supported(self, *outcomes: Outcome) -> list[bool]:
        answers = [a for a in self.answers if a.outcome in outcomes]
        return [said for answer in answers for said in answer.supported if said is not None]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types: the summaries, then every answer."""
        return {
            "abstained": {
                "unanswerable": asdict(self.share("abstained", answerable=False)),
                "answerable": asdict(self.share("abstained", answerable=True)),
            },
            "right": asdict(self.share("right", answerable=True)),
            "separation": {signal: asdict(self.separation(signal)) for signal in SIGNALS},
            "supported": {"precision": self.supported_precision, "recall": self.supported_recall},
            "skipped": list(self.skipped),
            "answers": [
                {**asdict(answer), "supported": list(answer.supported)} for answer in self.answers
            ],
        }

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _lines(report: AbstentionReport) -> Iterator[str]:
    with_answer = report.count(*_WITH_ANSWER, answerable=True)
    yield f"{with_answer} questions with an answer in the passages:"
    for outcome in _WITH_ANSWER:
        yield f"  {outcome:<10} {report.share(outcome, answerable=True)}"
    without = report.count(*_WITHOUT_ANSWER, answerable=False)
    yield f"{without} questions without:"
    for outcome in _WITHOUT_ANSWER:
        yield f"  {outcome:<10} {report.share(outcome, answerable=False)}"
    if report.skipped:
        yield f"{len(report.skipped)} more are too long for the model."
    right = report.count("right", "answered")
    yield f"AUROC, {right} right answers against {report.count('made up')} made-up ones:"
    for signal in SIGNALS:
        yield f"  {signal:<38} {report.separation(signal)}"
    found = (report.supported_precision, report.supported_recall)
    precision, recall = ("–" if value is None else f"{value:.3f}" for value in found)
    yield f"Statements called supported: precision {precision}, recall {recall}"


def measure_abstention(
    reader: Reader,
    questions: Iterable[Question],
    *,
    abstains: Callable[[str], bool] = says_unknown,
    by: AblationKind = "attention",
    on_answer: Callable[[int], None] | None = None,
    **options: Any,
) -> AbstentionReport:
    """Answer questions with and without an answer in the passages, and measure the answers.

    Costs two forward passes for each beside answering. Examples that are too long for the model
    are left out, and listed.

    Args:
        reader: The reader that answers the questions.
        questions: The questions, some with an answer in their passages and some without.
        abstains: Tells from an answer's text whether it says that the passages do not. An empty
            answer does, whatever this returns.
        by: Whether passages are masked out of attention, or their text is removed from the prompt.
        on_answer: Called with the number of questions done, after each.
        options: As for ``reader.task``; an example's own system prompt and template come before
            them.

    Raises:
        NumericalError: If the model produced NaN.
    """
    answers: list[JudgedAnswer] = []
    skipped: list[str] = []
    for done, question in enumerate(questions, start=1):
        example = question.example
        try:
            task = reader.task(
                example.question,
                example.passages,
                history=example.history,
                **{**options, **example.options},
            )
        except ContextOverflowError:
            skipped.append(example.id)
        else:
            answers.append(_judged(question, task, abstains, by))
        if on_answer is not None:
            on_answer(done)
    return AbstentionReport(tuple(answers), tuple(skipped))


def _judged(
    question: Question,
    task: AttributionTask,
    abstains: Callable[[str], bool],
    by: AblationKind,
) -> JudgedAnswer:
    text = task.answer.text
    return JudgedAnswer(
        question.example.id,
        question.example.question,
        text,
        question.answerable,
        "abstained" if not text or abstains(text) else _outcome(question, text),
        tuple(statement.supported for statement in task.answer.statements),
        dict(zip(SIGNALS, _signals(task, by), strict=True)),
    )


def _outcome(question: Question, text: str) -> Outcome:
    if not question.answerable:
        return "made up"
    if question.final_answer is None:
        return "answered"
    return "right" if final_answer_in(text) == question.final_answer else "wrong"


def _signals(task: AttributionTask, by: AblationKind) -> list[float | None]:
    """Return what :data:`SIGNALS` names, in that order."""
    answer = task.answer
    said = [s.supported for s in answer.statements if s.supported is not None]
    share = fmean(said) if said else None
    if not answer.statements or not task.sources:
        return [share, *[None] * (len(SIGNALS) - 1)]
    masks = torch.stack([torch.ones(len(task.sources)), torch.zeros(len(task.sources))])
    with_all, without = task.ablator(by=by).ablate(masks).token_log_probabilities
    drop = with_all - without
    tops = [_highest(answer, statement) for statement in (0, -1)]
    return [share, *tops, float(with_all.mean()), float(drop.sum()), float(drop.mean())]


def _highest(answer: Answer, index: int) -> float:
    statement = answer.statements[index]
    return float(answer.attribution.for_span(statement.start, statement.end).max())
