"""The model's turn: fit, weigh, search, explain."""

from __future__ import annotations

from typing import Any

import numpy as np

from metta_sweep.optimize.port import Suggestion
from metta_sweep.optimize.protein.acquisition import Acquisition
from metta_sweep.optimize.protein.explanation import explain
from metta_sweep.optimize.protein.history import History
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.protein.model import NOISY_FROM, Model
from metta_sweep.optimize.protein.search import Search
from metta_sweep.optimize.protein.settings import ProteinSettings
from metta_sweep.optimize.protein.threads import on_one_thread
from metta_sweep.optimize.protein.transfer import SourceTrend
from metta_sweep.space import SearchSpace
from metta_sweep.space.scales import Array

_DEFAULT_ROLLOUTS = 50
_PRIOR_STRENGTH = 1.0
ELITE = 5
ELSEWHERE = "fills the space, as what is still expected near the best is lost in the noise of a run"
"""Why a space-filling point is taken instead of the model's."""
_BREADTH, _FRUGALITY, _FRUGAL_UNTIL = 0.1, 0.3, 0.6
"""Weight of the whole front and power of the cost at the start, and the share of the budget after which money no longer
counts: early money buys knowledge, late money the winner."""
_LEAST_CHANCE, _CAUTION, _MOST_CAUTION = 0.25, 2.5, 0.75
_LOST, _NOISY, _OFTEN = 0.25, 0.05, 0.33
"""Improvement that is lost: less than this many deviations of a run's noise, where the noise is more than this share of
all variance; and the share of suggestions that then fill the space."""


@on_one_thread
def propose(
    space: SearchSpace,
    settings: ProteinSettings,
    history: History,
    pending: Array,
    seed: int,
    sign: float,
    trend: SourceTrend | None = None,
    lengths: Array | None = None,
    *,
    unseen: Array,
) -> Suggestion | None:
    """Return the point that the model values most, or None where every point of the space is taken.

    Args:
        space: Where to search.
        settings: What the user set.
        history: At least two successes.
        pending: Codes ``(k, d)`` of runs that are not finished.
        seed: Seed of the random numbers; with the number of observations it fixes them all.
        sign: 1 where a larger metric is better, -1 where a smaller one is.
        trend: The mean that source sweeps give; None for a constant.
        lengths: Log lengthscales of the score that learning curves have told ``(d,)``; None where they have not.
        unseen: Codes ``(k, d)`` of the next space-filling points.

    Raises:
        FitError: The models could not be fitted.
    """
    rng = np.random.default_rng([seed, history.count, len(pending)])
    known = history.thinned(Geometry.of(space))
    model = Model.fit(Geometry.of(space), known, pending, settings.hyper_samples, rng, trend, lengths=lengths)
    if is_resample(settings, history, pending):
        return resampled(space, model, sign)
    acquisition = _acquisition(space, settings, history, model)
    rollouts = known.points[: known.rollouts]
    order = np.argsort(-model.expected, kind="stable")
    elite = rollouts[order[:ELITE]] if trend is None else np.concatenate([rollouts[order[:ELITE]], trend.tops])
    taken = np.concatenate([history.all_points, pending])
    search = Search(space=space, acquisition=acquisition, taken=taken, elite=elite, rng=rng)
    best = search.best(settings.candidates)
    if best is None:
        return None
    if (other := elsewhere(acquisition, best, unseen, rng)) is not None:
        told = model.predict(other, sign)
        return Suggestion(params=space.decode(other), origin="sobol", reason=ELSEWHERE, predicted=told)
    params = space.decode(best)
    told = model.predict(best, sign)
    reason = explain(params, space.decode(model.best_point), told)
    return Suggestion(params=params, origin="protein", reason=reason, predicted=told)


def elsewhere(acquisition: Acquisition, best: Array, unseen: Array, rng: np.random.Generator) -> Array | None:
    """Return the space-filling point ``(d,)`` that is taken instead of the model's, or None where its own is taken.

    All that was seen may lie on one plateau, where agents have learned nothing. What little it says passes for the
    landscape, and the search near the best of it is sure of itself and in vain. So where there are runs enough to know
    the noise, and the improvement that the model expects is lost in that of a single run, one suggestion of three looks
    elsewhere, as searches do that always mix some such points in (Hutter et al. 2011).

    Args:
        acquisition: What values points.
        best: Codes ``(d,)`` of the model's point.
        unseen: Codes ``(k, d)`` of the next space-filling points.
        rng: Source of random numbers.
    """
    if len(acquisition.model.metric.observed.points) < NOISY_FROM or not len(unseen):
        return None
    if not acquisition.is_lost_in_noise(best, _LOST, _NOISY) or rng.random() >= _OFTEN:
        return None
    allowed = unseen[acquisition.allows(unseen)]
    return allowed[0] if len(allowed) else None


def is_resample(settings: ProteinSettings, history: History, pending: Array) -> bool:
    """Return whether it is the turn of a point that was run already."""
    every = settings.resample_frequency
    return every > 0 and (history.count + len(pending)) % every == 0


def resampled(space: SearchSpace, model: Model, sign: float) -> Suggestion:
    """Return the best point so far once more: its mean over several runs is what counts."""
    return Suggestion(
        params=space.decode(model.best_point),
        origin="resample",
        reason="the best point so far once more, to know its score better",
        predicted=model.predict(model.best_point, sign),
    )


def _acquisition(space: SearchSpace, settings: ProteinSettings, history: History, model: Model) -> Acquisition:
    return Acquisition(model=model, **weights_of(space, settings, history, model))


def weights_of(space: SearchSpace, settings: ProteinSettings, history: History, model: Model) -> dict[str, Any]:
    """Return what an acquisition weighs beside the improvement itself: money, the user's center, failures."""
    breadth, cost_power = _thrift(settings, history) if settings.cost_aware else (0.0, 0.0)
    radius = np.array([parameter.radius for parameter in space.parameters])
    numbers = np.array([not parameter.domain.is_unordered for parameter in space.parameters])
    cap = settings.max_suggestion_cost
    return dict(
        breadth=0.0 if model.front.is_flat else breadth,
        cost_power=cost_power,
        prior_center=space.center_codes,
        prior_weight=_PRIOR_STRENGTH * numbers / (2.0 * radius**2 * max(1, history.count)),
        least_chance=min(_MOST_CAUTION, _LEAST_CHANCE + _CAUTION * len(history.failures) / max(1, history.count)),
        max_cost=None if cap is None else float(model.cost_map.forward(np.array([cap]))[0]),
    )


def _thrift(settings: ProteinSettings, history: History) -> tuple[float, float]:
    """Return the weight of the whole front, and the power of the cost that an improvement is divided by.

    Where money ends the search, and not the number of runs, what counts is improvement per cost, the less so the less
    is left: a run beyond it is worth nothing (cost cooling, Lee et al. 2020, eq. 5).
    """
    planned, given = settings.planned_rollouts or _DEFAULT_ROLLOUTS, settings.planned_cost
    usual = history.spent / history.money
    if given is not None and given < planned * usual:
        left = max(0.0, 1.0 - history.spent / given)
        return _BREADTH * left, left
    thrift = max(0.0, 1.0 - min(1.0, history.money / planned) / _FRUGAL_UNTIL)
    return _BREADTH * thrift, _FRUGALITY * thrift
