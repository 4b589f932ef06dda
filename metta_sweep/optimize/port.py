"""The port of every optimizer: what it is told, what it proposes, and what it expects of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

CurvePoint = tuple[float, float, float]
"""Steps done, the metric (raw) and the seconds spent at one evaluation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the models expect of a suggestion, in the user's own units; intervals cover 90%."""

    score: float
    """Median of the metric, raw: as the user's goal sees it."""
    score_low: float
    """5% quantile of the metric."""
    score_high: float
    """95% quantile of the metric."""
    cost: float
    """Median cost, seconds."""
    cost_low: float
    """5% quantile of the cost, seconds."""
    cost_high: float
    """95% quantile of the cost, seconds."""
    success: float
    """Chance that the run gives a score at all, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the model, which has seen every rollout, takes the mean of many runs of a point to be; raw metric."""

    mean: float
    """Expected mean of many runs: less lucky than the point's own score, since its neighbours have a say."""
    low: float
    """5% quantile of that mean."""
    high: float
    """95% quantile of that mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Proposed parameter values, where they came from and why."""

    params: Mapping[str, Any]
    """Values by dotted path; an inactive conditional parameter is absent."""
    origin: str
    """How the point was found: ``center`` (``near_center`` where that breaks a rule), ``sobol``, ``protein``,
    ``resample``, ``repeat`` where every point is taken, or ``gp_fit_failed`` where the model could not be fitted and a
    space-filling point stands in."""
    reason: str = ""
    """Why this point, in one sentence for a person."""
    predicted: Prediction | None = None
    """What is expected of it; None while there is no model."""


class Optimizer(Protocol):
    """What suggests, as the loop sees it. The same history gives the same suggestion."""

    def suggest(self, pending: Sequence[Mapping[str, Any]] = ()) -> Suggestion:
        """Return the next point, with the pending ones in mind."""

    def observe(
        self,
        params: Mapping[str, Any],
        score: float,
        cost: float,
        noise: float | None = None,
        curve: Sequence[CurvePoint] = (),
    ) -> None:
        """Learn a raw metric value, its variance where known, a cost in seconds, and what came on the way."""

    def observe_failure(self, params: Mapping[str, Any]) -> None:
        """Learn that the parameters do not work."""

    def expect(self, points: Sequence[Mapping[str, Any]]) -> Sequence[Expectation] | None:
        """Return what many runs of each point would give on average; None while there is no model."""
