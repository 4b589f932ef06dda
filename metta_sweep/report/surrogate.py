"""What the model has learned, for the report: slices through the best point and the importance of each parameter.

The model is Protein's own Gaussian process of the score, fitted to the rollouts that came out. Everything here needs
numpy and scipy; torch is never imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metta_sweep.errors import RequestError
from metta_sweep.optimize.protein.expectation import expectations, metric_quantiles
from metta_sweep.optimize.protein.history import History, Observation, read_observation
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.protein.model import Model
from metta_sweep.optimize.protein.posterior import FitError
from metta_sweep.report.best import flat
from metta_sweep.space import SearchSpace
from metta_sweep.space.parameter import Parameter
from metta_sweep.space.scales import Array
from metta_sweep.sweep.records import SweepSpec
from metta_sweep.sweep.state import SweepState

MOST_POINTS = 150
"""Observations that the model is fitted to; of more, the best half and an even share of the rest."""
FEWEST_POINTS = 4
"""Scores below which a model says nothing worth drawing."""
FITS = 8
"""Samples of the model's hyperparameters; their spread is the uncertainty of the importance."""
GRID = 41
"""Points of a slice along a line."""
DRAWS = 256
"""Points of the estimator of the importance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The model along one parameter, the others at the best point."""

    name: str
    """Dotted path."""
    values: tuple[Any, ...]
    """Values of the parameter, user units, in order."""
    mean: tuple[float, ...]
    """Expected metric, raw."""
    low: tuple[float, ...]
    """5% quantile of the expected metric: uncertainty of the model, without the noise of a run."""
    high: tuple[float, ...]
    """95% quantile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """How much of the score's variation over the search space has to do with a parameter."""

    name: str
    """Dotted path."""
    share: float
    """Total-effect index, 0 to 1: alone or together with others, so that shares may add up to more than 1."""
    low: float
    """Smallest over the fits, the extreme tenth left out."""
    high: float
    """Largest over the fits, the extreme tenth left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the model, which has seen every rollout, takes the mean metric of a rollout's point to be."""

    rollout: int
    """The rollout."""
    mean: float
    """Expected mean of many runs, raw."""
    low: float
    """5% quantile of that mean."""
    high: float
    """95% quantile of that mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrogate:
    """The model's view of a sweep."""

    slices: tuple[Slice, ...]
    """One a parameter, in the order of the space."""
    importances: tuple[Importance, ...]
    """One a parameter, the largest first."""
    points: int
    """Rollouts that the model was fitted to."""
    winner: Expected | None = None
    """What it expects of the rollout with the best mean: shrunk towards what its neighbours gave."""
    favourite: Expected | None = None
    """The rollout of which it expects most."""


def space_of(spec: SweepSpec) -> SearchSpace | None:
    """Return the search space of a request, or None where it is none any more or has no axis."""
    try:
        space = SearchSpace.parse(spec.parameters, spec.constraints, flat(spec.training))
    except RequestError:
        return None
    return space if space.dim else None


def surrogate_of(state: SweepState, space: SearchSpace, *, seed: int = 0) -> Surrogate | None:
    """Return what the model has learned, or None where there is too little to learn from or it cannot be fitted."""
    observations = _observations(state, space)
    scored = [one for one in observations if one.score is not None]
    if len(scored) < FEWEST_POINTS or len({one.score for one in scored}) < 2:
        return None
    kept = [*_worth_fitting(scored), *(one for one in observations if one.score is None)]
    rng = np.random.default_rng(seed)
    history = History.of(kept, space.dim)
    try:
        model = Model.fit(Geometry.of(space), history, np.empty((0, space.dim)), FITS, rng)
    except FitError:
        return None
    sign = state.spec.goal.sign
    return Surrogate(
        slices=tuple(_slice(model, space, axis, sign) for axis in range(space.dim)),
        importances=_importances(model, space, rng),
        points=len(history.points),
        **_expectations(state, space, model),
    )


def _expectations(state: SweepState, space: SearchSpace, model: Model) -> dict[str, Expected]:
    """Return the winner and the favourite, of the scored rollouts whose points lie in the space."""
    known = [
        (seen.rollout, codes)
        for seen in state.observations.values()
        if seen.metric is not None
        for codes in _codes(space, seen.params)
    ]
    if state.incumbent is None or not known:
        return {}
    said = expectations(model, np.array([codes for _, codes in known]), state.spec.goal.sign)
    found = {
        rollout: Expected(rollout=rollout, mean=one.mean, low=one.low, high=one.high)
        for (rollout, _), one in zip(known, said, strict=True)
    }
    favourite = max(found.values(), key=lambda one: (state.spec.goal.score(one.mean), -one.rollout))
    winner = found.get(state.incumbent.rollout)
    return {"favourite": favourite} | ({} if winner is None else {"winner": winner})


def _codes(space: SearchSpace, params: Mapping[str, Any]) -> list[Array]:
    """Return the point's codes, or nothing where it does not lie in the space."""
    try:
        return [space.encode(params)]
    except RequestError:
        return []


def _observations(state: SweepState, space: SearchSpace) -> list[Observation]:
    found = []
    for seen in state.observations.values():
        try:
            found.append(
                Observation(codes=tuple(space.encode(seen.params).tolist()), score=None, cost=None)
                if seen.metric is None
                else read_observation(
                    space,
                    seen.params,
                    score=seen.metric,
                    cost=max(seen.cost_s, 1e-3),
                    noise=seen.noise,
                    sign=state.spec.goal.sign,
                )
            )
        except RequestError:
            # The space was narrowed since: the point says nothing about it.
            continue
    return found


def _worth_fitting(scored: Sequence[Observation]) -> list[Observation]:
    """Return the best half of the limit, and an even share of the others."""
    if len(scored) <= MOST_POINTS:
        return list(scored)
    ordered = sorted(scored, key=lambda one: -(one.score or 0.0))
    best, rest = ordered[: MOST_POINTS // 2], ordered[MOST_POINTS // 2 :]
    picks = np.linspace(0, len(rest) - 1, MOST_POINTS - len(best)).round().astype(int)
    return best + [rest[pick] for pick in picks]


def _slice(model: Model, space: SearchSpace, axis: int, sign: float) -> Slice:
    parameter = space.parameters[axis]
    codes = _grid(parameter)
    points = np.repeat(model.best_point[None], len(codes), axis=0)
    points[:, axis] = codes
    mean, variance = model.observed.predict(points)
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
    value = model.observed.predict(first)[0]
    spread = np.maximum(model.observed.predict(np.concatenate([first, second]))[0].var(axis=1), 1e-12)
    found = []
    for axis, parameter in enumerate(space.parameters):
        mixed = first.copy()
        mixed[:, axis] = second[:, axis]
        moved = model.observed.predict(space.snap(mixed))[0]
        shares = np.clip(((value - moved) ** 2).mean(axis=1) / (2.0 * spread), 0.0, 1.0)
        low, share, high = np.quantile(shares, [0.1, 0.5, 0.9]).tolist()
        found.append(Importance(name=parameter.name, share=share, low=low, high=high))
    return tuple(sorted(found, key=lambda one: -one.share))
