"""Teaching a small model from scratch to answer questions about made-up worlds."""

from at2_rag_experiments.teaching.batches import Batch, BatchMaker
from at2_rag_experiments.teaching.loop import Lesson, teach
from at2_rag_experiments.teaching.plan import CURRICULUM, TeachingPlan, short_curriculum
from at2_rag_experiments.teaching.shapes import SHAPE_NAMES, small_shape

__all__ = [
    "CURRICULUM",
    "SHAPE_NAMES",
    "Batch",
    "BatchMaker",
    "Lesson",
    "TeachingPlan",
    "short_curriculum",
    "small_shape",
    "teach",
]
