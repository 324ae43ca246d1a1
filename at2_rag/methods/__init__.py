"""Attribution methods behind one interface: AT2 and what it is compared with (section 4)."""

from at2_rag.methods.apply import answer_by, attribution_by
from at2_rag.methods.attention import AttentionMethod
from at2_rag.methods.base import AttributionMethod
from at2_rag.methods.blend import BlendMethod
from at2_rag.methods.gradient import GradientMethod
from at2_rag.methods.knockout import KnockoutMethod
from at2_rag.methods.knockout_gradient import KnockoutGradientMethod
from at2_rag.methods.leave_one_out import LeaveOneOutMethod
from at2_rag.methods.overlap import WordOverlapMethod
from at2_rag.methods.random import RandomMethod
from at2_rag.methods.registry import METHOD_NAMES, check_method_name, method_by_name
from at2_rag.methods.surrogate import SurrogateMethod

__all__ = [
    "METHOD_NAMES",
    "AttentionMethod",
    "AttributionMethod",
    "BlendMethod",
    "GradientMethod",
    "KnockoutGradientMethod",
    "KnockoutMethod",
    "LeaveOneOutMethod",
    "RandomMethod",
    "SurrogateMethod",
    "WordOverlapMethod",
    "answer_by",
    "attribution_by",
    "check_method_name",
    "method_by_name",
]
