"""Stop rules: when a sweep has had enough."""

from __future__ import annotations

from dataclasses import dataclass

from metta_sweep.config.settings import LimitSettings
from metta_sweep.sweep.confirmation import runs_left
from metta_sweep.sweep.state import SweepState

_ROUNDING = 1e-6
MOST_ROOM = 0.5
"""Most that is left for a confirmation, as a share of what the search takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReason:
    """The rule that ends a sweep."""

    rule: str
    """Name of the rule as the sweep file spells it."""
    message: str
    """One line for a person."""


def stop_reason(state: SweepState, limits: LimitSettings, *, now_s: float, elapsed_s: float) -> StopReason | None:
    """Return the rule that forbids a new rollout, or None. Of time and cost, room is left for a confirmation.

    Args:
        state: The sweep so far.
        limits: What was asked.
        now_s: Seconds since the epoch; only ``deadline`` looks at it.
        elapsed_s: Seconds that controllers have spent on the sweep.
    """
    room = room_for_confirmation(state)
    checks = (
        _confirmation_only(state),
        _target(state, limits),
        _rollouts(state),
        _at_least("wall_time", elapsed_s, limits.wall_time_s, room),
        _at_least("total_cost", state.total_cost_s, limits.total_cost_s, room),
        _at_least("deadline", now_s, limits.deadline_s),
        _patience(state, limits),
    )
    return next((reason for reason in checks if reason is not None), None)


def hard_stop(state: SweepState, limits: LimitSettings, *, now_s: float, elapsed_s: float) -> StopReason | None:
    """Return the rule that forbids even a run that confirms, or None; arguments as of :func:`stop_reason`."""
    if _confirmation_only(state) is not None:
        return None
    checks = (
        _at_least("wall_time", elapsed_s, limits.wall_time_s),
        _at_least("total_cost", state.total_cost_s, limits.total_cost_s),
        _at_least("deadline", now_s, limits.deadline_s),
    )
    return next((reason for reason in checks if reason is not None), None)


def room_for_confirmation(state: SweepState) -> float:
    """Return what a confirmation will take, as a share of what the sweep has taken: at the pace of its runs so far.

    It never takes more than a third of a limit from the search.
    """
    asked = state.spec.confirm
    if asked is None or not state.runs:
        return 0.0
    return min(MOST_ROOM, runs_left(state, asked) / len(state.runs))


def _confirmation_only(state: SweepState) -> StopReason | None:
    if state.spec.confirm is None or not state.spec.confirms_only:
        return None
    return StopReason(rule="confirm", message="the search was left as it is; its best were run again")


def _rollouts(state: SweepState) -> StopReason | None:
    """Count rollouts: one that was stopped early counts for the share that it took, and another must fit in whole."""
    count = state.spec.rollout_count
    if state.full_rollouts + 1.0 <= count + _ROUNDING:
        return None
    if not state.stopped_early_runs:
        message = f"all {count} rollouts are done" if count > 1 else "the one rollout is done"
        return StopReason(rule="rollout_count", message=message)
    message = f"{state.counted_rollouts} rollouts took what {count} whole ones may take"
    return StopReason(rule="rollout_count", message=message)


def _at_least(rule: str, value: float, limit: float | None, room: float = 0.0) -> StopReason | None:
    """Return the rule where the value, and the room that is left beside it as a share of it, reach the limit."""
    if limit is None or value * (1.0 + room) < limit:
        return None
    if rule == "deadline":
        return StopReason(rule=rule, message="the deadline has passed")
    return StopReason(rule=rule, message=f"{value:.0f} s of {limit:.0f} s are used up")


def _target(state: SweepState, limits: LimitSettings) -> StopReason | None:
    best = state.incumbent
    if limits.target is None or best is None or best.metric is None:
        return None
    goal = state.spec.goal
    if goal.score(best.metric) < goal.score(limits.target):
        return None
    message = f"{state.spec.metric} {best.metric:.4g} reaches the target {limits.target:.4g}"
    return StopReason(rule="target", message=message)


def _patience(state: SweepState, limits: LimitSettings) -> StopReason | None:
    """Count the rollouts after the best one, or after the newest of a front: failed ones too, ended ones in part."""
    best = state.front[-1] if state.front else state.incumbent
    if limits.patience is None or best is None:
        return None
    later = [rollout for rollout in state.decided_rollouts if rollout.index > best.rollout]
    if state.whole(later) + _ROUNDING < limits.patience:
        return None
    return StopReason(rule="patience", message=f"no improvement in {len(later)} rollouts")
