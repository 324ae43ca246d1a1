"""Taking a GGUF file apart once a load, where the libraries do it again for each thing they want.

transformers reads a file's lists (a vocabulary and its merges, hundreds of thousands of strings)
for the configuration, for the tokenizer and for the weights, each time from the beginning, and
makes the table of all names that weights may have once for each part of the model. Most of the
time of loading a small model went there: for one of 135M parameters, 20 of 25 seconds.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import RLock
from typing import Any

import numpy as np

#: The package's own names are exchanged for a while, so one load at a time.
_LOCK = RLock()


@contextmanager
def parsed_once() -> Iterator[None]:
    """Let the gguf package remember what it reads, until the block ends.

    Within the block a file is taken to stay as it is. Results are the same: what is remembered are
    the package's own objects.
    """
    gguf: Any = importlib.import_module("gguf")
    with _LOCK:
        ours = {
            "GGUFReader": cache(_quick(gguf.GGUFReader)),
            "get_tensor_name_map": cache(gguf.get_tensor_name_map),
        }
        theirs = {name: getattr(gguf, name) for name in ours}
        vars(gguf).update(ours)
        try:
            yield
        finally:
            vars(gguf).update(theirs)


def _quick(reader: Any) -> Any:
    """Return a reader whose slices are plain arrays.

    A slice of a memory map is one itself, which takes several times as long to make, and there is
    one for each string.
    """

    class Quick(reader):  # type: ignore[misc]
        @property
        def data(self) -> Any:
            return self._data

        @data.setter
        def data(self, mapped: Any) -> None:
            self._data = mapped.view(np.ndarray)

    return Quick
