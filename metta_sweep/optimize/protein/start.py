"""The first points: the user's center, then points that fill the space evenly."""

from __future__ import annotations

import numpy as np

from metta_sweep.space import SearchSpace
from metta_sweep.space.scales import Array

_BATCH = 64
_REACH = 0.7
"""How far towards the bounds the first points go, as a share of the way from the center."""


def space_filling(space: SearchSpace, seed: int, taken: Array, count: int = 1) -> Array:
    """Return feasible codes ``(<= count, d)`` of a scrambled Sobol sequence (Sobol 1967; Owen 1998).

    A point that breaks a constraint, or that was observed or is pending, is passed over; where the sequence offers
    too few, points drawn from the feasible part stand in. Fewer than ``count`` come back only where the whole space
    is taken.

    Args:
        space: Where to search.
        seed: Seed of the scrambling; the same seed gives the same sequence.
        taken: Codes ``(n, d)`` not to suggest again.
        count: How many points.
    """
    from scipy.stats import qmc

    sobol = qmc.Sobol(max(1, space.dim), scramble=True, rng=np.random.default_rng(seed))
    rng = np.random.default_rng([seed, 1])
    chosen = np.zeros((0, space.dim))
    for attempt in range(32):
        if space.dim == 0:
            batch = np.zeros((1, 0))
        elif attempt < 8:
            batch = _towards_center(space, space.from_unit(sobol.random(_BATCH)[:, : space.dim]))
        else:
            batch = space.sample(_BATCH, rng)
        batch = batch[space.satisfied(batch)]
        fresh = unlike(batch, np.concatenate([taken, chosen]))
        chosen = np.concatenate([chosen, fresh])[:count]
        if len(chosen) == count:
            break
    return chosen


def _towards_center(space: SearchSpace, codes: Array) -> Array:
    """Return codes ``(n, d)`` with their numbers nearer to the center: what is near to what works fails less."""
    center = space.feasible_center
    numbers = np.array([not parameter.domain.is_unordered for parameter in space.parameters], dtype=bool)
    return space.snap(np.where(numbers, center + _REACH * (codes - center), codes))


def unlike(codes: Array, taken: Array) -> Array:
    """Return the codes ``(<= n, d)`` that differ from every taken one and from each other, in order."""
    seen = set(map(_key, taken))
    fresh = []
    for row in codes:
        if _key(row) not in seen:
            seen.add(_key(row))
            fresh.append(row)
    return np.array(fresh, dtype=np.float64).reshape(len(fresh), codes.shape[1])


def _key(row: Array) -> bytes:
    """Return what two codes of the same point share, whatever their last bits are."""
    return (np.round(row, 7) + 0.0).tobytes()
