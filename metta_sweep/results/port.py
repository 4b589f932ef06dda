"""What a reader is, what it is told and what it gives: the door between a run's numbers and whoever wants them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from metta_sweep.result import RunPaths
from metta_sweep.results.notes import Notes
from metta_sweep.results.seen import Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value of one metric."""

    name: str
    """The metric by the sweep's name for it."""
    value: float
    """As written, NaN and infinity included."""
    place: str
    """The file or stream that it is from, as a person would name it; two places are two series."""
    step: float | None = None
    """Training steps done, where that is written beside it."""
    at_s: float | None = None
    """When it was written, in seconds since the epoch; None for now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a reader looks, and for what."""

    run: RunPaths
    """The run's directory."""
    cwd: Path
    """The run's working directory, absolute."""
    metric: str
    """The metric that is searched for."""
    path: str | None = None
    """A glob below the working directory; None for the reader's own default."""
    wanted: Mapping[str, str] = field(default_factory=dict)
    """Tag, column, key or pattern by the sweep's name; empty for every name as it is."""
    step: str | None = None
    """Column, key or group that counts training steps."""
    began_s: float = 0.0
    """When the attempt was started, in seconds since the epoch."""
    log_start: int = 0
    """Bytes that the run's log had when the attempt was started."""
    log_limit: int = 8 * 1024 * 1024
    """Bytes above which the middle of the log is cut out."""
    is_shared: bool = False
    """Whether other runs may write below the same working directory at the same time."""
    keeper: int | None = None
    """The process below which the whole attempt runs, where one is known."""
    notes: Notes = field(default_factory=Notes)

    def ours(self, theirs: str) -> tuple[str, ...]:
        """Return the sweep's names for a tag, column or key; none where nobody wants it."""
        if not self.wanted:
            return (theirs,)
        return tuple(ours for ours, wanted in self.wanted.items() if wanted == theirs)

    @property
    def sought(self) -> dict[str, str]:
        """What is looked for by the sweep's name, the searched metric at least."""
        return dict(self.wanted) or {self.metric: self.metric}


class Reader(Protocol):
    """Finds a run's numbers in what its trainer writes, while it writes."""

    @property
    def seen(self) -> Seen:
        """Everything that was found so far, wanted or not."""

    def read(self, *, final: bool) -> Iterator[Point]:
        """Yield what is wanted and new since the last call.

        Args:
            final: Whether the run is over: whatever is there is read, the last line without an end too. Otherwise a
                call is short, and goes on next time where it stopped.
        """


class ReaderFactory(Protocol):
    """Makes a reader; it looks at what is there already before the run is started."""

    def __call__(self, source: Source) -> Reader:
        """Return a reader of an attempt that has not begun yet."""
