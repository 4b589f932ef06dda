"""What to do next: a pure decision from the state; the loop performs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from metta_sweep.config.settings import ConfirmSettings, LimitSettings
from metta_sweep.sweep.advice import advice_on
from metta_sweep.sweep.budget import StopReason, hard_stop, stop_reason
from metta_sweep.sweep.confirmation import candidates_of, is_chosen, runs_left
from metta_sweep.sweep.observing import counted
from metta_sweep.sweep.racing import next_candidate
from metta_sweep.sweep.records import Run
from metta_sweep.sweep.state import SweepState

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseBest:
    """The search is over: choose the points that are run again."""

    asked: ConfirmSettings
    """How many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmPoint:
    """Run a chosen point once more, on a fresh seed."""

    rollout: int
    """The rollout whose point it is."""


Action = StartRun | SuggestRollout | ChooseBest | ConfirmPoint | Stop


def next_actions(
    state: SweepState, limits: LimitSettings, *, slots: int, now_s: float, elapsed_s: float
) -> list[Action]:
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
    hard = failed or hard_stop(state, limits, now_s=now_s, elapsed_s=elapsed_s)
    waiting = [run for run in state.waiting_runs if not (hard if run.confirms else _starts_nothing(reason))]
    again = None if reason is None or hard else _confirmation(state, waiting)
    if reason is not None and live == 0 and not waiting and again is None:
        in_vain = failed or nothing_worked(state)
        return [Stop(reason=in_vain or reason, failed=in_vain is not None)]
    if state.refusals and elapsed_s < state.refusals[-1].elapsed_s + refusal_wait_s(len(state.refusals)):
        return []
    free = max(0, slots - live)
    starts: list[Action] = [StartRun(run_id=run.run_id) for run in waiting[:free]]
    if len(starts) < free and reason is None:
        starts.append(SuggestRollout(rollout=len(state.rollouts)))
    elif len(starts) < free and again is not None:
        starts.append(again)
    return starts


def _confirmation(state: SweepState, waiting: Sequence[Run]) -> Action | None:
    """Return what is next to confirm the best points; None where the search is not over yet, or all of it is done."""
    asked = state.spec.confirm
    is_searching = any(not run.confirms for run in (*state.live_runs, *waiting))
    if asked is None or is_searching or not runs_left(state, asked):
        return None
    if not is_chosen(state, asked):
        return ChooseBest(asked=asked)
    point = next_candidate(candidates_of(state), seeds=asked.seeds)
    return None if point is None else ConfirmPoint(rollout=point.rollout)


def _starts_nothing(reason: StopReason | None) -> bool:
    """Return whether even claimed runs are left for a later start: only a full count of rollouts finishes them."""
    return reason is not None and reason.rule != "rollout_count"


def refusal_wait_s(refusals: int) -> float:
    """Return the seconds to wait after so many refusals in a row."""
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** (refusals - 1))


def nothing_worked(state: SweepState) -> StopReason | None:
    """Return why a sweep whose end is reached has failed: rollouts are done, and none of them has a score."""
    decided = state.decided_rollouts
    if not decided or state.has_score:
        return None
    causes = Counter(failure.kind for rollout in decided if (failure := state.failure_of(rollout)) is not None)
    last = next((failure for rollout in reversed(decided) if (failure := state.failure_of(rollout)) is not None), None)
    discarded = sum(not counted(state.runs_of(rollout)) for rollout in decided)
    unscored = len(decided) - causes.total() - discarded
    said = [f"{amount} {kind}" for kind, amount in causes.most_common()] + [f"{unscored} without it"] * (unscored > 0)
    said += [f"{discarded} discarded"] * (discarded > 0)
    message = f"none of {len(decided)} rollouts has a {' and '.join(state.spec.read_metrics)}: {', '.join(said)}"
    if last is not None:
        message += f"; the last: {last.message}{advice_on(last, state.spec)}"
    return StopReason(rule="failed", message=message)


def _hopeless(state: SweepState) -> StopReason | None:
    if len(state.refusals) >= REFUSAL_LIMIT:
        message = f"no run could be started, {len(state.refusals)} times in a row: {state.refusals[-1].message}"
        return StopReason(rule="failed", message=message)
    streak = state.hopeless
    if not streak:
        return None
    last = streak[-1]
    said = f"the same failure {len(streak)} times in a row: {last.kind}: {last.message}"
    return StopReason(rule="failed", message=f"{said}{advice_on(last, state.spec)}")
