"""What every reader sees of one run: to choose among them, and to find out why one sees nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from metta_sweep.results.notes import Notes
from metta_sweep.results.port import Source
from metta_sweep.results.registry import OWN, new_reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One name in one place, as one reader sees it."""

    reader: str
    """Name of the reader."""
    place: str
    """The file or stream."""
    name: str
    """Tag, column, key or word before a number; empty for a place without numbers."""
    count: int = 0
    """Values."""
    first: float = 0.0
    """The first value."""
    last: float = 0.0
    """The last value."""
    step: float | None = None
    """The step of the last value, where it is written."""


class Survey:
    """Looks at one run with every reader; made before the run starts, asked once it is over.

    Args:
        source: The run. What is asked of one reader alone (names, a pattern for the others) is left out.
        readers: Which readers look.
    """

    def __init__(self, source: Source, readers: Sequence[str] = tuple(OWN)) -> None:
        open_minded = replace(source, wanted={}, is_shared=False, notes=Notes())
        self._readers = {name: new_reader(name, open_minded) for name in readers}

    def sightings(self) -> Iterator[Sighting]:
        """Yield everything that was seen, reader by reader, files without numbers included."""
        for name, reader in self._readers.items():
            for _ in reader.read(final=True):
                pass
            with_numbers = set()
            for place, found, tally in reader.seen.items():
                with_numbers.add(place)
                yield Sighting(
                    reader=name,
                    place=place,
                    name=found,
                    count=tally.count,
                    first=tally.first,
                    last=tally.last,
                    step=tally.step,
                )
            for place in reader.seen.places:
                if place not in with_numbers and name != "stdout":
                    yield Sighting(reader=name, place=place, name="")
