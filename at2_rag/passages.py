"""Passages: what a retriever returned and a reader reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from at2_rag.errors import InputError


@dataclass(frozen=True)
class Passage:
    """One retrieved passage.

    Attributes:
        text: The passage itself; every offset in a citation refers to it.
        title: Shown to the model above the text, and cited with it.
        id: The caller's own identifier; unique among the passages of one call.
        url: Where the passage came from; never shown to the model.
        metadata: Anything else the caller wants to keep with the passage.
    """

    text: str
    title: str | None = None
    id: str | None = None
    url: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to read in the text."""
        return not self.text.strip()


def as_passages(passages: Sequence[str | Passage]) -> tuple[Passage, ...]:
    """Turn strings into passages and check that there is something to read.

    Raises:
        InputError: If there is no passage, a passage is of another type, all passages are empty,
            or two passages have the same id.
    """
    if isinstance(passages, str):
        raise InputError("passages is one string; expected a list: pass [text] for one passage.")
    for index, passage in enumerate(passages):
        if not isinstance(passage, str | Passage):
            raise InputError(
                f"passages[{index}] is a {type(passage).__name__}; expected str or Passage."
            )
    result = tuple(Passage(p) if isinstance(p, str) else p for p in passages)
    if not result:
        raise InputError("No passages were given; expected at least one. Retrieve some first.")
    if all(p.is_empty for p in result):
        raise InputError(f"All {len(result)} passages are empty; expected text in at least one.")
    _check_ids(result)
    return result


def _check_ids(passages: Sequence[Passage]) -> None:
    seen: dict[str, int] = {}
    for index, passage in enumerate(passages):
        if passage.id is None:
            continue
        if passage.id in seen:
            raise InputError(
                f"passages[{seen[passage.id]}] and passages[{index}] have the same id "
                f"{passage.id!r}; expected unique ids. Rename one, or leave ids out."
            )
        seen[passage.id] = index
