"""Examples to learn from: questions with passages, from a file or from generated worlds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Literal

from at2_rag.conversation import Message, checked_history
from at2_rag.errors import FileFormatError, InputError
from at2_rag.passages import Passage, as_passages
from at2_rag.prompt import PromptTemplate
from at2_rag.worlds import WorldExample, generate_examples

_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class TrainingExample:
    """One question to ask with its passages.

    Attributes:
        id: Unique among the examples of a run; its random ablations depend on it.
        question: The question.
        passages: The passages.
        answer: The answer to explain; ``None`` for the model's own, greedily decoded.
        history: Earlier chat messages, each with ``role`` and ``content``.
        system: System prompt; ``None`` for the reader's.
        prompt: Prompt template; ``None`` for the reader's.
    """

    id: str
    question: str
    passages: tuple[Passage, ...]
    answer: str | None = None
    history: tuple[Message, ...] = ()
    system: str | None = None
    prompt: PromptTemplate | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Return the settings that this example has of its own, by name."""
        own = {"system": self.system, "prompt": self.prompt}
        return {name: value for name, value in own.items() if value is not None}

    @property
    def fingerprint(self) -> str:
        """Return a hash of everything that the model gets to see, and of the id."""
        content = {
            "id": self.id,
            "question": self.question,
            "passages": [(p.title, p.text) for p in self.passages],
            "answer": self.answer,
            "history": [dict(message) for message in self.history],
            "system": self.system,
            "prompt": None if self.prompt is None else asdict(self.prompt),
        }
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def world_examples(
    seed: int,
    count: int,
    num_passages: tuple[int, int] = (4, 8),
    hops: Sequence[int | Literal["unanswerable"]] = (1, 2),
) -> list[TrainingExample]:
    """Return questions about generated worlds, for the model to answer itself.

    Args:
        seed: The same seed gives the same examples; a larger ``count`` only adds to them.
        count: How many.
        num_passages: Fewest and most passages of an example.
        hops: Kinds of questions to draw from: facts that an answer needs, 1 or 2, or
            ``"unanswerable"``.

    Raises:
        InputError: If the range of passages is empty, or no kind of question is given.
    """
    fewest, most = num_passages
    if not 2 <= fewest <= most or not hops:
        raise InputError(
            f"num_passages is {num_passages} and hops is {tuple(hops)}; expected (fewest, most) "
            "with 2 <= fewest <= most, and at least one kind of question."
        )
    rng = Random(f"at2-training-{seed}")
    streams: dict[Any, Iterator[WorldExample]] = {}

    def draw(index: int) -> TrainingExample:
        kind = rng.randint(fewest, most), rng.choice(tuple(hops))
        world = next(streams.setdefault(kind, generate_examples(seed, *kind)))
        return TrainingExample(f"world-{seed}-{index}", world.question, world.passages)

    return list(islice(map(draw, range(count)), count))


def read_examples(path: str | Path) -> list[TrainingExample]:
    """Read examples from JSON lines.

    Each line is an object with ``question``, ``passages`` (strings, or objects with ``text`` and,
    if wanted, ``title`` and ``id``), and, if wanted, ``answer``, ``id``, ``history`` and
    ``system``. Other keys are ignored, and so are blank lines. Without an ``id`` an example is
    called by its line.

    Raises:
        FileFormatError: If the file cannot be read or a line is bad; with path and line number.
    """
    path = Path(path)
    found: dict[str, tuple[int, TrainingExample]] = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            example = _parse(line, number)
        except InputError as error:
            raise FileFormatError(f"{path}:{number}: {error}") from error
        if example.id in found:
            raise FileFormatError(
                f"{path}:{number}: the id {example.id!r} is also used on line "
                f"{found[example.id][0]}; expected unique ids. Rename one, or leave ids out."
            )
        found[example.id] = number, example
    if not found:
        raise FileFormatError(f"{path}: the file is empty; expected one example a line.")
    return [example for _, example in found.values()]


def _lines(path: Path) -> list[str]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror or error}.") from error
    try:
        return data.decode("utf-8").removeprefix(_BYTE_ORDER_MARK).split("\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileFormatError(
            f"{path}:{line}: byte {data[error.start]:#04x} is not UTF-8; convert the file to UTF-8."
        ) from None


def _parse(line: str, number: int) -> TrainingExample:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"malformed JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InputError(
            f"a JSON {type(value).__name__}; expected an object with 'question' and 'passages'."
        )
    question = _string(value, "question")
    if question is None or not question.strip():
        raise InputError(f"'question' is {question!r}; expected text to answer.")
    name = value.get("id")
    return TrainingExample(
        str(name) if _is_whole_number(name) else _string(value, "id") or f"line-{number}",
        question,
        _passages(value.get("passages")),
        _string(value, "answer"),
        _history(value.get("history") or []),
        _string(value, "system"),
    )


def _string(value: dict[str, Any], key: str) -> str | None:
    found = value.get(key)
    if found is not None and not isinstance(found, str):
        raise InputError(f"{key!r} is a {type(found).__name__}; expected a string.")
    if found is not None and any("\ud800" <= char <= "\udfff" for char in found):
        raise InputError(f"{key!r} holds half of a surrogate pair; expected whole characters.")
    return found


def _is_whole_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _passages(value: Any) -> tuple[Passage, ...]:
    if not isinstance(value, list):
        raise InputError(f"'passages' is a {type(value).__name__}; expected a list.")
    return as_passages([_passage(item, index) for index, item in enumerate(value)])


def _passage(item: Any, index: int) -> Passage:
    value = {"text": item} if isinstance(item, str) else item
    text = _string(value, "text") if isinstance(value, dict) else None
    if text is None:
        raise InputError(f"passages[{index}] is no string and no object with a string 'text'.")
    name = value.get("id")
    found = str(name) if _is_whole_number(name) else _string(value, "id")
    return Passage(text, title=_string(value, "title"), id=found)


def _history(value: Any) -> tuple[Message, ...]:
    if not isinstance(value, list):
        raise InputError(f"'history' is a {type(value).__name__}; expected a list of messages.")
    return checked_history(value)
