"""The reader: a local model that answers from passages and says which of them it used."""

from at2_rag.reader.reader import Reader

__all__ = ["Reader"]
