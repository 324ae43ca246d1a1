"""Citations and context pruning for RAG with local language models, from their attention."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from at2_rag.answer import Answer
    from at2_rag.attribution import Attribution
    from at2_rag.capture import inspect_attention
    from at2_rag.errors import (
        At2Error,
        ContextOverflowError,
        EstimatorMismatchError,
        FileFormatError,
        InputError,
        MissingResourceError,
        NumericalError,
        UnsupportedModelError,
    )
    from at2_rag.estimators import LinearEstimator, NetworkEstimator, ScoreEstimator
    from at2_rag.notices import AverageAttentionWarning, PlainPromptWarning
    from at2_rag.passages import Passage
    from at2_rag.probe import AttentionShape
    from at2_rag.prompt import CONTEXT, FINAL_ANSWER, MULTI_PASSAGE, PromptTemplate
    from at2_rag.pruning import Pruned, Saved
    from at2_rag.reader import Reader
    from at2_rag.settings import Settings
    from at2_rag.sources import Source
    from at2_rag.statement import Citation, Statement
    from at2_rag.thinking import ThinkingMarkers
    from at2_rag.thoughts import Thoughts

__version__ = "0.1.0"

#: Where each public name lives. They are imported at first use (PEP 562), so that the command
#: line shows its help, and passages are read, without loading torch.
_HOMES = {
    "answer": ("Answer",),
    "attribution": ("Attribution",),
    "capture": ("inspect_attention",),
    "errors": (
        "At2Error",
        "ContextOverflowError",
        "EstimatorMismatchError",
        "FileFormatError",
        "InputError",
        "MissingResourceError",
        "NumericalError",
        "UnsupportedModelError",
    ),
    "estimators": ("LinearEstimator", "NetworkEstimator", "ScoreEstimator"),
    "notices": ("AverageAttentionWarning", "PlainPromptWarning"),
    "passages": ("Passage",),
    "probe": ("AttentionShape",),
    "prompt": ("CONTEXT", "FINAL_ANSWER", "MULTI_PASSAGE", "PromptTemplate"),
    "pruning": ("Pruned", "Saved"),
    "reader": ("Reader",),
    "settings": ("Settings",),
    "sources": ("Source",),
    "statement": ("Citation", "Statement"),
    "thinking": ("ThinkingMarkers",),
    "thoughts": ("Thoughts",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "CONTEXT",
    "FINAL_ANSWER",
    "MULTI_PASSAGE",
    "Answer",
    "At2Error",
    "AttentionShape",
    "Attribution",
    "AverageAttentionWarning",
    "Citation",
    "ContextOverflowError",
    "EstimatorMismatchError",
    "FileFormatError",
    "InputError",
    "LinearEstimator",
    "MissingResourceError",
    "NetworkEstimator",
    "NumericalError",
    "Passage",
    "PlainPromptWarning",
    "PromptTemplate",
    "Pruned",
    "Reader",
    "Saved",
    "ScoreEstimator",
    "Settings",
    "Source",
    "Statement",
    "ThinkingMarkers",
    "Thoughts",
    "UnsupportedModelError",
    "inspect_attention",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
