"""What can be done in an environment: one of a set, one of each of several sets, or numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Discrete:
    """One of a set."""

    size: int
    """Of the set; actions are numbers from 0."""


@dataclass(frozen=True, slots=True)
class MultiDiscrete:
    """One of each of several sets, all at once."""

    sizes: tuple[int, ...]
    """Of the sets."""


@dataclass(frozen=True, slots=True)
class Box:
    """Real numbers, each within bounds of its own."""

    low: tuple[float, ...]
    """Smallest; infinite where there is no bound."""
    high: tuple[float, ...]
    """Largest."""


ActionSpace: TypeAlias = Discrete | MultiDiscrete | Box
"""The kinds that a policy can play."""
