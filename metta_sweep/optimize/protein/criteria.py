"""The metrics that a search looks at where there is more than one: its goals, and those that bounds are on.

Each is a column of what rollouts told, made larger-is-better: a goal by its direction, a metric that has only a bound
by the side on which it is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metta_sweep.errors import Problem, RequestError
from metta_sweep.goal import MOST_OBJECTIVES, Bound, Goal, Objective
from metta_sweep.optimize.port import Measured
from metta_sweep.optimize.protein.curves import bounded
from metta_sweep.space.scales import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What a search trades off, and what a point must keep to count."""

    objectives: tuple[Objective, ...]
    """At least one."""
    bounds: tuple[Bound, ...] = ()
    """None where every point counts."""

    @classmethod
    def read(cls, goal: Mapping[str, str], bounds: Sequence[str | Bound]) -> Criteria:
        """Make criteria of what a person writes.

        Raises:
            RequestError: A goal or a bound is none, or there are too few or too many goals.
        """
        if not 1 <= len(goal) <= MOST_OBJECTIVES:
            raise RequestError.of(f"need 1 to {MOST_OBJECTIVES} metrics, got {len(goal)}", key="goal")
        wrong = [name for name, direction in goal.items() if direction not in set(Goal)]
        if wrong:
            raise RequestError.of(f"need maximize or minimize, got {goal[wrong[0]]!r}", key=f"goal.{wrong[0]}")
        try:
            kept = tuple(bound if isinstance(bound, Bound) else Bound.parse(bound) for bound in bounds)
        except ValueError as error:
            raise RequestError.of(str(error), key="bounds") from None
        return cls(objectives=tuple(Objective(metric=name, goal=Goal(goal[name])) for name in goal), bounds=kept)

    @property
    def has_front(self) -> bool:
        """Whether several metrics are traded off."""
        return len(self.objectives) > 1

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics by column, the goals first."""
        return tuple(dict.fromkeys([*(one.metric for one in self.objectives), *(one.metric for one in self.bounds)]))

    @property
    def signs(self) -> tuple[float, ...]:
        """What makes each column larger-is-better."""
        found = {bound.metric: -1.0 if bound.is_upper else 1.0 for bound in reversed(self.bounds)}
        found |= {one.metric: one.goal.sign for one in self.objectives}
        return tuple(found[name] for name in self.names)

    def told(self, score: Measured) -> tuple[float, ...] | None:
        """Return what a rollout reported by column; None where a value is not finite: that is a failure.

        Raises:
            RequestError: It lacks a metric, or a value is no number.
        """
        values = self._by_column(score, "score")
        if not all(map(math.isfinite, values)):
            return None
        return tuple(bounded(sign * value) for sign, value in zip(self.signs, values, strict=True))

    def noises(self, noise: Measured | None) -> tuple[float, ...]:
        """Return the variance of each column, 0 where it is not known.

        Raises:
            RequestError: One of them is no variance.
        """
        given = noise if isinstance(noise, Mapping) else {}
        values = self._by_column({name: given.get(name, 0.0) for name in self.names}, "noise")
        if not all(math.isfinite(value) and value >= 0.0 for value in values):
            raise RequestError.of(f"need finite variances of at least 0, got {dict(given)!r}", key="noise")
        return tuple(values)

    def _by_column(self, given: Measured, key: str) -> list[float]:
        if not isinstance(given, Mapping):
            raise RequestError.of(f"need a number for each of {', '.join(self.names)}, got {given!r}", key=key)
        wrong = [name for name in self.names if not _is_number(given.get(name))]
        if wrong:
            problems = (Problem(key=f"{key}.{one}", message=f"need a number, got {given.get(one)!r}") for one in wrong)
            raise RequestError(*problems)
        return [float(given[name]) for name in self.names]

    def slacks(self, told: Array) -> Array:
        """Return for columns ``(n, V)`` how far each point is from breaking each bound ``(n, B)``, raw units."""
        found = np.zeros((len(told), len(self.bounds)))
        for at, bound in enumerate(self.bounds):
            column = self.names.index(bound.metric)
            values = self.signs[column] * told[:, column]
            found[:, at] = bound.limit - values if bound.is_upper else values - bound.limit
        return found

    def kept(self, told: Array) -> NDArray[np.bool_]:
        """Return which points ``(n,)`` keep all bounds."""
        kept: NDArray[np.bool_] = np.all(self.slacks(told) >= 0.0, axis=1)
        return kept


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
