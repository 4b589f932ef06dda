"""What the model has learned: slices through the best point, and the importance of each parameter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metta_sweep.optimize.port import Importance, Insight, Slice
from metta_sweep.optimize.protein.expectation import expectations, metric_quantiles
from metta_sweep.optimize.protein.history import CodedObservation, History
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.protein.model import Model
from metta_sweep.optimize.protein.posterior import FitError, Trend
from metta_sweep.optimize.protein.threads import on_one_thread
from metta_sweep.optimize.shown import NAMELESS, Metric
from metta_sweep.space import SearchSpace
from metta_sweep.space.parameter import Parameter
from metta_sweep.space.scales import Array

MOST_POINTS = 150
"""Observations that the model is fitted to; of more, the best half and an even share of the rest."""
MOST_PARTIAL = 50
"""Of those, what stands for runs that were ended early or are shorter, where there are more finished ones than room."""
FEWEST_POINTS = 4
"""Scores below which a model says nothing worth drawing."""
FITS = 8
"""Samples of the model's hyperparameters; their spread is the uncertainty of the importance."""
GRID = 41
"""Points of a slice along a line."""
DRAWS = 256
"""Points of the estimator of the importance."""


@on_one_thread
def insight(
    space: SearchSpace,
    observations: Sequence[CodedObservation],
    points: Array,
    sign: float,
    rng: np.random.Generator,
    trend: Trend | None = None,
    metric: Metric = NAMELESS,
) -> Insight | None:
    """Return what a model fitted to observations has learned, or None where they are too few or cannot be fitted.

    Args:
        space: The search space.
        observations: What was observed; its order does not matter.
        points: Codes ``(k, d)`` whose expectations are wanted.
        sign: 1 where a larger metric is better, -1 where a smaller one is.
        rng: Source of random numbers.
        trend: The mean that source sweeps give; None for a constant.
        metric: What is known of the metric.
    """
    ordered = sorted(observations, key=lambda one: one.sort_key)
    scored = [one for one in ordered if one.score is not None and not one.partial]
    if space.dim == 0 or len(scored) < FEWEST_POINTS or len({one.score for one in scored}) < 2:
        return None
    partial = [one for one in ordered if one.partial]
    kept = _worth_fitting(scored, MOST_POINTS - min(len(partial), MOST_PARTIAL))
    partial = _evenly(partial, MOST_POINTS - len(kept))
    kept += partial
    history = History.of([*kept, *(one for one in ordered if one.score is None)], space.dim, sign=sign, metric=metric)
    try:
        model = Model.fit(Geometry.of(space), history, np.empty((0, space.dim)), FITS, rng, trend)
    except FitError:
        return None
    return Insight(
        slices=tuple(_slice(model, space, axis, sign) for axis in range(space.dim)),
        importances=_importances(model, space, rng),
        points=history.rollouts + sum(one.noise is not None for one in partial),
        expected=tuple(expectations(model, points, sign)) if len(points) else (),
    )


def _worth_fitting(scored: Sequence[CodedObservation], most: int) -> list[CodedObservation]:
    """Return the best half of the limit, and an even share of the others."""
    if len(scored) <= most:
        return list(scored)
    ordered = sorted(scored, key=lambda one: -(one.score or 0.0))
    return ordered[: most // 2] + _evenly(ordered[most // 2 :], most - most // 2)


def _evenly(seen: Sequence[CodedObservation], most: int) -> list[CodedObservation]:
    """Return at most so many, an even share of all."""
    picks = np.linspace(0, len(seen) - 1, min(len(seen), most)).round().astype(int)
    return [seen[pick] for pick in picks]


def _slice(model: Model, space: SearchSpace, axis: int, sign: float) -> Slice:
    parameter = space.parameters[axis]
    codes = _grid(parameter)
    points = np.repeat(model.best_point[None], len(codes), axis=0)
    points[:, axis] = codes
    mean, variance = model.metric.observed.predict(points)
    middle, low, high = metric_quantiles(model, mean, variance, sign)
    return Slice(
        name=parameter.name,
        values=tuple(parameter.domain.values(codes)),
        mean=tuple(middle),
        low=tuple(low),
        high=tuple(high),
    )


def _grid(parameter: Parameter) -> Array:
    """Return codes along a parameter: every value where they are few, else an even line without repeats."""
    levels = parameter.domain.levels()
    if levels is not None and len(levels) <= GRID:
        return levels
    return np.unique(parameter.domain.snap(np.linspace(0.0, 1.0, GRID)))


def _importances(model: Model, space: SearchSpace, rng: np.random.Generator) -> tuple[Importance, ...]:
    """Estimate total-effect indices of the posterior mean (Jansen 1999; Saltelli et al. 2010, table 2, row f)."""
    first, second = (space.from_unit(rng.random((DRAWS, space.dim))) for _ in range(2))
    value = model.metric.observed.mean(first)
    spread = np.maximum(model.metric.observed.mean(np.concatenate([first, second])).var(axis=1), 1e-12)
    found = []
    for axis, parameter in enumerate(space.parameters):
        mixed = first.copy()
        mixed[:, axis] = second[:, axis]
        moved = model.metric.observed.mean(space.snap(mixed))
        shares = np.clip(((value - moved) ** 2).mean(axis=1) / (2.0 * spread), 0.0, 1.0)
        low, share, high = np.quantile(shares, [0.1, 0.5, 0.9]).tolist()
        found.append(Importance(name=parameter.name, share=share, low=low, high=high))
    return tuple(sorted(found, key=lambda one: -one.share))
