"""The life of an attempt: how it begins, and what may follow what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from metta_sweep.errors import MettaSweepError
from metta_sweep.sweep.records import Attempt, AttemptState, Failure, Run, RunState

TRANSITIONS: Mapping[AttemptState | None, frozenset[AttemptState]] = {
    None: frozenset({AttemptState.STARTING}),
    AttemptState.STARTING: frozenset(
        {AttemptState.RUNNING, AttemptState.FINISHED, AttemptState.FAILED, AttemptState.INTERRUPTED}
    ),
    AttemptState.RUNNING: frozenset({AttemptState.FINISHED, AttemptState.FAILED, AttemptState.INTERRUPTED}),
    AttemptState.FINISHED: frozenset(),
    AttemptState.FAILED: frozenset(),
    AttemptState.INTERRUPTED: frozenset(),
}
"""What may follow what in the life of an attempt."""


class WrongTransitionError(MettaSweepError, ValueError):
    """An event does not fit the state; the journal was written by something else."""

    exit_code = 2


def begun(run: Run, number: int, at_s: float, launcher: str = "") -> Run:
    """Return the run with one attempt more, which a process is about to be started for.

    Args:
        run: Waits to be started.
        number: The attempt's, from 1.
        at_s: Seconds of the sweep.
        launcher: Kind of the launcher that it is given to.

    Raises:
        WrongTransitionError: The run does not wait, or the number is not the next one.
    """
    if number != len(run.attempts) + 1 or run.state is not RunState.WAITING:
        raise WrongTransitionError(f"{run.run_id}: attempt {number} started while the run is {run.state}")
    attempt = Attempt(number=number, state=AttemptState.STARTING, started_s=at_s, launcher=launcher)
    return replace(run, attempts=(*run.attempts, attempt))


def begun_anew(run: Run, seed: int | None) -> Run:
    """Return a run of which nothing so far counts any more."""
    return replace(
        run,
        seed=run.seed if seed is None else seed,
        anew=len(run.attempts),
        metrics=None,
        cost_s=0.0,
        steps=None,
        curve=(),
        notes=(),
        judgement=None,
        is_stopped_early=False,
        ended_before=None,
    )


def moved(
    run: Run,
    number: int,
    to: AttemptState,
    *,
    handle: Mapping[str, object] | None = None,
    failure: Failure | None = None,
    wall_s: float = 0.0,
) -> Run:
    """Return the run with its last attempt in another state.

    Raises:
        WrongTransitionError: That attempt is not the last one, or cannot come to that state from where it is.
    """
    last = run.attempts[-1] if run.attempts else None
    if last is None or last.number != number or to not in TRANSITIONS[last.state]:
        now = f"attempt {last.number} is {last.state}" if last else "there is no attempt"
        raise WrongTransitionError(f"{run.run_id}: attempt {number} cannot become {to}: {now}")
    changed = replace(
        last,
        state=to,
        unknown="",
        handle=handle or last.handle,
        failure=failure or last.failure,
        wall_s=wall_s or last.wall_s,
    )
    return replace(run, attempts=(*run.attempts[:-1], changed))
