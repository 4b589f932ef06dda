"""What to do next: a pure decision from the state; the loop performs it."""

from __future__ import annotations

from dataclasses import dataclass

from metta_sweep.sweep.budget import Limits, StopReason, stop_reason
from metta_sweep.sweep.state import CRASH_LIMIT, SweepState

REFUSAL_LIMIT = 10
"""A launcher that could not start anything this often in a row stops the sweep."""

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
"""Seconds to wait after a launcher could not start something; doubled each time: about three minutes in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRun:
    """Start the next attempt at a run."""

    run_id: str
    """The run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestRollout:
    """Ask Protein for the next rollout."""

    rollout: int
    """Its index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """End the sweep: nothing runs and nothing may be started."""

    reason: StopReason
    """The rule."""
    failed: bool = False
    """Whether it ends because its runs cannot succeed."""


Action = StartRun | SuggestRollout | Stop


def next_actions(state: SweepState, limits: Limits, *, slots: int, now_s: float, elapsed_s: float) -> list[Action]:
    """Return what can be done at once, most urgent first; an empty list means wait.

    Runs that were claimed are started before anything new is suggested: a claim is never given up.

    Args:
        state: The sweep so far.
        limits: Stop rules.
        slots: How many runs may be alive at once.
        now_s: Seconds since the epoch.
        elapsed_s: Seconds that controllers have spent on the sweep.
    """
    live = len(state.live_runs)
    failed = _hopeless(state)
    reason = failed or stop_reason(state, limits, now_s=now_s, elapsed_s=elapsed_s)
    waiting = [] if _starts_nothing(reason) else state.waiting_runs
    if reason is not None and live == 0 and not waiting:
        return [Stop(reason=reason, failed=failed is not None)]
    if state.refusals and elapsed_s < state.refusals[-1].elapsed_s + refusal_wait_s(len(state.refusals)):
        return []
    free = max(0, slots - live)
    starts: list[Action] = [StartRun(run_id=run.run_id) for run in waiting[:free]]
    if reason is None and len(starts) < free:
        starts.append(SuggestRollout(rollout=len(state.rollouts)))
    return starts


def _starts_nothing(reason: StopReason | None) -> bool:
    """Return whether even claimed runs are left for a later start: only a full count of rollouts finishes them."""
    return reason is not None and reason.rule != "rollout_count"


def refusal_wait_s(refusals: int) -> float:
    """Return the seconds to wait after so many refusals in a row."""
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** (refusals - 1))


def _hopeless(state: SweepState) -> StopReason | None:
    if len(state.refusals) >= REFUSAL_LIMIT:
        message = f"no run could be started, {len(state.refusals)} times in a row: {state.refusals[-1].message}"
        return StopReason(rule="failed", message=message)
    streak = state.crash_streak
    if len(streak) < CRASH_LIMIT:
        return None
    return StopReason(rule="failed", message=f"the same failure {len(streak)} times in a row: {streak[0].signature}")
