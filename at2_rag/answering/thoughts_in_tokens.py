"""Which of a model's tokens are thoughts, and which its response."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from at2_rag.answering.settled import settled_tokens
from at2_rag.prompt.thinking_markers import ThinkingMarkers, WrittenPlaces

#: How many of the newest tokens are looked through for the end of the thoughts, beside as many
#: as the marker has characters: more than any tokenizer needs for it.
_SPARE_TOKENS = 4


def find_thoughts(
    tokenizer: PreTrainedTokenizerBase,
    ids: Sequence[int],
    markers: ThinkingMarkers,
    opened: bool,
) -> WrittenPlaces | None:
    """Return which of the tokens that a model wrote are thoughts and response.

    Tokens that hold a piece of a marker are neither.

    Args:
        tokenizer: Of the model.
        ids: What it wrote.
        markers: Around its thoughts.
        opened: Whether the prompt has begun the thoughts.
    """
    places = markers.place_in(_with_special(tokenizer, ids), opened)
    if places is None:
        return None
    if not places.finished:
        return WrittenPlaces(
            (_tokens_of(tokenizer, ids, places.thoughts[0]), len(ids)), (len(ids), len(ids)), False
        )
    (begin, end), (start, _) = places.thoughts, places.response
    first = _tokens_of(tokenizer, ids, begin)
    behind = max(first, _tokens_of(tokenizer, ids, end + 1) - 1)
    return WrittenPlaces((first, behind), (_tokens_of(tokenizer, ids, start), len(ids)), True)


def may_begin(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], markers: ThinkingMarkers
) -> bool:
    """Tell whether what a model wrote so far may become the sign before its thoughts."""
    return markers.begin.strip().startswith(_with_special(tokenizer, ids).strip())


def may_end_here(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], markers: ThinkingMarkers
) -> bool:
    """Tell whether the end of the thoughts is among the newest tokens, at little cost."""
    return markers.end.strip() in _with_special(tokenizer, _newest(tokenizer, ids, markers))


def held_back(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], markers: ThinkingMarkers
) -> int:
    """Return how many of the newest tokens may be a piece of the sign that ends the thoughts."""
    newest, end = _newest(tokenizer, ids, markers), markers.end.strip()
    text = _with_special(tokenizer, newest)
    longest = min(len(text), len(end) - 1)
    begun = next((n for n in range(longest, 0, -1) if text.endswith(end[:n])), 0)
    if not begun:
        return 0
    return len(newest) - max(0, _tokens_of(tokenizer, newest, len(text) - begun + 1) - 1)


def _newest(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], markers: ThinkingMarkers
) -> Sequence[int]:
    """Return enough of the newest tokens to find the marker in; no character is cut in two."""
    start = max(0, len(ids) - len(markers.end) - _SPARE_TOKENS)
    return ids[settled_tokens(tokenizer, ids[:start], set()) :]


def _with_special(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    text: str = tokenizer.decode(
        list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    return text


def _tokens_of(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], characters: int) -> int:
    """Return how many tokens it takes to have so many characters of their text."""

    def length(count: int) -> int:
        # A decoder takes an unfinished run of bytes for more characters than it will be.
        settled = settled_tokens(tokenizer, ids[:count], set())
        run = tokenizer.convert_ids_to_tokens(list(ids[settled:count]))
        written = bytes(int(token[3:5], 16) for token in run).decode(errors="ignore")
        return len(_with_special(tokenizer, ids[:settled])) + len(written)

    return bisect_left(range(len(ids)), characters, key=length)
