"""What was found, wanted or not: so that a person can be told which names there are, and in which files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

NAMES = 2_000
"""Most names that are remembered of one run."""


@dataclass(slots=True)
class Tally:
    """One name in one place."""

    count: int = 0
    """Values so far."""
    first: float = 0.0
    """The first value."""
    last: float = 0.0
    """The last value."""
    step: float | None = None
    """The step of the last value, where it is known."""


class Seen:
    """The names of numbers by the place in which they were found."""

    def __init__(self, searched: str) -> None:
        self.searched = searched
        """What was looked for where, for a person."""
        self._places: dict[str, dict[str, Tally]] = {}
        self._size = 0

    def place(self, place: str) -> None:
        """Remember that there is such a file, whatever is in it."""
        if self._size < NAMES:
            self._places.setdefault(place, {})

    def add(self, place: str, name: str, value: float, step: float | None = None) -> None:
        """Count a value."""
        tally = self._places.setdefault(place, {}).get(name)
        if tally is None:
            if self._size >= NAMES:
                return
            self._size += 1
            tally = self._places[place][name] = Tally(first=value)
        tally.count += 1
        tally.last, tally.step = value, step if step is not None else tally.step

    def items(self) -> Iterator[tuple[str, str, Tally]]:
        """Yield place, name and tally of everything, in the order found."""
        for place, tallies in self._places.items():
            for name, tally in tallies.items():
                yield place, name, tally

    @property
    def places(self) -> list[str]:
        """The places, in the order found."""
        return list(self._places)

    @property
    def names(self) -> list[str]:
        """The names, each once, in the order found."""
        return list(dict.fromkeys(name for _, name, _ in self.items()))
