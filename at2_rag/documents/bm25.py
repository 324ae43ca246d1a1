"""Narrowing many passages to the few that a model can read at once."""

from __future__ import annotations

from collections.abc import Sequence

import bm25s
import numpy as np
from numpy.typing import NDArray

from at2_rag.documents.passages import Passage
from at2_rag.documents.scripts import CJK
from at2_rag.errors import InputError

# Chinese and Japanese set no spaces between words, so each of their characters is a token.
_TOKEN = rf"[{CJK}]|[^\W{CJK}]+"


def best_by_bm25(question: str, passages: Sequence[Passage], keep: int) -> list[int]:
    """Find the passages that share the most telling words with a question.

    Titles count as text. Passages that score the same (as all do when no word of the question
    occurs in any) are kept in the order given.

    Args:
        question: What will be asked of the passages.
        passages: The passages to choose from.
        keep: How many passages to keep.

    Returns:
        The indices of the best ``keep`` passages in their original order; all of them where
        there are no more.

    Raises:
        InputError: If ``keep`` is below 1.
    """
    if keep < 1:
        raise InputError(f"keep is {keep}; expected at least 1.")
    if len(passages) <= keep:
        return list(range(len(passages)))
    return sorted(order_by_bm25(question, passages)[:keep])


def order_by_bm25(question: str, passages: Sequence[Passage]) -> list[int]:
    """Return the indices of all passages, those with the most telling words first.

    Titles count as text. Passages that score the same stay in the order given.

    Args:
        question: What will be asked of the passages.
        passages: The passages to put in order.
    """
    [scores] = bm25_scores([question], [f"{p.title or ''}\n{p.text}" for p in passages])
    return [int(index) for index in np.argsort(-scores, kind="stable")]


def bm25_scores(questions: Sequence[str], texts: Sequence[str]) -> NDArray[np.float32]:
    """Return (questions, texts): how many telling words each text shares with each, by BM25.

    Args:
        questions: What is asked of the texts.
        texts: The texts to choose from, of which the telling words are told.
    """
    return Bm25Index(texts).scores(questions)


class Bm25Index:
    """Texts that are searched more than once.

    Args:
        texts: The texts to choose from, of which the telling words are told.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        tokens = _tokenize(texts) if texts else []
        self._count = len(texts)
        self._vocabulary = {token for group in tokens for token in group}
        self._index = bm25s.BM25(backend="numpy")
        if self._vocabulary:  # the library cannot index texts without tokens
            self._index.index(tokens, show_progress=False)

    def scores(self, questions: Sequence[str]) -> NDArray[np.float32]:
        """Return (questions, texts): how many telling words each text shares with each.

        Args:
            questions: What is asked of the texts.
        """
        found = np.zeros((len(questions), self._count), dtype=np.float32)
        if not found.size or not self._vocabulary:
            return found
        for row, words in zip(found, _tokenize(questions), strict=True):
            asked = [token for token in words if token in self._vocabulary]
            if asked:  # nor look up a question without them
                row[:] = self._index.get_scores(asked)
        return found


def _tokenize(texts: Sequence[str]) -> list[list[str]]:
    tokens: list[list[str]] = bm25s.tokenize(
        [text.casefold() for text in texts],
        token_pattern=_TOKEN,
        stopwords="en",
        return_ids=False,
        show_progress=False,
    )
    return tokens
