"""An answer as JSON for scripts: what is cited and where it is, and scores where wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from at2_rag import Answer, Citation
    from at2_rag.ablation.verification import Verification


def as_json(
    answer: Answer, verification: Verification | None = None, *, scores: bool = False
) -> dict[str, Any]:
    """Return plain JSON types.

    Each of ``citations`` has ``share``, of all that was used for the statement, and ``file``,
    ``line`` and ``page``, ``null`` where they are not known.

    Args:
        answer: The answer to tell of.
        verification: What leaving out its citations does; ``None`` if nobody did.
        scores: Whether to keep the tables of scores, of which there is one for each token; with
            them ``Answer.from_dict`` takes it back.
    """
    found = answer.to_dict()
    if not scores:
        from at2_rag.audit.records import without_scores  # loads torch

        found = without_scores(found)
    found["citations"] = [_with_place(answer, citation) for citation in answer.citations]
    return found if verification is None else found | {"verification": verification.to_dict()}


def _with_place(answer: Answer, citation: Citation) -> dict[str, Any]:
    from at2_rag.answer.shown import share

    passage = answer.passages[citation.passage_index]
    return citation.to_dict() | {
        "share": None if citation.inherited else share(answer.attribution, citation),
        "file": passage.file,
        "line": passage.line_of(citation.source_start),
        "page": passage.page and passage.page.removeprefix("p. "),
    }
