"""From the values of a metric on its way to the one value of the run."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

FEWEST = 3
"""Values from which on it is known how often a metric is logged."""
PAUSES = 3.0
"""Usual pauses between two values of a metric after which it is held to have ended."""


@dataclass(slots=True)
class Reduction:
    """The values of one metric in one place, reduced while they come.

    Args:
        how: ``last``, ``first``, ``max``, ``min`` or ``mean:N``, the mean of the last N.
    """

    how: str
    count: int = 0
    last: float = math.nan
    last_step: float | None = None
    steps_back: tuple[float, float] | None = None
    """The first two steps of which the second is smaller."""
    last_at: int = 0
    """Which of all values of its place the last one was, from 1."""
    _first: float = math.nan
    _extreme: float = math.nan
    _window: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        kind, _, size = self.how.partition(":")
        if kind == "mean":
            self._window = deque(maxlen=int(size))

    def add(self, value: float, step: float | None, *, at: int = 0) -> None:
        """Take the next value, the ``at``-th of its place."""
        self.last_at = at
        self._first = value if self.count == 0 else self._first
        self.count += 1
        self.last = value
        self._window.append(value) if self._window.maxlen else None
        if math.isfinite(value):
            better = max if self.how == "max" else min
            self._extreme = value if math.isnan(self._extreme) else better(value, self._extreme)
        if step is not None:
            if self.last_step is not None and step < self.last_step and self.steps_back is None:
                self.steps_back = (self.last_step, step)
            self.last_step = step

    def ended_before(self, total: int) -> bool:
        """Return whether no value came any more long before the last of the ``total`` values of its place."""
        return self.count >= FEWEST and total - self.last_at > PAUSES * self.last_at / self.count

    def value(self) -> float:
        """Return the run's value; NaN where the values that count are."""
        if self.how == "first":
            return self._first
        if self.how in ("max", "min"):
            return self._extreme
        if self._window:
            return math.fsum(self._window) / len(self._window) if all(map(math.isfinite, self._window)) else math.nan
        return self.last
