"""The first points: the user's center, then points that fill the space evenly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from metta_sweep.optimize.points import FreshPoints
from metta_sweep.optimize.random import drawn
from metta_sweep.optimize.sobol import sobol_batches
from metta_sweep.space import SearchSpace
from metta_sweep.space.scales import Array

_SOBOL_BATCHES = 8
"""Batches of the Sobol sequence; after them points are drawn from the feasible part."""
_REACH = 0.7
"""How far towards the bounds the first points go, as a share of the way from the center."""


def space_filling(space: SearchSpace, seed: int) -> FreshPoints:
    """Return the feasible points of a scrambled Sobol sequence (Sobol 1967; Owen 1998), drawn towards the center.

    Args:
        space: Where to search.
        seed: Seed of the scrambling; the same seed gives the same sequence.
    """
    return FreshPoints(_batches(space, seed))


def _batches(space: SearchSpace, seed: int) -> Iterator[Array]:
    even = sobol_batches(space, seed)
    for _ in range(_SOBOL_BATCHES):
        batch = _towards_center(space, next(even))
        yield batch[space.satisfied(batch)]
    yield from drawn(space, np.random.default_rng([seed, 1]))


def _towards_center(space: SearchSpace, codes: Array) -> Array:
    """Return codes ``(n, d)`` with their numbers nearer to the center: what is near to what works fails less."""
    center = space.feasible_center
    numbers = np.array([not parameter.domain.is_unordered for parameter in space.parameters], dtype=bool)
    return space.snap(np.where(numbers, center + _REACH * (codes - center), codes))
