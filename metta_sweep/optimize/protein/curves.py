"""Learning curves as a person hands them over, and as the joint model likes to see them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metta_sweep.errors import Problem, RequestError
from metta_sweep.optimize.port import CurvePoint
from metta_sweep.result.values import MOST_METRIC
from metta_sweep.space.scales import Array

_OVERSHOOT = 1e-6
"""Share by which the last report may lie beyond a run's length: rounding."""
STAGES = (0.2, 0.5)
"""Shares at which a curve is cut: the reports between two cuts count as one, at their mean, a final score by itself.
Two or three values a run say as much about its end as ten do, and a process over them takes a fraction of the time."""


Reports = Sequence[tuple[float, float]]
"""Share of the length done, rising, and score there (larger is better)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCurve:
    """What one run said of itself: its reports and, where it trained to its end, its final score."""

    codes: tuple[float, ...]
    """The point, as codes of the space."""
    reports: tuple[tuple[float, float], ...]
    """Share of the length done, rising, and score there (larger is better); a final score is a report at share 1."""
    cost: float | None = None
    """Cost so far, at the last report; None where none was given."""
    told: tuple[CurvePoint, ...] = ()
    """Its reports with what each had cost so far, as they came."""
    ended: bool = False
    """Whether the run was ended early; otherwise its last report is its final score."""

    @property
    def share(self) -> float:
        """Share of the run's length that the reports cover."""
        return self.reports[-1][0] if self.reports else 0.0

    @property
    def beginning(self) -> tuple[tuple[float, ...], tuple[float, float]]:
        """What tells runs apart: the point and the first report; another seed at the same point reports another."""
        return self.codes, self.reports[0]


def read_reports(curve: Sequence[CurvePoint], sign: float) -> tuple[tuple[tuple[float, float], ...], float | None]:
    """Return the reports of a curve by rising share, and the cost so far.

    A report that is not finite says nothing and is passed over. Of two reports at the same share the later one counts,
    as after a resume.

    Args:
        curve: Share of the length done, metric and cost so far, a report each.
        sign: 1 where a larger metric is better, -1 where a smaller one is.

    Raises:
        RequestError: A report is not a triple of numbers, or its share is outside (0, 1].
    """
    problems = [problem for at, point in enumerate(curve) if (problem := _problem(at, point))]
    if problems:
        raise RequestError(*problems)
    told = {min(1.0, float(share)): bounded(sign * metric) for share, metric, _ in curve if math.isfinite(metric)}
    costs = [bounded(cost) for share, _, cost in curve if math.isfinite(cost) and cost > 0]
    return tuple(sorted(told.items())), max(costs, default=None)


def _problem(at: int, point: object) -> Problem | None:
    key = f"curve[{at}]"
    if not (isinstance(point, Sequence) and len(point) == 3 and all(map(_is_number, point))):
        return Problem(key=key, message=f"need (share of training done, metric, cost so far), got {point!r}")
    share = point[0]
    if not 0.0 < share <= 1.0 + _OVERSHOOT:
        return Problem(
            key=key,
            message=f"need a share of the run's length above 0 and at most 1, got {share!r}",
            fix="divide the steps done by the steps of the whole run",
        )
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def bounded(score: float) -> float:
    """Return a score or a cost that is not beyond what can be measured, so that differences and squares stay finite."""
    return min(MOST_METRIC, max(-MOST_METRIC, float(score)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stages:
    """Reports of several runs, thinned to a few values each; ``n`` values, those of a run next to each other."""

    run: NDArray[np.intp]
    """Index of the run ``(n,)``."""
    time: Array
    """Logarithm of the share ``(n,)``, 0 at the end of a run."""
    value: Array
    """Mean transformed score ``(n,)``."""
    count: Array
    """How many reports each value is the mean of ``(n,)``."""

    @classmethod
    def of(cls, curves: Sequence[tuple[Array, Array]], cuts: Sequence[float] = STAGES) -> Stages:
        """Thin curves, each given as its shares and its transformed scores; a final score stays by itself.

        Args:
            curves: Shares, rising, and scores of each run.
            cuts: Shares, rising, at which curves are cut; a report at a cut belongs to what is before it.
        """
        rows = [(run, *row) for run, (shares, scores) in enumerate(curves) for row in _thin(shares, scores, cuts)]
        columns = np.array(rows, dtype=np.float64).reshape(len(rows), 4).T
        return cls(run=columns[0].astype(np.intp), time=columns[1], value=columns[2], count=columns[3])


def _thin(shares: Array, scores: Array, cuts: Sequence[float]) -> list[tuple[float, float, float]]:
    stage = np.where(shares == 1.0, len(cuts) + 1, np.digitize(shares, cuts, right=True))
    groups = [stage == each for each in np.unique(stage)]
    return [(float(np.log(shares[at]).mean()), float(scores[at].mean()), float(at.sum())) for at in groups]
