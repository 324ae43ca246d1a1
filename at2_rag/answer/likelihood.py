"""How much less likely something is, in words."""

from __future__ import annotations

import math

from at2_rag.answer.statement import Citation

#: Beyond, one more nought says nothing more.
_MOST = 1000


def likelihood_in_words(drop: float) -> str:
    """Return such as "8.3 times less likely", "2 times more likely" or "as likely".

    Args:
        drop: Fall of a log-probability, in nats; negative for what becomes more likely.
    """
    times = _in_words(abs(drop))
    if times == "1":
        return "as likely"
    return f"{times} times {'less' if drop > 0 else 'more'} likely"


def effect_in_words(citation: Citation) -> list[str]:
    """Return how much less likely the statement is without the source, if that is known."""
    if citation.effect is None:
        return []
    what = "it and what repeats it" if citation.inherited else "it"
    return [f"{likelihood_in_words(citation.effect)} without {what}"]


def _in_words(nats: float) -> str:
    """Return two digits of a factor, or three of a hundred and more."""
    if nats > math.log(_MOST):
        return f"more than {_MOST:,}"
    factor = math.exp(nats)
    return f"{factor:,.0f}" if factor >= 100 else f"{float(f'{factor:.2g}'):g}"
