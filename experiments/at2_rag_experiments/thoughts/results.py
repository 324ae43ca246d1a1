"""What thoughts and passages are worth to a response, by every method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from at2_rag.errors import InputError
from at2_rag.evaluation import Comparison, Estimate

from at2_rag_experiments.base import Record
from at2_rag_experiments.estimates import mean_of
from at2_rag_experiments.measuring import in_short, merged, share_of_firsts

#: Of the top-k drops; the paper's is 5.
KS = (1, 3, 5)

#: What is left out of the context, in the order of tables.
LEFT_OUT = ("passages", "thoughts", "both")


@dataclass(frozen=True)
class ThoughtUnit:
    """What was found with sources of one unit.

    Attributes:
        unit: What a source is.
        comparison: All methods on all responses.
        sources: Mean number of sources of an example.
        thoughts: Mean number of those that are thoughts.
        thought_first: By method, how often it scores a thought highest, over dependent statements.
    """

    unit: str
    comparison: Comparison
    sources: float
    thoughts: float
    thought_first: Mapping[str, Estimate]

    def to_dict(self) -> Record:
        """Return plain JSON types, without the measurements, which are in the records."""
        return {
            **in_short(self.comparison),
            "sources": self.sources,
            "thoughts": self.thoughts,
            "thought_first": {name: asdict(e) for name, e in self.thought_first.items()},
        }


@dataclass(frozen=True)
class Known:
    """What is known of responses about worlds.

    Attributes:
        right: Share of responses that are right.
        thoughts_right: Share of thoughts that are right, word for word.
        last_hop_first: By method, how often it scores that thought highest which the response
            repeats; over responses and thoughts that are right.
        last_hop_cited: How often the reader's own citations have that thought, over the same
            responses.
        supporting_cited: Share of the supporting sentences that are cited, through thoughts or not.
        cited_supporting: Share of the cited sentences of passages that support.
    """

    right: Estimate
    thoughts_right: Estimate
    last_hop_first: Mapping[str, Estimate]
    last_hop_cited: Estimate
    supporting_cited: Estimate
    cited_supporting: Estimate


@dataclass(frozen=True)
class ThoughtResults:
    """Everything that was found on thoughts.

    Attributes:
        units: What was found with each unit of the sources.
        reliance: Fall of the response's log-probability without what is named, in nats.
        known: What is known of responses about worlds; ``None`` for other data.
        left_out: Why examples were not measured, and how many.
    """

    units: tuple[ThoughtUnit, ...]
    reliance: Mapping[str, Estimate]
    known: Known | None
    left_out: Mapping[str, int]

    def to_dict(self) -> Record:
        """Return plain JSON types."""
        return {
            "units": {found.unit: found.to_dict() for found in self.units},
            "reliance": {name: asdict(estimate) for name, estimate in self.reliance.items()},
            "known": None if self.known is None else asdict(self.known),
            "left_out": dict(self.left_out),
        }


def summarize(records: Sequence[Record]) -> ThoughtResults:
    """Put the records of examples together.

    Args:
        records: Records of ``ThoughtAttribution.measure``.

    Raises:
        InputError: If none of the examples could be measured.
    """
    reasons = [record["left_out"] for record in records if "left_out" in record]
    left_out = {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}
    usable = [record for record in records if "left_out" not in record]
    if not usable:
        told = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise InputError(
            f"None of the {len(records)} examples could be measured ({told}); expected a model "
            "that thinks, and max_new_tokens that leave room for its thoughts."
        )
    names = [name for name in usable[0] if name not in ("reliance", "known")]
    reliance = {name: mean_of(record["reliance"][name] for record in usable) for name in LEFT_OUT}
    return ThoughtResults(
        tuple(_unit(name, [record[name] for record in usable]) for name in names),
        reliance,
        _known([record for record in usable if "known" in record]),
        left_out,
    )


def _unit(name: str, records: Sequence[Record]) -> ThoughtUnit:
    comparison = merged(records)
    assert comparison is not None  # each of the records has a statement
    kinds = [record["kinds"] for record in records]
    return ThoughtUnit(
        name,
        comparison,
        sum(map(len, kinds)) / len(kinds),
        sum(found.count("thought") for found in kinds) / len(kinds),
        share_of_firsts(comparison, lambda m: kinds[m.example][m.first] == "thought"),
    )


def _known(records: Sequence[Record]) -> Known | None:
    if not records:
        return None
    known = [record["known"] for record in records]
    sound = [r for r in records if r["known"]["right"] and r["known"]["thoughts_right"]]
    return Known(
        mean_of(found["right"] for found in known),
        mean_of(found["thoughts_right"] for found in known),
        _last_hop_first(sound),
        mean_of((r["known"]["last_hop"] in r["known"]["cited"]) for r in sound),
        mean_of(_share(r["known"]["supporting"], r["known"]["cited"]) for r in sound),
        mean_of(_share(cited, r["known"]["supporting"]) for r in sound if (cited := _passages(r))),
    )


def _last_hop_first(records: Sequence[Record]) -> dict[str, Estimate]:
    """Return, by method, how often it scores the last thought highest for the response."""
    found: dict[str, list[float]] = {}
    for record in records:
        for measurement in record["sentence"]["measurements"]:
            if measurement["target"] == 0:
                hit = measurement["first"] == record["known"]["last_hop"]
                found.setdefault(measurement["method"], []).append(hit)
    return {method: mean_of(hits) for method, hits in found.items()}


def _passages(record: Record) -> list[int]:
    """Return which cited sources are sentences of passages."""
    kinds = record["sentence"]["kinds"]
    return [index for index in record["known"]["cited"] if kinds[index] == "passage"]


def _share(wanted: Sequence[Any], found: Sequence[Any]) -> float:
    return sum(item in found for item in wanted) / len(wanted)
