"""An answer of three statements, what they may cite, and thresholds by which they lean."""

import math

from at2_rag.documents.sources import Source
from at2_rag.estimators import Calibration, Reliability

TEXT = "Aa. Bb. Cc."
SOURCES = (Source(0, 0, 4, "One."), Source(0, 5, 9, "Two."), Source(1, 0, 6, "Three."))
CALIBRATION = Calibration(
    "sentence",
    math.log(2),
    Reliability(0.5, 1.0, 1.0, 9),
    Reliability(0.5, 1.0, 1.0, 9),
    Reliability(0.5, 1.0, 1.0, 9),
)
