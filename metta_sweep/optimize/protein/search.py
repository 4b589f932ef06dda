"""Finding the best candidate: a wide look, then refinement by gradient and by moves of single parameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from metta_sweep.optimize.points import unlike
from metta_sweep.optimize.protein.acquisition import Acquisition
from metta_sweep.space import SearchSpace
from metta_sweep.space.scales import Array

_STARTS, _ROUNDS, _FEW = 6, 16, 8
"""Points that are refined, for how many rounds, and up to how many parameters: two rounds more for every other one."""
_SAME = 0.004
"""Codes that differ by less than this everywhere are the same point: running both would teach nothing new."""
_RADII = (0.3, 0.1, 0.03, 0.01)


@dataclass(frozen=True, kw_only=True, eq=False)
class Search:
    """Maximizes an acquisition over the feasible points of a space that are not taken."""

    space: SearchSpace
    acquisition: Acquisition
    taken: Array
    """Codes ``(n, d)`` of observed and pending points."""
    elite: Array
    """Codes ``(k, d)`` of the best observed points, best first."""
    rng: np.random.Generator

    def best(self, count: int) -> Array | None:
        """Return the codes ``(d,)`` of the best point found, or None where every point is taken.

        Args:
            count: How many points to look at before refining.
        """
        pool = self._allowed(np.concatenate([self.space.sample(count, self.rng), self._around_elite(count)]))
        if not len(pool):
            return None
        values = self.acquisition.value(pool)
        if np.isneginf(values).all():
            return self.acquisition.cheapest(pool)
        starts, at = self._apart(pool, values)
        step = np.full(len(starts), 0.05)
        for round_ in range(_ROUNDS + 2 * max(0, self.space.dim - _FEW)):
            moves, owner = self._moves(starts, step, round_)
            allowed = self._feasible(moves) & self._is_new(moves)
            moved = np.where(allowed, self.acquisition.value(moves), -np.inf)
            for i in range(len(starts)):
                mine = np.flatnonzero(owner == i)
                top = mine[moved[mine].argmax()]
                if moved[top] > at[i]:
                    starts[i], at[i] = moves[top], moved[top]
                    step[i] = min(0.3, 1.5 * step[i])
                else:
                    step[i] = max(1e-3, 0.5 * step[i])
        best: Array = starts[int(at.argmax())]
        return best

    def _apart(self, pool: Array, values: Array) -> tuple[Array, Array]:
        """Return the best points and their values, no two of them close together."""
        order = np.argsort(-values, kind="stable")
        chosen: list[int] = []
        for i in order[:200]:
            near = any(np.abs(pool[i] - pool[j]).max() < 0.1 for j in chosen)
            if not near:
                chosen.append(int(i))
            if len(chosen) == _STARTS:
                break
        return pool[chosen].copy(), values[chosen].copy()

    def _around_elite(self, count: int) -> Array:
        """Return ``(count, d)`` points around the best observed ones: some parameters moved, by several radii."""
        if not len(self.elite):
            return np.zeros((0, self.space.dim))
        return self._perturbed(self.elite[self.rng.integers(len(self.elite), size=count)])

    def _perturbed(self, points: Array, radii: Array | None = None) -> Array:
        size = points.shape
        if radii is None:
            radii = self.rng.choice(_RADII, size=(size[0], 1))
        share = self.rng.choice([1.0, 2.0 / max(2, size[1]), 0.5], size=(size[0], 1))
        chosen = self.rng.random(size) < share
        chosen[np.arange(size[0]), self.rng.integers(size[1], size=size[0])] = True
        moved = np.where(chosen, points + radii * self.rng.standard_normal(size), points)
        moved = np.where(chosen & self._jumps, self._fresh(size[0]), moved)
        return self.space.snap(np.clip(moved, 0.0, self._top))

    def _moves(self, starts: Array, step: Array, round_: int) -> tuple[Array, NDArray[np.intp]]:
        """Return moves ``(m, d)`` from every start and whom each belongs to ``(m,)``."""
        count = len(starts)
        gradient = self.acquisition.gradient(starts)
        norm = np.maximum(np.abs(gradient).max(axis=1, keepdims=True), 1e-12)
        along = [starts + factor * step[:, None] * gradient / norm for factor in (0.25, 1.0, 3.0)]
        owner: list[NDArray[np.intp]] = [np.arange(count)] * 3
        around = np.repeat(starts, 8, axis=0)
        radii = np.repeat(step, 8)[:, None] * self.rng.choice([0.3, 1.0, 2.0], size=(len(around), 1))
        along.append(self._perturbed(around, radii))
        owner.append(np.repeat(np.arange(count), 8))
        if round_ % 4 == 0:
            for values, mine in (self._single_moves(start, i) for i, start in enumerate(starts)):
                along.append(values)
                owner.append(mine)
        moves = self.space.snap(np.clip(np.concatenate(along), 0.0, self._top))
        return moves, np.concatenate(owner)

    def _single_moves(self, start: Array, index: int) -> tuple[Array, NDArray[np.intp]]:
        """Return every change of one discrete parameter: neighbours of a number, all others of a category."""
        rows = []
        for i, parameter in enumerate(self.space.parameters):
            levels = parameter.domain.levels()
            if levels is None:
                continue
            if not parameter.domain.is_unordered:
                near = np.argsort(np.abs(levels - start[i]), kind="stable")[:5]
                levels = levels[near]
            for level in levels:
                if abs(level - start[i]) > 1e-9:
                    row = start.copy()
                    row[i] = level
                    rows.append(row)
        moved = np.array(rows).reshape(len(rows), self.space.dim)
        return moved, np.full(len(rows), index)

    def _allowed(self, points: Array) -> Array:
        points = points[self._feasible(points)]
        fresh = points[self._is_new(points)]
        return fresh if len(fresh) else unlike(points, self.taken)

    def _is_new(self, points: Array) -> NDArray[np.bool_]:
        """Return which codes ``(m, d)`` differ from every taken point by more than a run could tell."""
        if not len(self.taken) or not len(points):
            return np.ones(len(points), dtype=bool)
        nearest, _ = self._tree.query(points, p=np.inf, distance_upper_bound=np.nextafter(_SAME, 1.0))
        new: NDArray[np.bool_] = np.isinf(nearest)
        return new

    @cached_property
    def _tree(self) -> KDTree:
        return KDTree(self.taken)

    def _feasible(self, points: Array) -> NDArray[np.bool_]:
        return self.space.satisfied(points)

    def _fresh(self, count: int) -> Array:
        return np.stack([parameter.domain.draw(count, self.rng) for parameter in self.space.parameters], axis=1)

    @cached_property
    def _jumps(self) -> NDArray[np.bool_]:
        """Which parameters have no near: categories."""
        return np.array([parameter.domain.is_unordered for parameter in self.space.parameters])

    @cached_property
    def _top(self) -> Array:
        """Largest code of each parameter ``(d,)``."""
        return np.array(
            [(p.domain.size or 1) - 1 if p.domain.is_unordered else 1.0 for p in self.space.parameters], dtype=float
        )
