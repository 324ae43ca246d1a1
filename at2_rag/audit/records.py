"""What is kept of an audited row: the row's own columns, columns to filter by, and the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from at2_rag.answer.answer import Answer
from at2_rag.answer.statement import Statement
from at2_rag.documents.passages import Passage

#: What the names of all columns begin with that the row did not have itself.
PREFIX = "at2_"

#: The column with the whole answer: statements, citations, passages, settings.
WHOLE = "at2_record"


def make_record(
    row: Mapping[str, Any],
    answer: Answer,
    place: str,
    tokenizer: PreTrainedTokenizerBase,
    *,
    scores: bool = False,
) -> dict[str, Any]:
    """Return a row's columns as they came, and behind them what was found.

    Columns of an earlier audit are left out.

    Args:
        row: The row as it came.
        answer: The row's answer, with its citations.
        place: File and line of the row.
        tokenizer: What tokens are counted with.
        scores: Whether to keep the tables of scores, with which ``Answer.from_dict`` takes the
            whole answer back, and a report shows it as a page.
    """
    whole = answer.to_dict()
    carried = {name: value for name, value in row.items() if not name.startswith(PREFIX)}
    return {
        **carried,
        "at2_row": place,
        **_support(answer),
        **_passages(answer, tokenizer),
        "at2_prompt_tokens": answer.prompt_tokens,
        "at2_answer_tokens": answer.answer_tokens,
        "at2_truncated": answer.truncated,
        "at2_answer": answer.text,
        WHOLE: whole if scores else without_scores(whole),
    }


def without_scores(found: dict[str, Any]) -> dict[str, Any]:
    """Return an answer or thoughts without the tables of scores, those of a draft included.

    Args:
        found: What ``to_dict`` of an answer or of thoughts returns.
    """
    return {
        name: without_scores(value) if name in ("draft", "thoughts") and value else value
        for name, value in found.items()
        if name != "attribution"
    }


def _support(answer: Answer) -> dict[str, Any]:
    said = [statement for statement in answer.statements if not statement.refusal]
    judged = [statement.supported for statement in said if statement.supported is not None]
    return {
        "at2_statements": len(said),
        "at2_supported": sum(judged) if judged else None,
        "at2_unsupported": len(judged) - sum(judged) if judged else None,
        "at2_supported_share": answer.supported_share,
        "at2_ungrounded": _ungrounded(said),
        "at2_refused": bool(answer.statements) and not said,
    }


def _ungrounded(said: Sequence[Statement]) -> int | None:
    """Return how many statements have an ungrounded word; ``None`` where nobody looked."""
    looked = [s.ungrounded for s in said if s.ungrounded is not None]
    return sum(map(bool, looked)) if looked else None


def _passages(answer: Answer, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    used = _used(answer)
    unused = [index for index in answer.kept if index not in used]
    return {
        "at2_citations": len(answer.citations),
        "at2_passages": len(answer.kept),
        "at2_used": used,
        "at2_never_used": unused,
        "at2_enough": used[-1] + 1 if used else 0,
        "at2_unused_tokens": _tokens((answer.passages[i] for i in unused), tokenizer),
    }


def _used(answer: Answer) -> list[int]:
    """Return the indices of the caller's passages that answer or thoughts cite, ascending."""
    thoughts = answer.thoughts.statements if answer.thoughts else ()
    cited = (c for s in (*answer.statements, *thoughts) for c in s.citations)
    return sorted({c.passage_index for c in cited if c.kind == "passage"})


def _tokens(passages: Iterable[Passage], tokenizer: PreTrainedTokenizerBase) -> int:
    texts = ["\n".join(filter(None, (passage.title, passage.text))) for passage in passages]
    if not texts:
        return 0
    return sum(map(len, tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]))
