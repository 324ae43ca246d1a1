"""Where things lie."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
REPOSITORY = TESTS.parent
#: What the project wrote itself to be read as files.
DATA = TESTS / "data"
#: Tiny models with the published implementation's numbers.
GOLDEN = TESTS / "golden"
#: One of them, with its estimator.
LLAMA = GOLDEN / "llama"
DEMO_MODEL = REPOSITORY / "at2_rag" / "demo_model"
