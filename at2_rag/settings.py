"""How a reader reads: everything a caller can choose, with its default."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from at2_rag.errors import InputError
from at2_rag.prompt import MULTI_PASSAGE, PromptTemplate
from at2_rag.sources import SourceUnit, check_unit


@dataclass(frozen=True)
class Settings:
    """A reader's settings; each can be given to a single call as well.

    Attributes:
        source_unit: What is scored and cited: ``"sentence"``, ``"passage"``, ``"word"`` or
            ``"token"``.
        system: System prompt.
        prompt: How passages and question become one message.
        max_new_tokens: Longest answer.
        max_citations: Most citations of one statement.
        min_score: Sources scored below are not cited; unitless.
        on_overflow: When the prompt and the longest answer do not fit the model's context:
            ``"error"``, or ``"drop"`` to leave out passages from the end of the list.
        language: Of sentences, as Punkt names it.
        max_batch_tokens: Most tokens that are run at a time by ``answer_batch``: texts times the
            longest, answer included. Caches grow with it.
        transitive: Whether a statement that leans on an earlier one of the answer inherits its
            citations; the paper's own behaviour is not to. Needs a calibrated estimator.
    """

    source_unit: SourceUnit = "sentence"
    system: str | None = None
    prompt: PromptTemplate = MULTI_PASSAGE
    max_new_tokens: int = 256
    max_citations: int = 3
    min_score: float | None = None
    on_overflow: Literal["error", "drop"] = "error"
    language: str = "english"
    max_batch_tokens: int = 8192
    transitive: bool = True

    def __post_init__(self) -> None:
        check_unit(self.source_unit)
        for name in ("max_new_tokens", "max_citations", "max_batch_tokens"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise InputError(f"{name} is {value!r}; expected a whole number of at least 1.")
        if self.on_overflow not in ("error", "drop"):
            raise InputError(f"on_overflow is {self.on_overflow!r}; expected 'error' or 'drop'.")
        if not isinstance(self.prompt, PromptTemplate):
            raise InputError(
                f"prompt is a {type(self.prompt).__name__}; expected a PromptTemplate: "
                "PromptTemplate('… {passages} … {question} …')."
            )

    def override(self, options: dict[str, Any]) -> tuple[Settings, dict[str, Any]]:
        """Return settings changed by those options that name one, and the other options."""
        names = {field.name for field in fields(self)}
        own = {name: value for name, value in options.items() if name in names}
        rest = {name: value for name, value in options.items() if name not in names}
        return replace(self, **own), rest


def refuse_unknown(options: dict[str, Any]) -> None:
    """Raise ``InputError`` if there are options that are no settings."""
    if options:
        names = ", ".join(Settings.__dataclass_fields__)
        raise InputError(f"Unknown option(s) {', '.join(options)}; expected any of {names}.")
