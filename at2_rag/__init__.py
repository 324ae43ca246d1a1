"""Citations and context pruning for RAG with local language models, from their attention."""

from at2_rag.answer import Answer
from at2_rag.attribution import Attribution
from at2_rag.capture import inspect_attention
from at2_rag.citations import Citation, Statement
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
from at2_rag.estimator import ScoreEstimator
from at2_rag.passages import Passage
from at2_rag.probe import AttentionShape
from at2_rag.prompt import CONTEXT, FINAL_ANSWER, MULTI_PASSAGE, PromptTemplate
from at2_rag.pruning import Pruned, Saved
from at2_rag.reader import AverageAttentionWarning, PlainPromptWarning, Reader
from at2_rag.settings import Settings
from at2_rag.sources import Source

__version__ = "0.1.0"

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
    "MissingResourceError",
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
    "UnsupportedModelError",
    "inspect_attention",
]
