"""What the optimizer's model has learned, for the report: slices, importances, and what it expects of the best.

An optimizer without a model has nothing to say here. Everything needs numpy and scipy; torch is never imported.
"""

from __future__ import annotations

from dataclasses import dataclass

from metta_sweep.errors import RequestError
from metta_sweep.optimize.port import Importance, Optimizer, SearchTask, Slice, insight_of
from metta_sweep.optimize.registry import known_kind
from metta_sweep.space import SearchSpace
from metta_sweep.sweep.state import SweepState
from metta_sweep.sweep.teaching import lessons_of, teach_what_fits


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


def surrogate_of(state: SweepState, space: SearchSpace, *, seed: int = 0) -> Surrogate | None:
    """Return what the model has learned; None where there is none, too little to learn from, or it cannot be fitted."""
    optimizer = optimizer_of(state, space, seed)
    if optimizer is None:
        return None
    seen = [one for one in teach_what_fits(optimizer, lessons_of(state)) if one.metric is not None]
    learned = insight_of(optimizer, [one.params for one in seen])
    if learned is None:
        return None
    found = [
        Expected(rollout=one.rollout, mean=said.mean, low=said.low, high=said.high)
        for one, said in zip(seen, learned.expected, strict=True)
    ]
    best = None if state.incumbent is None else state.incumbent.rollout
    return Surrogate(
        slices=learned.slices,
        importances=learned.importances,
        points=learned.points,
        winner=next((one for one in found if one.rollout == best), None),
    )


def optimizer_of(state: SweepState, space: SearchSpace, seed: int) -> Optimizer | None:
    """Return the sweep's optimizer before it has learned anything; None where it has no model or is not known here."""
    spec = state.spec
    kind = known_kind(spec.optimizer)
    if kind is None or not kind.has_model:
        return None
    try:
        return kind.make(
            SearchTask(
                space=space,
                goal=spec.goal,
                seed=seed,
                settings=spec.protein,
                sources=state.sources,
                objectives=spec.named_goals,
                bounds=spec.bounds,
                metric=spec.metric,
            )
        )
    except RequestError:
        return None
