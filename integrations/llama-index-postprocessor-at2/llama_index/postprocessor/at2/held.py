"""How a component holds its reader."""

from __future__ import annotations

from typing import Any

from llama_index.postprocessor.at2.checks import check_reader

from at2_rag import Reader


class HeldReader:
    """A reader that copies of its holder share, and that pickles leave behind.

    A model's weights belong in no pickle, and a copied model is no longer recorded.

    Args:
        reader: The reader to hold; ``None`` after unpickling.
    """

    def __init__(self, reader: Reader | None = None) -> None:
        self._reader = reader

    def get(self) -> Reader:
        """Return the reader.

        Raises:
            TypeError: If it was left behind.
        """
        if self._reader is None:
            raise TypeError(
                "There is no reader: unpickled components come without. Set its reader attribute."
            )
        return self._reader

    def set(self, reader: Reader) -> None:
        """Put a reader in its place.

        Raises:
            TypeError: If it is none.
        """
        self._reader = check_reader(reader)

    def __deepcopy__(self, memo: dict[int, Any]) -> HeldReader:
        return HeldReader(self._reader)

    def __reduce__(self) -> tuple[type[HeldReader], tuple[()]]:
        return HeldReader, ()
