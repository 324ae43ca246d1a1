"""Worlds of switches: what a lamp does follows by logic, whichever sentences are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Literal

from at2_rag.documents.passages import Passage
from at2_rag.errors import InputError

RuleName = Literal["copy", "and", "or", "xor", "majority"]

#: What switches are called.
NAMES = ("Bem", "Dab", "Fip", "Gol", "Hux", "Jad", "Kor", "Lin")

_PASSAGES = 2


@dataclass(frozen=True)
class Rule:
    """How a lamp depends on switches.

    Attributes:
        arity: How many switches it depends on.
        wording: How a question names them; names are put in by their place.
        lit: Tells whether the lamp is on, from whether each switch is.
    """

    arity: int
    wording: str
    lit: Callable[[Sequence[bool]], bool]


RULES: Mapping[RuleName, Rule] = {
    "copy": Rule(1, "{0}", all),
    "and": Rule(2, "{0} and {1}", all),
    "or": Rule(2, "{0} or {1}", any),
    "xor": Rule(2, "{0} xor {1}", lambda on: sum(on) == 1),
    "majority": Rule(3, "most of {0} and {1} and {2}", lambda on: sum(on) >= 2),
}


@dataclass(frozen=True)
class LogicWorld:
    """Switches that passages tell of, and a question about some of them.

    A switch that no sentence tells of counts as off.

    Attributes:
        rule: Name of the rule of the lamp that is asked about.
        switches: Name of each switch and whether it is on, in the order that passages tell them.
        asked: Places of the switches in the question, in its order.
    """

    rule: RuleName
    switches: tuple[tuple[str, bool], ...]
    asked: tuple[int, ...]

    @property
    def question(self) -> str:
        """Return the question."""
        return f"Is the lamp by {self._named} lit?"

    @property
    def on(self) -> int:
        """How many of the switches that are asked about are on."""
        return sum(self.switches[place][1] for place in self.asked)

    @property
    def matters(self) -> tuple[int, ...]:
        """Return the places of the sentences whose loss, with some others', changes the answer."""
        keeps = list(product((False, True), repeat=len(self.asked)))
        found = []
        for index, place in enumerate(self.asked):
            pairs = [(k, (*k[:index], not k[index], *k[index + 1 :])) for k in keeps]
            if any(self._lit_by(a) != self._lit_by(b) for a, b in pairs):
                found.append(place)
        return tuple(sorted(found))

    def passages(self, kept: Sequence[bool] | None = None) -> tuple[Passage, ...]:
        """Return the passages, each switch a sentence; a passage without any is not there.

        Args:
            kept: (switches,): which sentences to tell; ``None`` for all.
        """
        kept = [True] * len(self.switches) if kept is None else kept
        half = -(-len(self.switches) // _PASSAGES)
        told = [
            " ".join(
                sentence(name, on)
                for (name, on), keep in list(zip(self.switches, kept, strict=True))[i : i + half]
                if keep
            )
            for i in range(0, len(self.switches), half)
        ]
        return tuple(Passage(text) for text in told if text)

    def lit(self, kept: Sequence[bool] | None = None) -> bool:
        """Return whether the lamp is on.

        Args:
            kept: (switches,): which sentences are told; ``None`` for all.
        """
        return self._lit_by([kept is None or kept[place] for place in self.asked])

    def answer(self, kept: Sequence[bool] | None = None) -> str:
        """Return the answer in words; ``kept`` as for :meth:`lit`."""
        return f"It is {state(self.lit(kept))}."

    @property
    def _named(self) -> str:
        names = [self.switches[place][0] for place in self.asked]
        return RULES[self.rule].wording.format(*names)

    def _lit_by(self, kept: Sequence[bool]) -> bool:
        states = [self.switches[place][1] for place in self.asked]
        return RULES[self.rule].lit([on and k for on, k in zip(states, kept, strict=True)])


def sentence(name: str, on: bool) -> str:
    """Return what a passage says of a switch.

    A single word, so that a model of two or three layers soon learns to look switches up.
    """
    return f"{name}-{state(on)}."


def state(on: bool) -> str:
    """Return the word for a state."""
    return "on" if on else "off"


def draw_world(rng: Random, rule: RuleName, switches: int, on: int | None = None) -> LogicWorld:
    """Draw a world.

    Args:
        rng: Randomness to draw from; it goes on behind the draw.
        rule: Name of the lamp's rule.
        switches: How many switches there are.
        on: How many of those asked about are on; ``None`` for each by chance.

    Raises:
        InputError: If there are too few switches for the rule, or more than names.
    """
    arity = RULES[rule].arity
    if not arity <= switches <= len(NAMES):
        raise InputError(
            f"switches is {switches}; expected {arity} to {len(NAMES)} for the rule {rule}."
        )
    names = rng.sample(NAMES, switches)
    states = [rng.random() < 0.5 for _ in names]
    asked = rng.sample(range(switches), arity)
    if on is not None:
        on_first = [index < on for index in range(arity)]
        for place, state in zip(asked, rng.sample(on_first, arity), strict=True):
            states[place] = state
    return LogicWorld(rule, tuple(zip(names, states, strict=True)), tuple(asked))
