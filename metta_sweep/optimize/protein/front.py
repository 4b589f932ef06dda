"""The score/cost front: the best score known at every cost, and what a run at some cost could add to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metta_sweep.space.scales import Array

_MOST_STEPS = 8
SAME_COST = 0.2
"""Costs whose logarithms differ by less are one cost: no front is made of what a run's cost wobbles by."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Front:
    """A staircase over standardized log cost; its last step is the incumbent's.

    An improvement at some cost counts on every step from there on: the area that a run with a known cost adds to the
    front is the sum of its improvements over the steps, each times the step's length (expected hypervolume
    improvement, Emmerich et al. 2011, with one objective known).
    """

    levels: Array
    """Best posterior mean at each step's cost or below ``(H, K)``, rising; the last is f*."""
    edges: Array
    """Standardized log costs ``(K + 1,)`` at which the steps begin, rising, and where the last one ends."""

    @classmethod
    def of(cls, mean: Array, cost: Array, same: float) -> Front:
        """Find the front of what was seen.

        Args:
            mean: Posterior mean scores ``(H, n)`` of the points seen.
            cost: Standardized log costs ``(n,)`` that the model expects of them.
            same: What costs may differ by and still be one.
        """
        begins, best = _steps(mean.mean(0), cost, same)
        ground = np.minimum(np.median(mean, axis=1), mean[:, best[0]])
        levels = np.maximum.accumulate(np.column_stack([ground, mean[:, best]]), axis=1)
        levels[:, -1] = mean.max(axis=1)
        return cls(levels=levels, edges=np.array([cost.min() - same, *begins, cost.max() + same]))

    @property
    def is_flat(self) -> bool:
        """Whether all costs are about the same, so that there is nothing to weigh."""
        return len(self.edges) < 4

    def shares(self, cost: Array) -> Array:
        """Return for costs ``(m,)`` the share of the front's whole length that each step has above them ``(m, K)``."""
        begin, end = self.edges[:-1], self.edges[1:]
        length = np.clip(end - np.maximum(begin, cost[:, None]), 0.0, None)
        shares: Array = length / (self.edges[-1] - self.edges[0])
        return shares

    def shares_slope(self, cost: Array) -> Array:
        """Return the derivative of :meth:`shares` by the cost ``(m, K)``: a point loses of the step that it is on."""
        on = (cost[:, None] >= self.edges[:-1]) & (cost[:, None] < self.edges[1:])
        return np.where(on, -1.0 / (self.edges[-1] - self.edges[0]), 0.0)


def _steps(score: Array, cost: Array, same: float) -> tuple[list[float], list[int]]:
    """Return at which costs the front rises, and the points it rises to: few, and none that a cheaper one beats."""
    begins: list[float] = []
    best: list[int] = []
    for i in np.lexsort((-score, cost)).tolist():
        if best and score[i] <= score[best[-1]]:
            continue
        if best and cost[i] - begins[-1] <= same:
            best[-1] = i
        else:
            begins.append(float(cost[i]))
            best.append(i)
    kept = np.unique(np.linspace(0, len(best) - 1, _MOST_STEPS).round().astype(int)).tolist()
    return [begins[k] for k in kept], [best[k] for k in kept]
