"""The sweep as one page at W&B: what the overview run shows, derived from the journal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metta_sweep.sweep.front import growth
from metta_sweep.sweep.observing import counted
from metta_sweep.sweep.records import Rollout, RunState
from metta_sweep.sweep.state import SweepState
from metta_sweep.track.facts import DISCARDED

OVERVIEW_ROWS_PREFIX = "sweep/"
"""Every figure of the overview's history is named below it."""

DECIDED = f"{OVERVIEW_ROWS_PREFIX}decided"
"""Number of rollouts whose outcome is known: the axis of the overview's curves."""


TOTAL_COST = f"{OVERVIEW_ROWS_PREFIX}total_cost_s"
"""Seconds of runs so far."""

BEST_BY_COST = f"{OVERVIEW_ROWS_PREFIX}best_by_cost"
"""The best so far once more, over what was spent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as W&B takes it."""

    columns: tuple[str, ...]
    """Names of the columns."""
    rows: tuple[tuple[Any, ...], ...]
    """Values; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What the overview run shows."""

    curves: tuple[Mapping[str, float], ...]
    """One row a decided rollout, in the order in which they were decided; earlier rows never change."""
    rollouts: Table
    """Every decided rollout with its values, outcome and predictions."""
    summary: Mapping[str, Any]
    """Where the sweep stands."""


def no_answer(*_: object) -> str:
    """Stand in for the report where there is none."""
    return ""


def overview(state: SweepState) -> Overview:
    """Return what is to be shown of the sweep as it stands."""
    decided = state.decided_rollouts
    return Overview(
        curves=tuple(_curves(state)),
        rollouts=_rollouts(state, decided),
        summary=_summary(state),
    )


def pareto_front(state: SweepState) -> frozenset[int]:
    """Return the rollouts that no other beats: of several goals in all of them, else in score at no more cost.

    Of two equals it is the earlier one; what breaks a bound is not among them.
    """
    if state.spec.has_front:
        return frozenset(seen.rollout for seen in state.front)
    known = [o for o in state.observations.values() if o.metric is not None and not o.broken]
    better = state.spec.goal.score
    known.sort(key=lambda o: (o.cost_s, -better(o.metric or 0.0), o.rollout))
    front, best = set(), -math.inf
    for observation in known:
        if observation.metric is not None and better(observation.metric) > best:
            best = better(observation.metric)
            front.add(observation.rollout)
    return frozenset(front)


def _curves(state: SweepState) -> Iterator[dict[str, float]]:
    best: float | None = None
    total_s, saved, fronts = 0.0, 0.0, _fronts(state)
    for number, rollout in enumerate(state.decided_rollouts, 1):
        metric, cost_s = _outcome(state, rollout)
        total_s += sum(run.cost_s for run in state.runs_of(rollout) if run.state.is_over)
        saved += _saved(state, rollout)
        row = {"decided": number, "rollout": rollout.index, "cost_s": cost_s, "total_cost_s": total_s}
        row["failed"] = float(metric is None)
        row |= {} if metric is None else {"metric": metric, **_measured(state, rollout)}
        if metric is not None and not row.get("breaks_a_bound") and not state.spec.has_front:
            best = metric if best is None else max(best, metric, key=state.spec.goal.score)
        row |= next(fronts, {})
        if best is not None:
            row |= {"best": best, "best_by_cost": best}
        row["saved_rollouts"] = saved
        if rollout.suggestion.predicted is not None:
            row["predicted"] = rollout.suggestion.predicted.score
        yield {f"{OVERVIEW_ROWS_PREFIX}{name}": value for name, value in row.items()}


def _measured(state: SweepState, rollout: Rollout) -> dict[str, float]:
    """Return a rollout's metrics by name where several count, and whether it breaks a bound where there are any."""
    seen = state.observations[rollout.index]
    told = {f"metric.{name}": value for name, value in seen.values.items()}
    return told | ({"breaks_a_bound": float(bool(seen.broken))} if state.spec.bounds else {})


def _fronts(state: SweepState) -> Iterator[dict[str, float]]:
    """Yield after each decided rollout how large the front of several goals is; nothing where there is one."""
    if state.spec.has_front:
        seen = (state.observations.get(rollout.index) for rollout in state.decided_rollouts)
        for points, share in growth(seen, state.spec.objectives):
            yield {"front_points": float(points), "front_share": share}


def _saved(state: SweepState, rollout: Rollout) -> float:
    """Return which share of the rollout was saved by stopping its runs early."""
    runs = state.runs_of(rollout)
    return sum(1.0 - run.share for run in runs if run.state is RunState.STOPPED_EARLY) / max(1, len(runs))


def _outcome(state: SweepState, rollout: Rollout) -> tuple[float | None, float]:
    """Return the rollout's metric, where it has one, and its mean cost."""
    observation = state.observations.get(rollout.index)
    if observation is not None:
        return observation.metric, observation.cost_s
    over = [run.cost_s for run in state.runs_of(rollout) if run.state.is_over]
    return None, sum(over) / max(1, len(over))


_PREDICTED = ("score", "score_low", "score_high", "cost", "success")


def _rollouts(state: SweepState, decided: Sequence[Rollout]) -> Table:
    names = tuple(dict.fromkeys(name for rollout in decided for name in rollout.suggestion.params))
    front = pareto_front(state)
    rows = []
    for rollout in decided:
        metric, cost_s = _outcome(state, rollout)
        suggestion, failure = rollout.suggestion, state.failure_of(rollout)
        predicted = [getattr(suggestion.predicted, name, None) for name in _PREDICTED]
        why = str(failure.kind) if failure else "" if counted(state.runs_of(rollout)) else DISCARDED
        head = (rollout.index, suggestion.origin, metric, cost_s, rollout.index in front, why)
        known = state.observations.get(rollout.index)
        measured = [None if known is None else known.values.get(name) for name in state.spec.told_metrics]
        breaks = "" if known is None else "; ".join(map(str, known.broken))
        head = (*head, *measured, *((breaks,) if state.spec.bounds else ()))
        rows.append((*head, *predicted, *(suggestion.params.get(name) for name in names)))
    told = [f"metric.{name}" for name in state.spec.told_metrics]
    head_names = ("rollout", "origin", "metric", "cost_s", "on_front", "failure", *told)
    head_names = (*head_names, *(("breaks",) if state.spec.bounds else ()))
    return Table(columns=(*head_names, *(f"predicted_{name}" for name in _PREDICTED), *names), rows=tuple(rows))


def _summary(state: SweepState) -> dict[str, Any]:
    best = state.incumbent
    runs = state.runs.values()
    found: dict[str, Any] = {
        "rollouts": len(state.rollouts),
        "rollout_count": state.spec.rollout_count,
        "decided": len(state.decided_rollouts),
        "runs": len(runs),
        "failed_runs": sum(run.failure is not None for run in runs),
        "stopped_early_runs": len(state.stopped_early_runs),
        "saved_rollouts": state.counted_rollouts - state.full_rollouts,
        "total_cost_s": state.total_cost_s,
        "stopped": state.stopped.rule if state.stopped else None,
    }
    if state.front:
        found |= {"front": [seen.rollout for seen in state.front]}
        found |= {"front_values": [dict(seen.values) for seen in state.front]}
    if best is not None:
        run_ids = list(state.rollouts[best.rollout].run_ids)
        found |= {"best": best.metric, "best_rollout": best.rollout, "best_runs": run_ids}
        found |= {"best_params": dict(best.params)}
    return found
