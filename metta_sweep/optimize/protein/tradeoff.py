"""The model's turn where there are several goals or bounds: a surrogate a metric, then as :mod:`proposal`.

While no point keeps the bounds the search is for one that does: the score is the slack of the bound that is furthest
broken, each in units of its own spread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from metta_sweep.optimize.port import MetricPrediction, Prediction, Suggestion
from metta_sweep.optimize.protein.acquisition import Acquisition
from metta_sweep.optimize.protein.bound_model import BoundModel
from metta_sweep.optimize.protein.boxes import undominated
from metta_sweep.optimize.protein.criteria import Criteria
from metta_sweep.optimize.protein.explanation import moved
from metta_sweep.optimize.protein.front_acquisition import FrontAcquisition, fronts_of
from metta_sweep.optimize.protein.history import History
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.protein.model import MetricModel, Model
from metta_sweep.optimize.protein.proposal import (
    ELITE,
    ELSEWHERE,
    elsewhere,
    is_resample,
    resampled,
    weights_of,
)
from metta_sweep.optimize.protein.search import Search
from metta_sweep.optimize.protein.settings import ProteinSettings
from metta_sweep.optimize.protein.threads import on_one_thread
from metta_sweep.optimize.protein.transfer import SourceTrend
from metta_sweep.space import SearchSpace
from metta_sweep.space.scales import Array

_LIKELY = 0.5
"""Chance of keeping the bounds from which on a pending point counts as one that does."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Beliefs:
    """What is believed of every metric, by name."""

    model: Model
    """Score of the first goal, cost and chance of success."""
    metrics: Mapping[str, MetricModel]
    """The others; of a front the first goal too."""
    bounds: tuple[BoundModel, ...]
    """One a bound."""


@on_one_thread
def propose_tradeoff(
    space: SearchSpace,
    settings: ProteinSettings,
    history: History,
    pending: Array,
    seed: int,
    criteria: Criteria,
    trend: SourceTrend | None = None,
    *,
    unseen: Array,
) -> Suggestion | None:
    """Return the point that the models value most, or None where every point of the space is taken.

    Args:
        space: Where to search.
        settings: What the user set.
        history: At least two successes, each with all metrics.
        pending: Codes ``(k, d)`` of runs that are not finished.
        seed: Seed of the random numbers; with the number of observations it fixes them all.
        criteria: The metrics.
        trend: The mean that source sweeps give the one goal; None for a constant.
        unseen: Codes ``(k, d)`` of the next space-filling points.

    Raises:
        FitError: The models could not be fitted.
    """
    rng = np.random.default_rng([seed, history.count, len(pending)])
    taken = np.concatenate([history.all_points, pending])
    history = history.thinned(Geometry.of(space))
    kept = criteria.kept(history.told)
    beliefs = _beliefs(space, settings, history, pending, criteria, rng, trend)
    if kept.any() and not criteria.has_front and is_resample(settings, history, pending):
        again = resampled(space, beliefs.model, criteria.signs[0])
        return replace(again, predicted=_predicted(beliefs, beliefs.model.best_point, criteria))
    acquisition, elite, reason = _sought(space, settings, history, pending, criteria, beliefs, kept, rng)
    best = Search(space=space, acquisition=acquisition, taken=taken, elite=elite, rng=rng).best(settings.candidates)
    if best is None:
        return None
    if not criteria.has_front and (other := elsewhere(acquisition, best, unseen, rng)) is not None:
        told = _predicted(beliefs, other, criteria)
        return Suggestion(params=space.decode(other), origin="sobol", reason=ELSEWHERE, predicted=told)
    told = _predicted(beliefs, best, criteria)
    near = elite[int(np.abs(elite - best).max(axis=1).argmin())] if criteria.has_front else elite[0]
    moves = moved(space.decode(best), space.decode(near)) or "next to it"
    why = f"{_expected(told, criteria)}; {reason}: {moves}"
    return Suggestion(params=space.decode(best), origin="protein", reason=why, predicted=told)


def _beliefs(
    space: SearchSpace,
    settings: ProteinSettings,
    history: History,
    pending: Array,
    criteria: Criteria,
    rng: np.random.Generator,
    trend: SourceTrend | None,
) -> _Beliefs:
    """Fit a surrogate to every metric that is looked at."""
    geometry, fits = Geometry.of(space), settings.hyper_samples
    names, first = criteria.names, 0 if criteria.has_front else 1
    metrics = {
        name: MetricModel.fit(
            geometry,
            history.of_metric(column, criteria.signs[column], settings.known_of(name)),
            pending,
            fits,
            rng,
            traded=True,
        )
        for column, name in enumerate(names)
        if column >= first
    }
    bounds = tuple(_bound_models(geometry, history, pending, criteria, metrics, settings, rng))
    kept = criteria.kept(history.told)
    counts = None
    if kept.any():
        partial = np.zeros(len(history.points) - history.rollouts, dtype=bool)
        counts = np.concatenate([kept, partial, _likely(bounds, pending)])
    if criteria.has_front:
        counts = None if counts is None else _without_curves(counts, history)
        first_goal = metrics[names[0]]
        model = Model.fit(
            geometry,
            history.of_metric(0, criteria.signs[0], settings.known_of(names[0])),
            pending,
            fits,
            rng,
            trend,
            counts,
            first_goal,
        )
    else:
        model = Model.fit(geometry, history, pending, fits, rng, trend, counts)
    return _Beliefs(model=model, metrics=metrics, bounds=bounds)


def _without_curves(counts: NDArray[np.bool_], history: History) -> NDArray[np.bool_]:
    """Return which points count, the stand-ins of learning curves left out."""
    return np.concatenate([counts[: history.rollouts], counts[len(history.points) :]])


def _bound_models(
    geometry: Geometry,
    history: History,
    pending: Array,
    criteria: Criteria,
    metrics: dict[str, MetricModel],
    settings: ProteinSettings,
    rng: np.random.Generator,
) -> list[BoundModel]:
    found = []
    for bound in criteria.bounds:
        column = criteria.names.index(bound.metric)
        if bound.metric not in metrics:
            of_metric = history.of_metric(column, criteria.signs[column], settings.known_of(bound.metric))
            metrics[bound.metric] = MetricModel.fit(
                geometry, of_metric, pending, settings.hyper_samples, rng, traded=True
            )
        metric, sign = metrics[bound.metric], criteria.signs[column]
        limit = float(metric.score_map.forward(np.array(sign * bound.limit)))
        side = -sign if bound.is_upper else sign
        found.append(BoundModel(metric=metric.observed, limit=limit, sign=side))
    return found


def _likely(bounds: tuple[BoundModel, ...], pending: Array) -> NDArray[np.bool_]:
    """Return which pending points ``(k,)`` are likely to keep all bounds."""
    if not len(pending):
        return np.zeros(0, dtype=bool)
    chance = np.exp(sum((bound.log_chance(pending) for bound in bounds), np.zeros(len(pending))))
    likely: NDArray[np.bool_] = chance >= _LIKELY
    return likely


def _sought(
    space: SearchSpace,
    settings: ProteinSettings,
    history: History,
    pending: Array,
    criteria: Criteria,
    beliefs: _Beliefs,
    kept: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[Acquisition, Array, str]:
    """Return what is worth most now, the points to look around, the best first, and what is sought, in words."""
    rollouts = history.points[: history.rollouts]
    if not kept.any():
        slack = _worst_slack(criteria, history.told)
        model = Model.fit(
            Geometry.of(space),
            history.of_scores(slack, np.zeros_like(slack)),
            pending,
            settings.hyper_samples,
            rng,
        )
        acquisition = Acquisition(model=model, **weights_of(space, settings, history, model))
        elite = rollouts[np.argsort(-slack, kind="stable")[:ELITE]]
        return acquisition, elite, f"no point keeps {' and '.join(map(str, criteria.bounds))} yet, from the nearest"
    model = beliefs.model
    weights = {**weights_of(space, settings, history, model), "bounds": beliefs.bounds}
    if not criteria.has_front:
        order = np.argsort(-model.expected[kept], kind="stable")
        return Acquisition(model=model, **weights), rollouts[kept][order[:ELITE]], "from the best that keeps the bounds"
    goals = tuple(beliefs.metrics[one.metric].score for one in criteria.objectives)
    points = np.concatenate([rollouts[kept], pending[_likely(beliefs.bounds, pending)]])
    means = [goal.mean(points) for goal in goals]
    front = undominated(np.stack([mean.mean(0) for mean in means], axis=-1))
    weights["breadth"] = 0.0
    acquisition = FrontAcquisition(model=model, metrics=goals, boxes=fronts_of(means), **weights)
    return acquisition, points[front], "from the nearest of the front"


def _worst_slack(criteria: Criteria, told: Array) -> Array:
    """Return for columns ``(n, V)`` the slack of the bound that is furthest broken ``(n,)``, in its metric's spread."""
    slacks = criteria.slacks(told)
    spread = slacks.std(axis=0)
    worst: Array = (slacks / np.where(spread > 0.0, spread, 1.0)).min(axis=1)
    return worst


def _predicted(beliefs: _Beliefs, point: Array, criteria: Criteria) -> Prediction:
    """Return what is expected of a run at codes ``(d,)``, every metric in its own unit."""
    told = beliefs.model.predict(point, criteria.signs[0])
    others = []
    for name, sign in list(zip(criteria.names, criteria.signs, strict=True))[1:]:
        low, value, high = beliefs.metrics[name].quantiles(point, sign).tolist()
        others.append(MetricPrediction(metric=name, value=value, low=low, high=high))
    return replace(told, others=tuple(others))


def _expected(told: Prediction, criteria: Criteria) -> str:
    """Return what is expected in words: ``expects reward 0.8 (0.6 to 1), latency 12 (10 to 14) for 3 s``."""
    first = MetricPrediction(metric=criteria.names[0], value=told.score, low=told.score_low, high=told.score_high)
    metrics = ", ".join(
        f"{one.metric} {one.value:.4g} ({one.low:.4g} to {one.high:.4g})" for one in (first, *told.others)
    )
    chance = f", {told.success:.0%} chance of success" if told.success < 0.995 else ""
    return f"expects {metrics} for {told.cost:.3g} s{chance}"
