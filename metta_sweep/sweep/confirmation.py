"""Confirmation: the best points of a search are run again on fresh seeds, so that luck is told from merit.

The best of many noisy scores is lucky as well as good. Runs on seeds that had no part in the choice are not: their mean
says what the point is worth, and which of several it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from metta_sweep.config.settings import ConfirmSettings
from metta_sweep.goal import Bound
from metta_sweep.optimize.port import Expectation
from metta_sweep.sweep.events import ConfirmationChosen
from metta_sweep.sweep.observing import counted
from metta_sweep.sweep.records import Observation, Run
from metta_sweep.sweep.state import SweepState


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A point that is run again, and what came of it so far."""

    rollout: int
    """The rollout whose point it is."""
    planned: int
    """Runs that were claimed for it."""
    scores: tuple[float, ...]
    """What its fresh runs gave, larger is better, in the order planned."""
    failed: bool
    """Whether a fresh run failed for good: such a point is not taken for the best, and not run again."""
    broken: tuple[Bound, ...] = ()
    """The bounds that its fresh runs break on average: such a point is not taken for the best."""


def candidates_of(state: SweepState) -> list[Candidate]:
    """Return the points that were chosen, the most promising of the search first; empty where none were."""
    chosen = state.confirmation
    return [] if chosen is None else [_candidate(state, rollout) for rollout in chosen.rollouts]


def _candidate(state: SweepState, rollout: int) -> Candidate:
    runs = counted(state.confirmations_of(rollout))
    values = [(run.metrics or {}).get(state.spec.metric, math.nan) for run in runs]
    return Candidate(
        rollout=rollout,
        planned=len(runs),
        scores=tuple(state.spec.goal.score(value) for value in values if math.isfinite(value)),
        failed=any(_failed_by_itself(run) for run in runs),
        broken=tuple(bound for bound in state.spec.bounds if _breaks(bound, runs)),
    )


def _breaks(bound: Bound, runs: Sequence[Run]) -> bool:
    values = [run.metrics[bound.metric] for run in runs if run.metrics is not None and bound.metric in run.metrics]
    return bool(values) and bound.slack(fmean(values)) < 0.0


def _failed_by_itself(run: Run) -> bool:
    return run.failure is not None and not run.failure.kind.is_retried


def is_chosen(state: SweepState, asked: ConfirmSettings) -> bool:
    """Return whether the choice that was made is still the one to make."""
    chosen = state.confirmation
    return chosen is not None and (chosen.decided, chosen.top_k) == (len(state.decided_rollouts), asked.top_k)


def runs_left(state: SweepState, asked: ConfirmSettings) -> int:
    """Return how many runs the confirmation may still claim; 0 where there is nothing to confirm."""
    if not is_chosen(state, asked):
        return asked.seeds * min(asked.top_k, len(state.evidence)) if state.incumbent is not None else 0
    found = candidates_of(state)
    return max(0, asked.seeds * len(found) - sum(one.planned for one in found))


def contenders(state: SweepState) -> list[Observation]:
    """Return what the search saw of each distinct point that has a score, in the order of the rollouts."""
    seen: dict[str, Observation] = {}
    for _, one in sorted(state.evidence.items()):
        if one.metric is not None and not one.broken:
            seen.setdefault(repr(sorted(one.params.items())), one)
    return list(seen.values())


def choice(state: SweepState, asked: ConfirmSettings, expected: Sequence[Expectation] | None) -> ConfirmationChosen:
    """Return the points to run again: those of which the model expects most, or the best means without a model.

    Args:
        state: The sweep, its search over.
        asked: How many.
        expected: What the model expects of each of :func:`contenders`, where there is one.
    """
    points = contenders(state)
    means: list[float | None] = [None] * len(points) if expected is None else [one.mean for one in expected]
    score = state.spec.goal.score
    ranked = sorted(
        zip(points, means, strict=True),
        key=lambda pair: (-score(pair[0].metric or 0.0 if pair[1] is None else pair[1]), pair[0].rollout),
    )[: asked.top_k]
    return ConfirmationChosen(
        rollouts=tuple(point.rollout for point, _ in ranked),
        expected=tuple(mean for _, mean in ranked),
        top_k=asked.top_k,
        decided=len(state.decided_rollouts),
    )
