"""The feasible part of a space: which points satisfy every rule, and how to draw from it however small it is.

Rules that share no parameter are independent, so the space falls into *groups*: each is enumerated where it is
small, drawn by rejection where it is not, and walked through where rejection finds too little.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metta_sweep.expression import ExpressionError
from metta_sweep.space.conditions import Activity, holds
from metta_sweep.space.constraints import add_tied
from metta_sweep.space.grouping import Group
from metta_sweep.space.linear import Polytope
from metta_sweep.space.parameter import Interval, Parameter
from metta_sweep.space.reading import Tied
from metta_sweep.space.scales import Array

MAX_ENUMERATED = 20_000
"""Largest group, in points, that is listed completely."""
MAX_DRAWN = 2**16
"""Most points drawn by rejection before walking from those found."""
_WALKERS, _ROUNDS, _SHARE_DRAWS, _CORNERS = 256, 200, 2**14, 2**12


@dataclass(frozen=True, kw_only=True)
class FeasibleRegion:
    """The points of a space that satisfy its constraints; codes are ``(n, d)``."""

    parameters: Sequence[Parameter]
    activity: Activity
    groups: tuple[Group, ...]
    fixed: Mapping[str, Any]
    dormant: frozenset[str]

    def satisfied(self, codes: Array) -> NDArray[np.bool_]:
        """Return which snapped codes ``(n, d)`` satisfy every rule: ``(n,)``."""
        fine = np.ones(len(codes), dtype=bool)
        for group in self.groups:
            fine[fine] = self.violations(codes[fine], group) == 0
        return fine

    def violations(self, codes: Array, group: Group) -> NDArray[np.int64]:
        """Return how many rules of a group each of the snapped codes ``(n, d)`` violates: ``(n,)``."""
        if not len(codes):
            return np.zeros(0, dtype=np.int64)
        if all(self.parameters[i].domain.levels() is not None for i in group.members):
            own = codes[:, list(group.members)]
            _, first, where = np.unique(own, axis=0, return_index=True, return_inverse=True)
            return self._count(codes[first], group)[where.reshape(-1)]
        polytope = self.polytopes[group.members]
        if polytope is None:
            return self._count(codes, group)
        count, doubtful = polytope.violations(codes[:, list(group.members)])
        count[doubtful] = self._count(codes[doubtful], group)
        return count

    def _count(self, codes: Array, group: Group) -> NDArray[np.int64]:
        active = self.activity.mask(codes)
        names = [self.parameters[i].name for i in group.members]
        columns = [self.parameters[i].domain.values(codes[:, i]) for i in group.members]
        points = zip(*columns, strict=True) if columns else [()] * len(codes)
        rows = zip(points, active[:, list(group.members)].tolist(), strict=True)
        return np.array([self._count_one(names, row, on, group) for row, on in rows], dtype=np.int64)

    def _count_one(self, names: list[str], row: tuple[Any, ...], active: list[bool], group: Group) -> int:
        values = {name: value for name, value, on in zip(names, row, active, strict=True) if on}
        absent = [name for name, on in zip(names, active, strict=True) if not on]
        try:
            values = self.complete(values, absent, group.tied)
        except ExpressionError:
            return 1 + len(group.constraints)
        return sum(not constraint.holds(values) for constraint in group.constraints)

    def complete(self, active: Mapping[str, Any], absent: Sequence[str], tied: Sequence[Tied]) -> dict[str, Any]:
        """Return base values, active swept values and tied values together, by path.

        Raises:
            ExpressionError: A tied parameter cannot be computed from these values.
        """
        values = {**self.fixed, **active}
        away = self.dormant.union(absent)
        add_tied(tied, values, lambda item: holds(item.when, values, away))
        return values

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Return snapped codes ``(count, d)`` that satisfy every rule.

        Raises:
            LookupError: No such point was found; the message says how many were tried.
        """
        codes = self._draw(count, rng)
        for group in self.groups:
            codes[:, list(group.members)] = self._sample_group(group, count, rng)
        return codes

    def share(self, rng: np.random.Generator) -> float:
        """Return an estimate of the share of the space that satisfies every rule, 0 to 1."""
        return math.prod(self._share(group, rng) for group in self.groups)

    def _share(self, group: Group, rng: np.random.Generator) -> float:
        listed = self._listed[group.members]
        if listed is not None:
            return len(listed) / math.prod(self.parameters[i].domain.size or 1 for i in group.members)
        return float((self.violations(self._draw(_SHARE_DRAWS, rng), group) == 0).mean())

    def _draw(self, count: int, rng: np.random.Generator) -> Array:
        columns = [parameter.domain.draw(count, rng) for parameter in self.parameters]
        return np.stack(columns, axis=1) if columns else np.zeros((count, 0))

    def _sample_group(self, group: Group, count: int, rng: np.random.Generator) -> Array:
        listed = self._listed[group.members]
        if listed is not None:
            if not len(listed):
                raise LookupError("none of the points, all of which were tried")
            chosen: Array = listed[rng.integers(len(listed), size=count)]
            return chosen
        kept: Array = np.take(self._reject(group, count, rng), group.members, axis=1)
        return kept

    def _reject(self, group: Group, count: int, rng: np.random.Generator) -> Array:
        found, drawn, size = self._draw(0, rng), 0, max(256, 2 * count)
        most = 0 if self._is_rare[group.members] else MAX_DRAWN
        while len(found) < count and drawn < most:
            codes = self._draw(min(size, MAX_DRAWN), rng)
            found = np.concatenate([found, codes[self.violations(codes, group) == 0]])
            drawn, size = drawn + len(codes), min(2 * size, 2**13)
        if len(found) >= count:
            return found[:count]
        seeds = found if len(found) else self._seeds(group, rng)
        if not len(seeds):
            raise LookupError(f"none of {drawn + _WALKERS * _ROUNDS:,} points tried")
        more = self._walk(seeds[rng.integers(len(seeds), size=count - len(found))], group, rng)
        return np.concatenate([found, more])

    def _seeds(self, group: Group, rng: np.random.Generator) -> Array:
        """Return feasible points ``(n, d)`` of a group of which rejection finds none."""
        starts = self._starts(group, rng)
        return starts if len(starts) else self._walk(self._draw(_WALKERS, rng), group, rng)

    def _starts(self, group: Group, rng: np.random.Generator) -> Array:
        """Return the feasible points among the center, the corners and, for linear rules, the middle: ``(n, d)``."""
        members, polytope = list(group.members), self.polytopes[group.members]
        center = np.array([[self.parameters[i].center_code for i in members]])
        corners = np.array(list(itertools.islice(itertools.product((0.0, 1.0), repeat=len(members)), _CORNERS)))
        own = np.concatenate([center, corners.reshape(-1, len(members))])
        codes = self._draw(len(own), rng)
        codes[:, members] = own
        for i in members:
            codes[:, i] = self.parameters[i].domain.snap(codes[:, i])
        fine: Array = codes[self.violations(codes, group) == 0]
        middle = polytope.interior() if polytope is not None and not len(fine) else None
        if middle is None:
            return fine
        codes = codes[:1]
        codes[:, members] = middle
        reached: Array = codes[self.violations(codes, group) == 0]
        return reached

    def _walk(self, codes: Array, group: Group, rng: np.random.Generator) -> Array:
        """Change one parameter at a time wherever that violates no more rules; return the points that violate none."""
        current = self.violations(codes, group)
        polytope = self.polytopes[group.members]
        if polytope is not None and not current.any():
            codes = codes.copy()
            codes[:, list(group.members)] = polytope.walk(codes[:, list(group.members)], rng)
            return codes
        rows = np.arange(len(codes))
        for _ in range(_ROUNDS if current.any() else _ROUNDS // 10):
            column = rng.choice(np.asarray(group.members), size=len(codes))
            moved = codes.copy()
            moved[rows, column] = self._draw(len(codes), rng)[rows, column]
            count = self.violations(moved, group)
            better = count <= current
            codes, current = np.where(better[:, None], moved, codes), np.where(better, count, current)
        reached: Array = codes[current == 0]
        return reached

    @cached_property
    def polytopes(self) -> dict[tuple[int, ...], Polytope | None]:
        """For each group what its linear rules leave of plain intervals, or None where it is not of that form."""
        return {group.members: self._polytope(group) for group in self.groups}

    def _polytope(self, group: Group) -> Polytope | None:
        members = [self.parameters[i] for i in group.members]
        intervals = [parameter.domain for parameter in members if isinstance(parameter.domain, Interval)]
        if len(intervals) < len(members) or any(i in self.activity.clauses for i in group.members):
            return None
        names = [parameter.name for parameter in members]
        return Polytope.of(names, intervals, group.constraints, group.tied, self.fixed)

    def is_proven_empty(self, text: str) -> bool:
        """Tell whether no point meets a rule for certain: all were tried, or it is linear and has no solution."""
        found = [(group, each) for group in self.groups for each in group.constraints if each.expression.text == text]
        if not found or self._listed[found[0][0].members] is not None:
            return bool(found)
        return _has_no_solution(self._polytope(replace(found[0][0], constraints=(found[0][1],))))

    def are_proven_contradictory(self) -> bool:
        """Tell whether no point meets the rules of some group together for certain."""
        return any(
            (listed is not None and not len(listed)) or _has_no_solution(self.polytopes[members])
            for members, listed in self._listed.items()
        )

    @cached_property
    def _is_rare(self) -> dict[tuple[int, ...], bool]:
        """For each group whether its feasible part is too small a share to be met by drawing."""
        rng = np.random.default_rng(0)
        return {
            group.members: self.polytopes[group.members] is not None
            and bool((self.violations(self._draw(_SHARE_DRAWS, rng), group) > 0).all())
            for group in self.groups
        }

    @cached_property
    def _listed(self) -> dict[tuple[int, ...], Array | None]:
        """For each group its feasible points ``(n, members)``, or None where they are too many to list."""
        return {group.members: self._list(group) for group in self.groups}

    def _list(self, group: Group) -> Array | None:
        levels = [self.parameters[i].domain.levels() for i in group.members]
        few = [level for level in levels if level is not None]
        if len(few) < len(levels) or math.prod(map(len, few)) > MAX_ENUMERATED:
            return None
        axes = [axis.reshape(-1) for axis in np.meshgrid(*few, indexing="ij")]
        own: Array = np.stack(axes, axis=1) if axes else np.zeros((1, 0))
        codes = np.zeros((len(own), len(self.parameters)))
        codes[:, list(group.members)] = own
        feasible: Array = own[self.violations(codes, group) == 0]
        return feasible


def _has_no_solution(polytope: Polytope | None) -> bool:
    return polytope is not None and polytope.interior() is None
