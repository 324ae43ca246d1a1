"""Citations and context pruning for RAG with local language models, from their attention."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from at2_rag.ablation.task import AblationKind, AttributionTask
    from at2_rag.ablation.verification import Evidence, Verification, VerifiedStatement
    from at2_rag.answer.answer import Answer
    from at2_rag.answer.attribution import Attribution
    from at2_rag.answer.marking import Mark, Marking, MarkPlace
    from at2_rag.answer.pruning import Pruned, Saved
    from at2_rag.answer.statement import Citation, Statement
    from at2_rag.answer.thoughts import Thoughts
    from at2_rag.answering.auditing import AuditedRow
    from at2_rag.answering.streaming import Event, Thinking, Writing
    from at2_rag.attention.probe import AttentionShape
    from at2_rag.attention.recording import inspect_attention
    from at2_rag.documents.conversation import Message
    from at2_rag.documents.files import FilesWarning, read_passages
    from at2_rag.documents.passages import Passage, SourceKind
    from at2_rag.documents.sources import Source, SourceUnit
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
    from at2_rag.methods.heads import AnswerHeads
    from at2_rag.model.options import AnswerOptions, DraftOptions, LoadingOptions
    from at2_rag.notices import (
        NarrowTypeWarning,
        NoHeadsWarning,
        NoSamplingWarning,
        PlainPromptWarning,
        WideTypeWarning,
    )
    from at2_rag.prompt.settings import Settings, SettingsOptions
    from at2_rag.prompt.template import (
        CONTEXT,
        FINAL_ANSWER,
        FROM_PASSAGES,
        MULTI_PASSAGE,
        PromptTemplate,
    )
    from at2_rag.prompt.thinking_markers import ThinkingMarkers
    from at2_rag.reader import Reader

__version__ = "0.1.0"

#: Where each public name lives. They are imported at first use (PEP 562), so that the command
#: line shows its help, and passages are read, without loading torch.
_HOMES = {
    "ablation.task": ("AblationKind", "AttributionTask"),
    "ablation.verification": ("Evidence", "Verification", "VerifiedStatement"),
    "answer.answer": ("Answer",),
    "answer.attribution": ("Attribution",),
    "answer.marking": ("Mark", "MarkPlace", "Marking"),
    "answer.pruning": ("Pruned", "Saved"),
    "answer.statement": ("Citation", "Statement"),
    "answer.thoughts": ("Thoughts",),
    "answering.auditing": ("AuditedRow",),
    "answering.streaming": ("Event", "Thinking", "Writing"),
    "attention.probe": ("AttentionShape",),
    "attention.recording": ("inspect_attention",),
    "documents.conversation": ("Message",),
    "documents.files": ("FilesWarning", "read_passages"),
    "documents.passages": ("Passage", "SourceKind"),
    "documents.sources": ("Source", "SourceUnit"),
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
    "methods.heads": ("AnswerHeads",),
    "model.options": ("AnswerOptions", "DraftOptions", "LoadingOptions"),
    "notices": (
        "NarrowTypeWarning",
        "NoHeadsWarning",
        "NoSamplingWarning",
        "OtherPromptWarning",
        "PlainPromptWarning",
        "WideTypeWarning",
    ),
    "prompt.settings": ("Settings", "SettingsOptions"),
    "prompt.template": (
        "CONTEXT",
        "FINAL_ANSWER",
        "FROM_PASSAGES",
        "MULTI_PASSAGE",
        "PromptTemplate",
    ),
    "prompt.thinking_markers": ("ThinkingMarkers",),
    "reader": ("Reader",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "CONTEXT",
    "FINAL_ANSWER",
    "FROM_PASSAGES",
    "MULTI_PASSAGE",
    "AblationKind",
    "Answer",
    "AnswerHeads",
    "AnswerOptions",
    "At2Error",
    "AttentionShape",
    "Attribution",
    "AttributionTask",
    "AuditedRow",
    "Citation",
    "ContextOverflowError",
    "DraftOptions",
    "EstimatorMismatchError",
    "Event",
    "Evidence",
    "FileFormatError",
    "FilesWarning",
    "InputError",
    "LinearEstimator",
    "LoadingOptions",
    "Mark",
    "MarkPlace",
    "Marking",
    "Message",
    "MissingResourceError",
    "NarrowTypeWarning",
    "NetworkEstimator",
    "NoHeadsWarning",
    "NoSamplingWarning",
    "NumericalError",
    "OtherPromptWarning",
    "Passage",
    "PlainPromptWarning",
    "PromptTemplate",
    "Pruned",
    "Reader",
    "Saved",
    "ScoreEstimator",
    "Settings",
    "SettingsOptions",
    "Source",
    "SourceKind",
    "SourceUnit",
    "Statement",
    "Thinking",
    "ThinkingMarkers",
    "Thoughts",
    "UnsupportedModelError",
    "Verification",
    "VerifiedStatement",
    "WideTypeWarning",
    "Writing",
    "inspect_attention",
    "read_passages",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
