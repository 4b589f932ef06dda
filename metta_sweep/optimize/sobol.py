"""Quasi-random search: a scrambled Sobol sequence (Sobol 1967; Owen 1998), which fills the space more evenly."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from metta_sweep.optimize.points import BATCH
from metta_sweep.optimize.port import SearchTask
from metta_sweep.optimize.random import drawn
from metta_sweep.optimize.sequence import SequenceSearch
from metta_sweep.optimize.sobol_points import MOST_DIMENSIONS, sobol_points
from metta_sweep.space import SearchSpace
from metta_sweep.space.scales import Array

_PATIENCE = 8
"""Batches in a row without a feasible point after which points are drawn from the feasible part instead."""
_LONGEST = 2**20
"""Points of the sequence that are gone through at most; its own limit is 2^30."""


def sobol_search(task: SearchTask) -> SequenceSearch:
    """Return a quasi-random search that has seen nothing."""
    reason = "the next point of a sequence that fills the space evenly"
    return SequenceSearch(task, origin="sobol", batches=_batches(task.space, task.seed), reason=reason)


def sobol_batches(space: SearchSpace, seed: int) -> Iterator[Array]:
    """Yield snapped codes ``(n, d)`` of the scrambled sequence; the same seed gives the same sequence."""
    for points in unit_batches(space.dim, seed):
        yield space.from_unit(points)


def unit_batches(dim: int, seed: int) -> Iterator[Array]:
    """Yield the points of the scrambled sequence in the unit cube ``(n, dim)``, of the same seed the same."""
    for points in islice(_unit_points(max(1, dim), np.random.default_rng(seed)), _LONGEST // BATCH):
        yield points[:, :dim]


def _unit_points(dim: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield the points of the scrambled sequence in the unit cube, ``(BATCH, dim)`` at a time."""
    if dim <= MOST_DIMENSIONS:
        yield from sobol_points(dim, rng, batch=BATCH)
    else:
        from scipy.stats import qmc  # the same points, and a second and a half to import

        sobol = qmc.Sobol(dim, scramble=True, rng=rng)
        while True:
            yield sobol.random(BATCH)


def _batches(space: SearchSpace, seed: int) -> Iterator[Array]:
    barren = 0
    for batch in sobol_batches(space, seed):
        feasible = batch[space.satisfied(batch)]
        barren = 0 if len(feasible) else barren + 1
        if barren >= _PATIENCE:
            break
        yield feasible
    yield from drawn(space, np.random.default_rng([seed, 1]))
