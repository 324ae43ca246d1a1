"""What a reasoning model thought before it responded (paper, section 2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from at2_rag.answer.attribution import Attribution
from at2_rag.answer.in_short import quoted, statements_in_short
from at2_rag.answer.statement import Statement


@dataclass(frozen=True, eq=False, repr=False)
class Thoughts:
    """What a reasoning model thought before it responded.

    Attributes:
        text: The text of the thoughts, without the markers and white space around them.
        statements: One statement for each sentence of the thoughts, with citations of what it goes
            back to.
        attribution: The scores behind the thoughts' citations; what it calls the answer is the
            thoughts.
        finished: Whether the model came to the end of the thoughts; if not, there is no response.
        given_start: Where the thoughts begin in the text that they were given in, the ``thoughts``
            or the ``answer`` of :meth:`Reader.attribute`, in characters; ``None`` for what the
            model itself thought.
    """

    text: str
    statements: tuple[Statement, ...]
    attribution: Attribution
    finished: bool
    given_start: int | None = None

    def __repr__(self) -> str:
        facts = statements_in_short(self.statements)
        facts += "" if self.finished else ", cut off"
        return f"<Thoughts {quoted(self.text)}: {facts}>"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "text": self.text,
            "statements": [statement.to_dict() for statement in self.statements],
            "attribution": self.attribution.to_dict(),
            "finished": self.finished,
            "given_start": self.given_start,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Thoughts:
        """Return what :meth:`to_dict` was called on."""
        return cls(
            data["text"],
            tuple(Statement.from_dict(statement) for statement in data["statements"]),
            Attribution.from_dict(data["attribution"]),
            data["finished"],
            data["given_start"],
        )
