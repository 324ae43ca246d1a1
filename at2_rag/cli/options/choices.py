"""What can be chosen where an option takes one of several words."""

from __future__ import annotations

from enum import StrEnum


class SourceUnit(StrEnum):
    """What is scored and cited."""

    sentence = "sentence"
    passage = "passage"
    word = "word"
    token = "token"


class ProofKind(StrEnum):
    """``--prove-by``."""

    attention = "attention"
    knockout = "knockout"


class ScoreKind(StrEnum):
    """``--score-by``."""

    attention = "attention"
    gradient = "gradient"


class RankKind(StrEnum):
    """``--rank-by``."""

    draft = "draft"
    question = "question"


class OnOverflow(StrEnum):
    """What to do with passages that the model cannot take in."""

    error = "error"
    drop = "drop"
    truncate = "truncate"


class Dtype(StrEnum):
    """Number format of the weights."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


class RecordFormat(StrEnum):
    """What the records of an audit are written as."""

    jsonl = "jsonl"
    parquet = "parquet"
