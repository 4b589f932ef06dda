"""The first points of a sweep that has sources, before it has runs enough for a model of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metta_sweep.optimize.points import unlike
from metta_sweep.optimize.port import Suggestion
from metta_sweep.optimize.protein.history import History
from metta_sweep.optimize.protein.transfer import SourceTrend
from metta_sweep.space import SearchSpace
from metta_sweep.space.scales import Array

FIRST = 2
"""Points that sources choose by themselves."""
ORIGIN = "source"
"""Origin of such a point."""
_SPREAD, _AROUND, _RADII = 1000, 30, (0.03, 0.1, 0.3)
"""Candidates over the whole space, and around each best point of a source, at these radii."""


def start_from_sources(
    space: SearchSpace, trend: SourceTrend, history: History, pending: Array, seed: int
) -> Suggestion | None:
    """Return the point that adds most to what the sources take the best point so far to be; None where none is left.

    The transfer acquisition function (Wistuba et al. 2018, eq. 15) without the part of a model that is not there yet:
    a source counts by its own improvement over its best value at the points tried, times how it ranks those.

    Args:
        space: Where to search.
        trend: What the sources know.
        history: What was observed so far.
        pending: Codes ``(k, d)`` of runs that are not finished.
        seed: Seed of the candidates.
    """
    taken = np.concatenate([history.all_points, pending])
    pool = _candidates(space, trend, np.random.default_rng([seed, len(taken)]))
    pool = pool if len(taken) else np.concatenate([_centered(space, trend, pool), pool])  # the first of equals wins
    pool = unlike(pool[space.satisfied(pool)], taken)
    if not len(pool):
        return None
    values = _weights(trend, history)[:, None] * _improvements(trend, pool, taken)
    best = int(values.sum(0).argmax())
    reason = _reason([model.name for model in trend.models], values[:, best])
    return Suggestion(params=space.decode(pool[best]), origin=ORIGIN, reason=reason)


def _candidates(space: SearchSpace, trend: SourceTrend, rng: np.random.Generator) -> Array:
    tops = np.repeat(trend.tops, _AROUND, axis=0)
    radii = rng.choice(_RADII, size=(len(tops), 1))
    around = space.snap(np.clip(tops + radii * rng.standard_normal(tops.shape), 0.0, _top(space)))
    return np.concatenate([trend.tops, space.sample(_SPREAD, rng), around])


def _centered(space: SearchSpace, trend: SourceTrend, points: Array) -> Array:
    """Return points at the search center in what no source has a parameter for ``(m, d)``."""
    codes = np.repeat(space.center_codes[None], len(points), axis=0)
    known = np.unique(np.concatenate([model.axes for model in trend.models]))
    codes[:, known] = points[:, known]
    snapped: Array = space.snap(codes)
    return snapped


def _top(space: SearchSpace) -> Array:
    """Return the largest code of each parameter ``(d,)``."""
    domains = [parameter.domain for parameter in space.parameters]
    return np.array([(domain.size or 1) - 1 if domain.is_unordered else 1.0 for domain in domains], dtype=np.float64)


def _improvements(trend: SourceTrend, points: Array, taken: Array) -> Array:
    """Return what each source expects points to add to the best that was tried, or to its mean ``(S, m)``."""
    best = trend.basis(taken).max(axis=1, initial=0.0) if len(taken) else np.zeros(len(trend.models))
    return np.maximum(trend.basis(points) - best[:, None], 0.0)


def _weights(trend: SourceTrend, history: History) -> Array:
    """Return how far each source is believed ``(S,)``: all the same until a pair of runs speaks against one."""
    points, scores = history.points[: history.rollouts], history.scores[: history.rollouts]
    pairs = len(scores) * (len(scores) - 1) / 2.0
    weights = np.maximum(0.0, (pairs * trend.agreement(points, scores) + 1.0) / (pairs + 1.0))
    return weights if weights.any() else np.ones(len(weights))


def _reason(names: Sequence[str], values: Array) -> str:
    """Return which sources speak for a point that each of them values so ``(S,)``."""
    if len(names) == 1:
        return f"predicted to be good by {names[0]}"
    most = f", by {names[int(values.argmax())]} most of all" if values.any() else ""
    return f"predicted to be good by {len(names)} source sweeps{most}"
