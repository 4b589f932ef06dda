"""What a sweep is to reach: the direction of a metric, several of them at once, and bounds on what runs report.

The sign of a goal is applied here and nowhere else.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_OBJECTIVES = 4
"""Metrics that one sweep may trade off against each other."""

_BOUND = re.compile(r"^\s*(?P<left>.+?)\s*(?P<sign><=|>=|==|!=|<|>|=)\s*(?P<right>.+?)\s*$", re.DOTALL)
_MIRRORED = {"<=": ">=", ">=": "<="}
_STRICT = {"<": "<=", ">": ">="}


class Goal(enum.StrEnum):
    """Whether a larger or a smaller metric is better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    @property
    def sign(self) -> float:
        """+1 for maximize, -1 for minimize."""
        return 1.0 if self is Goal.MAXIMIZE else -1.0

    def score(self, metric: float) -> float:
        """Return the metric made larger-is-better; applied twice it gives the metric back."""
        return self.sign * metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One of several metrics that a sweep is to make better."""

    metric: str
    """Its name as runs report it."""
    goal: Goal
    """Which direction is better."""
    weight: float | None = None
    """What a unit of it counts; None where nobody weighs the metrics and there is a Pareto front."""

    def __str__(self) -> str:
        """Return ``maximize reward``."""
        return f"{self.goal} {self.metric}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A limit that a metric must keep for a point to count."""

    metric: str
    """Its name as runs report it."""
    limit: float
    """The last value that is allowed, in the metric's unit."""
    is_upper: bool
    """Whether larger values break it."""

    @classmethod
    def parse(cls, text: str) -> Bound:
        """Read ``latency <= 20`` or ``20 >= latency``.

        Raises:
            ValueError: It is none; the message says what is needed.
        """
        found = _BOUND.match(text)
        if found is None:
            raise ValueError(f"need METRIC <= NUMBER or METRIC >= NUMBER, got {text!r}")
        left, sign, right = found["left"], found["sign"], found["right"]
        if sign in _STRICT:
            raise ValueError(f"need <= or >=, got {sign!r} (write {left} {_STRICT[sign]} {right})")
        if sign not in _MIRRORED:
            raise ValueError(f"need <= or >=, got {sign!r}")
        if _number(right) is None and _number(left) is not None:
            left, sign, right = right, _MIRRORED[sign], left
        limit = _number(right)
        if limit is None or not math.isfinite(limit):
            raise ValueError(f"need METRIC {sign} NUMBER, got {right!r} for the number")
        return cls(metric=left, limit=limit, is_upper=sign == "<=")

    def slack(self, value: float) -> float:
        """Return how far a value is from breaking the bound, in the metric's unit; negative where it does."""
        return self.limit - value if self.is_upper else value - self.limit

    def __str__(self) -> str:
        """Return ``latency <= 20``."""
        return f"{self.metric} {'<=' if self.is_upper else '>='} {self.limit:g}"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def weighted_name(objectives: Sequence[Objective]) -> str:
    """Return what a weighted sum is called: ``reward - 0.01*latency``, in the unit of its first metric."""
    first, *rest = objectives
    terms = (f" {_sign(factor)} {_times(factor, one.metric)}" for one, factor in _factors(rest, first))
    return first.metric + "".join(terms)


def weighted(objectives: Sequence[Objective], metrics: Mapping[str, float]) -> float | None:
    """Return the weighted sum of a run's metrics, or None where it lacks one of them.

    It has the unit and the direction of the first metric: the weights are divided by that one's.
    """
    first, *rest = objectives
    if any(one.metric not in metrics for one in objectives):
        return None
    return metrics[first.metric] + math.fsum(factor * metrics[one.metric] for one, factor in _factors(rest, first))


def _factors(rest: Sequence[Objective], first: Objective) -> list[tuple[Objective, float]]:
    own = first.goal.sign * (first.weight or 1.0)
    return [(one, one.goal.sign * (one.weight or 1.0) / own) for one in rest]


def _sign(factor: float) -> str:
    return "-" if factor < 0 else "+"


def _times(factor: float, metric: str) -> str:
    return metric if abs(factor) == 1.0 else f"{abs(factor):g}*{metric}"


def in_words(metric: str, goal: str, objectives: Sequence[Objective], bounds: Sequence[Bound]) -> str:
    """Return what is searched for: ``maximize reward, minimize latency with energy <= 5``.

    Args:
        metric: The one metric, or what a weighted sum is called.
        goal: Its goal.
        objectives: All of several metrics, weighted or not.
        bounds: What a point must keep.
    """
    front = [str(one) for one in objectives if one.weight is None]
    kept = f" with {' and '.join(map(str, bounds))}" if bounds else ""
    return f"{', '.join(front) or f'{goal} {metric}'}{kept}"
