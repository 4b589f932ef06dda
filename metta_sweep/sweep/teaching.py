"""What a sweep teaches its optimizer: the one fold of a state into lessons, for the loop, the plan and the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from metta_sweep.errors import RequestError
from metta_sweep.optimize.port import CanJudge, Optimizer, pairs
from metta_sweep.sweep.records import Observation, Rollout
from metta_sweep.sweep.state import SweepState

LEAST_COST_S = 1e-3
"""Cost in seconds of a run that reports less: a cost of 0 has no logarithm, and a millisecond is as good as nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What the rollouts inside a sweep's present space teach, in the order in which they were decided."""

    observations: tuple[Observation, ...]
    """Scores with their noise, cost and curve, and points that do not work. Runs that confirm a point count too."""
    avoided: tuple[Mapping[str, Any], ...]
    """Points that teach nothing and are not to be proposed again: their runs failed for other reasons."""


def lessons_of(state: SweepState, *, since: int = 0) -> Lessons:
    """Return what a sweep teaches.

    Args:
        state: The sweep so far.
        since: How many of its decided rollouts are known already.
    """
    found = [(rollout, state.lesson_of(rollout)) for rollout in state.decided_rollouts[since:]]
    return Lessons(
        observations=tuple(lesson for _, lesson in found if lesson is not None),
        avoided=_points_of([rollout for rollout, lesson in found if lesson is None], state),
    )


def pending_points(state: SweepState) -> tuple[Mapping[str, Any], ...]:
    """Return the points of the present space whose outcome is not known yet."""
    return _points_of(state.open_rollouts, state)


def _points_of(rollouts: Iterable[Rollout], state: SweepState) -> tuple[Mapping[str, Any], ...]:
    """Return the points of rollouts as the present space has them; those outside are left out."""
    return tuple(placed.params for placed in map(state.placed, rollouts) if not placed.outside)


def teach(optimizer: Optimizer, lesson: Observation) -> None:
    """Teach an optimizer what one rollout gave.

    Raises:
        RequestError: The point is not one of its space.
    """
    if lesson.is_stopped_early:
        if isinstance(optimizer, CanJudge):
            optimizer.observe_partial(lesson.params, lesson.curve_by_share)
    elif lesson.metric is None:
        optimizer.observe_failure(lesson.params)
    elif lesson.by_seed and pairs(optimizer):
        cost_s = max(lesson.cost_s, LEAST_COST_S)
        optimizer.observe_by_seed(lesson.params, lesson.by_seed, cost_s, lesson.curve_by_share)
    else:
        cost_s = max(lesson.cost_s, LEAST_COST_S)
        score, noise = (lesson.values, lesson.noises) if lesson.values else (lesson.metric, lesson.noise)
        optimizer.observe(lesson.params, score, cost_s, noise, lesson.curve_by_share)


def teach_what_fits(optimizer: Optimizer, lessons: Lessons) -> list[Observation]:
    """Teach an optimizer the lessons about points of its space, which may be narrower by now, and return those."""
    known = []
    for lesson in lessons.observations:
        try:
            teach(optimizer, lesson)
        except RequestError:
            continue
        known.append(lesson)
    return known
