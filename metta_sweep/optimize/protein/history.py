"""What Protein has learned so far, in an order that does not depend on when it was learned."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from metta_sweep.errors import Problem, RequestError
from metta_sweep.optimize.protein.covering import MOST, worth_conditioning_on
from metta_sweep.optimize.protein.curves import RunCurve, bounded
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.shown import ENDLESS, NAMELESS, Metric, Shown
from metta_sweep.result.values import MOST_METRIC
from metta_sweep.space import Interval, SearchSpace
from metta_sweep.space.scales import Array

CURVE_SHARES = (0.25, 0.5)
"""Shares of a run's length at which its learning curve stands for a shorter run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedObservation:
    """What one rollout taught."""

    codes: tuple[float, ...]
    """The point, as codes of the space."""
    score: float | None
    """Larger is better; None for a failure that the parameters are to blame for."""
    cost: float | None
    """Seconds; None where a failure reported none."""
    noise: float | None = None
    """Variance of the score, where it is known (its unit squared)."""
    partial: bool = False
    """Whether this is a point of a longer run's learning curve, standing for a shorter run."""

    by_seed: tuple[tuple[int, float], ...] = ()
    """Scores by the seed of their run, in the order of the seeds, where points are compared on the same seeds."""
    reported: float | None = None
    """Score as the run reported it, where ``score`` is what all learning curves say of its point."""
    told: tuple[float, ...] = ()
    """Every metric that is looked at, larger is better, in the order of the criteria; empty where there is one."""
    told_noise: tuple[float, ...] = ()
    """Their variances, 0 where unknown."""

    @property
    def sort_key(self) -> tuple[Any, ...]:
        """Place in the canonical order."""
        rest, every = (self.score, self.cost, self.noise), (self.by_seed, self.told, self.told_noise)
        return (self.partial, self.codes, *((value is None, value or 0.0) for value in rest), *every)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """All observations in canonical order, as arrays; ``n`` successes and ``m`` failures."""

    points: Array
    """Codes of the successes ``(n, d)``."""
    scores: Array
    """Scores ``(n,)``, larger is better."""
    costs: Array
    """Costs ``(n,)`` in seconds."""
    noises: Array
    """Known variances of the scores ``(n,)``; 0 where unknown."""
    luck: Array
    """What each rollout reported beyond its score ``(rollouts,)``: 0 where the score is as it was reported."""
    rollouts: int
    """How many of the successes are rollouts; they come first, points of their learning curves after them."""
    failures: Array
    """Codes of the failures ``(m, d)``."""
    ended: Array
    """Codes of the runs that were ended early ``(k, d)``; what they say of their points' scores stands among the
    successes, after the rollouts."""
    ended_money: float
    """What those runs took, in full runs."""
    ended_cost: float
    """What they cost, in the unit of the costs."""
    told: Array
    """Every metric that is looked at of each rollout ``(rollouts, V)``, larger is better; V is 0 where there is one."""
    told_noise: Array
    """Their variances ``(rollouts, V)``, 0 where unknown."""
    left_out: int = 0
    """Further rollouts and failures that there were too many of (:meth:`thinned`)."""
    left_out_cost: float = 0.0
    """What those cost."""
    shown: Shown = ENDLESS
    """Where the score has shown to end."""

    @classmethod
    def of(
        cls,
        observations: Iterable[CodedObservation],
        dim: int,
        ended: Iterable[RunCurve] = (),
        *,
        sign: float = 1.0,
        metric: Metric = NAMELESS,
    ) -> History:
        """Sort observations and lay them out as arrays.

        Args:
            observations: Rollouts, and what stands for them.
            dim: Number of parameters.
            ended: Runs that were ended early.
            sign: 1 where a larger metric is better, -1 where a smaller one is.
            metric: What is known of it.
        """
        ordered = sorted(observations, key=lambda each: each.sort_key)
        good = [each for each in ordered if each.score is not None]
        bad = [each for each in ordered if each.score is None]
        cut = sorted(ended, key=lambda each: (each.codes, each.reports))
        rollouts = [each for each in good if not each.partial]
        looked_at = len(rollouts[0].told) if rollouts else 0
        points, seen = _stack([each.codes for each in good], dim), np.array([_as_reported(each) for each in rollouts])
        return cls(
            points=points,
            scores=np.array([each.score for each in good], dtype=np.float64),
            costs=np.array([each.cost for each in good], dtype=np.float64),
            noises=np.array([each.noise or 0.0 for each in good], dtype=np.float64),
            luck=seen - np.array([each.score for each in rollouts]),
            rollouts=len(rollouts),
            failures=_stack([each.codes for each in bad], dim),
            ended=_stack([each.codes for each in cut], dim),
            ended_money=sum(each.share for each in cut),
            ended_cost=sum(each.cost or 0.0 for each in cut),
            told=_stack([each.told for each in rollouts], looked_at),
            told_noise=_stack([each.told_noise for each in rollouts], looked_at),
            shown=Shown.of(seen, points[: len(rollouts)], sign, metric),
        )

    def of_metric(self, column: int, sign: float, metric: Metric) -> History:
        """Return the history of one of the metrics that are looked at: what is known of its rollouts alone."""
        found = self.of_scores(self.told[:, column], self.told_noise[:, column])
        return replace(found, shown=Shown.of(found.scores, found.points, sign, metric))

    def of_scores(self, scores: Array, noises: Array) -> History:
        """Return the history of the rollouts alone, with other scores ``(rollouts,)`` and their variances."""
        return replace(
            self,
            points=self.points[: self.rollouts],
            costs=self.costs[: self.rollouts],
            scores=scores,
            luck=np.zeros(self.rollouts),
            noises=noises,
            shown=ENDLESS,
        )

    def thinned(self, geometry: Geometry) -> History:
        """Return what models are conditioned on: all of it, or as much as they have time for."""
        if max(len(self.points), len(self.failures), len(self.ended)) <= MOST:
            return self
        worth = np.column_stack([self.scores[: self.rollouts], self.told])
        rollouts = worth_conditioning_on(geometry.features(self.points[: self.rollouts]), worth, MOST)
        stand_ins = np.arange(self.rollouts, len(self.points))[: MOST - len(rollouts)]
        kept = np.concatenate([rollouts, stand_ins])
        failures, ended = (_covering(each, geometry) for each in (self.failures, self.ended))
        found = replace(
            self,
            points=self.points[kept],
            scores=self.scores[kept],
            costs=self.costs[kept],
            noises=self.noises[kept],
            luck=self.luck[rollouts],
            rollouts=len(rollouts),
            failures=failures,
            ended=ended,
            told=self.told[rollouts],
            told_noise=self.told_noise[rollouts],
        )
        left_out = self.rollouts + len(self.failures) - found.rollouts - len(found.failures)
        return replace(found, left_out=left_out, left_out_cost=self.spent - found.spent)

    @property
    def count(self) -> int:
        """Number of rollouts observed, failures and runs that were ended too."""
        return self.rollouts + len(self.failures) + len(self.ended) + self.left_out

    @property
    def money(self) -> float:
        """What they took, in full runs."""
        return self.rollouts + len(self.failures) + self.ended_money + self.left_out

    @property
    def spent(self) -> float:
        """What they cost, in the unit of the costs; a failure as much as the others on average."""
        costs = self.costs[: self.rollouts]
        known = float(costs.sum() + len(self.failures) * (costs.mean() if len(costs) else 0.0))
        return known + self.ended_cost + self.left_out_cost

    @property
    def all_points(self) -> Array:
        """Codes of every rollout observed, successes first."""
        return np.concatenate([self.points[: self.rollouts], self.failures, self.ended])


def read_observation(
    space: SearchSpace, params: Mapping[str, Any], *, score: float, cost: float, noise: float | None, sign: float
) -> CodedObservation:
    """Make an observation of what a rollout reported.

    Args:
        space: Where the point lies.
        params: Plain values by dotted path.
        score: The metric as reported; one that is not finite counts as a failure.
        cost: Seconds.
        noise: Variance of the metric, where known.
        sign: 1 where a larger metric is better, -1 where a smaller one is.

    Raises:
        RequestError: The point is outside the space, or the cost or noise is not a positive number.
    """
    codes = tuple(space.encode(params).tolist())
    problems = []
    if not _is_number(score):
        problems.append(Problem(key="score", message=f"need a number, got {score!r}"))
    if not (_is_number(cost) and math.isfinite(cost) and cost > 0):
        problems.append(Problem(key="cost", message=f"need a finite number of seconds above 0, got {cost!r}"))
    if noise is not None and not (_is_number(noise) and math.isfinite(noise) and noise >= 0):
        problems.append(Problem(key="noise", message=f"need a finite variance of at least 0, got {noise!r}"))
    if problems:
        raise RequestError(*problems)
    value = bounded(sign * score) if math.isfinite(score) else None
    spread = None if noise is None else min(float(noise), MOST_METRIC**2)
    return CodedObservation(codes=codes, score=value, cost=bounded(cost), noise=spread)


def read_curve(
    space: SearchSpace, codes: tuple[float, ...], steps: str, curve: Iterable[tuple[float, float, float]], sign: float
) -> list[CodedObservation]:
    """Return what a run's learning curve says about shorter runs, at about a quarter and a half of its length.

    Args:
        space: Where the point lies.
        codes: The run's point.
        steps: Name of the parameter that says how long a run trains.
        curve: Share of the run's length done, metric and cost so far, a report each; what is not finite is passed
            over.
        sign: 1 where a larger metric is better, -1 where a smaller one is.
    """
    if steps not in space.names:
        return []
    at = space.names.index(steps)
    domain = space.parameters[at].domain
    if not isinstance(domain, Interval):
        return []
    length = float(domain.numbers(np.array(codes[at])))
    inside = [
        (float(domain.snap(np.array([code]))[0]), bounded(sign * score), bounded(cost))
        for share, score, cost in curve
        if math.isfinite(score)
        and math.isfinite(cost)
        and cost > 0
        and (code := domain.code(_steps(share, length))) is not None
        and code < codes[at] - 1e-6
    ]
    if not inside:
        return []
    found = {}
    for share in CURVE_SHARES:
        goal = domain.codes(np.array(share * length))
        code, score, cost = min(inside, key=lambda each: (abs(each[0] - float(goal)), each[0]))
        found[code] = CodedObservation(
            codes=(*codes[:at], code, *codes[at + 1 :]), score=score, cost=cost, partial=True
        )
    return list(found.values())


def _steps(share: float, length: float) -> float | int:
    """Return how many steps a share is, a whole number where it is one but for rounding."""
    steps = share * length
    return round(steps) if abs(steps - round(steps)) < 1e-6 * length else steps


def _as_reported(each: CodedObservation) -> float | None:
    return each.score if each.reported is None else each.reported


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _stack(rows: list[tuple[float, ...]], dim: int) -> Array:
    return np.array(rows, dtype=np.float64).reshape(len(rows), dim)


def _covering(points: Array, geometry: Geometry) -> Array:
    """Return at most :data:`MOST` of the points, spread over the space."""
    return points[worth_conditioning_on(geometry.features(points), np.zeros((len(points), 1)), MOST)]
