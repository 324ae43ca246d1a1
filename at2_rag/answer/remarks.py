"""What has to be said beside an answer's citations: where else they are, and what is not known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from at2_rag.answer.method_names import method_name
from at2_rag.answer.statement import Statement

#: So many of a source's copies are named; more say nothing more.
_MOST_NAMED = 3


def also_in_words(
    own: tuple[int | None, str | None], copies: Sequence[tuple[int, str | None]]
) -> list[str]:
    """Return such as "also in Mill, passage 4"; nothing without copies.

    Args:
        own: Index and name of the passage that is cited; no index if it is none of the passages.
        copies: Index and name of the passage of each copy. What has no name of its own, or one
            that was told before, is called by its number, from 1.
    """
    told, places = {own[1], None}, []
    for index, name in copies:
        if index == own[0]:
            places.append("the same passage")
        else:
            places.append(f"passage {index + 1}" if name in told else str(name))
        told.add(name)
    names = list(dict.fromkeys(places))
    more = len(names) - _MOST_NAMED
    named = [*names[:_MOST_NAMED], *([f"{more} more"] if more > 0 else [])]
    return [f"also in {', '.join(named)}"] if named else []


def ungrounded_in_words(statement: Statement) -> str:
    """Return such as "Ungrounded in the passages: “1953”"; nothing where all is grounded."""
    words = list(dict.fromkeys(statement.ungrounded_words))
    return f"Ungrounded in the passages: {', '.join(f'“{w}”' for w in words)}" if words else ""


def doubts_in_words(statements: Iterable[Statement]) -> tuple[list[str], list[str]]:
    """Return a line for what is not supported, and one for what has ungrounded words.

    Each line once: small models say the same several times.

    Args:
        statements: The statements of an answer.
    """
    unsupported, ungrounded = dict[str, None](), dict[str, None]()
    for statement in statements:
        said = " ".join(statement.text.split())
        if statement.supported is False:
            unsupported[f"Not supported by the passages: {said}"] = None
        if told := ungrounded_in_words(statement):
            ungrounded[f"{told}, of: {said}"] = None
    return [*unsupported], [*ungrounded]


def is_judged(statements: Iterable[Statement]) -> bool:
    """Whether it is known of all statements that claim something whether they are supported."""
    return all(each.refusal or each.supported is not None for each in statements)


def shares_in_words(statements: Sequence[Statement]) -> str:
    """Return what to say of the shares of passages that support nothing; nothing where one does.

    Args:
        statements: The statements of an answer.
    """
    if not statements or not all(each.refusal or each.supported is False for each in statements):
        return ""
    if all(each.refusal for each in statements):
        return "It claims nothing: shares tell where the model looked, and support nothing."
    return "No passage supports this answer: shares tell where the model looked, and no more."


def unknown_in_words(estimator: str) -> str:
    """Return what to say where nobody knows which statements are supported.

    Args:
        estimator: Kind of the estimator that the citations are from.
    """
    return (
        f"Supported: unknown. Nothing tells from which score on {method_name(estimator)} is right, "
        "so what is cited is a guess."
    )
