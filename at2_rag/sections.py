"""Items in a row that come in named sections, so that nobody counts where one begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Sections(Generic[T]):
    """Items in a row, in sections that follow one another.

    Attributes:
        items: All items, in order.
        places: Which of the items each section has, by the section's name.
    """

    items: tuple[T, ...]
    places: Mapping[str, slice]

    @classmethod
    def of(cls, **sections: Sequence[T]) -> Sections[T]:
        """Return sections in the order in which they are given.

        Args:
            sections: The items of each section, by its name; any of them may be empty.
        """
        items: list[T] = []
        places = {}
        for name, section in sections.items():
            places[name] = slice(len(items), len(items) + len(section))
            items += section
        return cls(tuple(items), MappingProxyType(places))

    def __getitem__(self, name: str) -> tuple[T, ...]:
        """Return the items of a section."""
        return self.items[self.places[name]]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def indices(self, name: str) -> range:
        """Return where a section's items are among all items."""
        return range(*self.places[name].indices(len(self.items)))

    def until(self, name: str) -> slice:
        """Return which of all items come before the end of a section."""
        return slice(self.places[name].stop)
