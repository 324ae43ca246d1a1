"""What many audited rows come to, counted one by one, so that no row is held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Bars of the distribution of support: tenths, and all of it apart.
BARS = 11


@dataclass
class Tally:
    """Counts over rows.

    Attributes:
        rows: How many rows were counted.
        statements: How many statements the answers have, refusals left out.
        judged: How many of the statements were judged, supported or not.
        supported: How many of these are supported.
        judged_rows: How many answers have a judged statement.
        with_unsupported: How many answers have a statement that is not supported.
        searched: How many answers were searched for words that are from no passage.
        ungrounded: How many of these have such a word.
        refused: How many answers say only that they do not know.
        citations: How many distinct sources the answers cite, together.
        prompt_tokens: How many tokens the prompts have, together.
        unused_tokens: How many tokens the passages have that no statement cites, together.
        shown: How many rows have a passage at each rank, from 0.
        used: How many rows cite the passage at each rank, from 0.
        enough: How many rows would have had enough with so many passages.
        shares: How many answers have a supported share in each bar of its distribution.
    """

    rows: int = 0
    statements: int = 0
    judged: int = 0
    supported: int = 0
    judged_rows: int = 0
    with_unsupported: int = 0
    searched: int = 0
    ungrounded: int = 0
    refused: int = 0
    citations: int = 0
    prompt_tokens: int = 0
    unused_tokens: int = 0
    shown: Counter[int] = field(default_factory=Counter)
    used: Counter[int] = field(default_factory=Counter)
    enough: Counter[int] = field(default_factory=Counter)
    shares: Counter[int] = field(default_factory=Counter)

    def add(self, record: Mapping[str, Any]) -> None:
        """Count a record of :func:`~at2_rag.audit.records.make_record`."""
        self.rows += 1
        self.statements += record["at2_statements"]
        self.refused += record["at2_refused"]
        if (ungrounded := record["at2_ungrounded"]) is not None:
            self.searched += 1
            self.ungrounded += ungrounded > 0
        self.citations += record["at2_citations"]
        self.prompt_tokens += record["at2_prompt_tokens"]
        self.unused_tokens += record["at2_unused_tokens"]
        self.used.update(record["at2_used"])
        self.shown.update([*record["at2_used"], *record["at2_never_used"]])
        self.enough[record["at2_enough"]] += 1
        if (share := record["at2_supported_share"]) is not None:
            self.judged_rows += 1
            self.supported += record["at2_supported"]
            self.judged += record["at2_supported"] + record["at2_unsupported"]
            self.with_unsupported += record["at2_unsupported"] > 0
            self.shares[int(share * (BARS - 1))] += 1

    @property
    def supported_share(self) -> float | None:
        """Share of the judged statements that are supported."""
        return _share(self.supported, self.judged)

    @property
    def unsupported_answers(self) -> float | None:
        """Share of the judged answers that have a statement that is not supported."""
        return _share(self.with_unsupported, self.judged_rows)

    @property
    def ungrounded_answers(self) -> float | None:
        """Share of the searched answers that have such a word."""
        return _share(self.ungrounded, self.searched)

    @property
    def never_used(self) -> float | None:
        """Share of the passages that no statement of their row cites."""
        return _share(self.shown.total() - self.used.total(), self.shown.total())

    @property
    def citations_per_answer(self) -> float | None:
        """Mean number of distinct sources that an answer cites."""
        return _share(self.citations, self.rows)

    @property
    def saved(self) -> float | None:
        """Share of all prompt tokens that are in passages that no statement cites."""
        return _share(self.unused_tokens, self.prompt_tokens)

    def used_at(self, rank: int) -> float | None:
        """Return the share of rows with a passage at a rank whose answer cites it.

        Args:
            rank: The passage's place among those retrieved, from 0.
        """
        return _share(self.used[rank], self.shown[rank])

    def enough_with(self, passages: int) -> float | None:
        """Return the share of rows whose answer cites nothing behind the first passages.

        Args:
            passages: How many passages are the first ones.
        """
        within = sum(count for most, count in self.enough.items() if most <= passages)
        return _share(within, self.rows)

    def with_share(self, tenths: int) -> float | None:
        """Return the share of judged answers with so many tenths of their statements supported.

        Args:
            tenths: The least that counts, of 10.
        """
        within = sum(count for bar, count in self.shares.items() if bar >= tenths)
        return _share(within, self.judged_rows)

    def passages_for(self, share: float) -> int | None:
        """Return how many passages would have been enough for so large a share of the rows.

        Args:
            share: The share of rows to satisfy, of 1.
        """
        return next((k for k in sorted(self.enough) if (self.enough_with(k) or 0) >= share), None)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
