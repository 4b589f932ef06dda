"""The end of an attempt: what the launcher says, what the run left, and the event that follows."""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from metta_sweep.result import ResultError, RunResult
from metta_sweep.result.values import as_metric
from metta_sweep.sweep.events import AttemptFailed, AttemptInterrupted, RunFinished, RunStoppedEarly
from metta_sweep.sweep.failures import Ending, failure_of
from metta_sweep.sweep.ports import JobState, JobStatus, RunStore
from metta_sweep.sweep.records import Evaluated, Failure, FailureClass, Run, SweepSpec

CURVE_POINTS = 64
"""Points of a learning curve that the journal keeps."""

MOST_METRICS = 1_000
"""Metrics of a run that the journal keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a run left as its result."""

    result: RunResult | None = None
    """Its content; None where there is none."""
    problem: str = ""
    """What is wrong with the file, where something is."""
    unreadable: str = ""
    """Why the file system does not let it be read at this moment, where it does not."""


def left_by(run: Run, runs: RunStore) -> Left:
    """Return what the run left as its result; whatever that is, it harms this run alone."""
    try:
        return Left(result=runs.result(run.run_id))
    except ResultError as error:
        return Left(problem=str(error))
    except OSError as error:
        return Left(unreadable=error.strerror or str(error))


def ending_event(
    run: Run,
    status: JobStatus,
    runs: RunStore,
    left: Left,
    *,
    spec: SweepSpec,
    elapsed_s: float,
    released: bool,
    stopped_from: str = "",
) -> RunFinished | RunStoppedEarly | AttemptFailed | AttemptInterrupted:
    """Return what became of the run's last attempt.

    Args:
        run: The run.
        status: The launcher's answer: the attempt is over.
        runs: Where results and logs lie.
        left: What the run left as its result.
        spec: What is searched for.
        elapsed_s: Sweep time now; stands in where the launcher does not know how long the attempt took.
        stopped_from: Where somebody asked that this run end; empty where nobody did.
        released: Whether the sweep itself ended the attempt; one that left its result first is finished all the same.
    """
    attempt = run.attempts[-1]
    wall_s = round(elapsed_s - attempt.started_s if status.wall_s is None else status.wall_s, 3)
    has_result = left.result is not None
    reported = list(runs.evaluations(run.run_id)) if status.code == 0 and not has_result else []
    ending = Ending(
        status=status,
        result=left.result,
        result_problem=left.problem,
        unreadable=left.unreadable,
        log_tail="" if has_result else runs.log_tail(run.run_id),
        last_step=reported[-1].step if reported else None,
    )
    failure = failure_of(ending, *spec.read_metrics)
    is_partial = run.judgement is not None and runs.saw_stop(run.run_id)
    if failure is None and left.result is not None and not is_partial:
        return RunFinished(
            run_id=run.run_id,
            attempt=attempt.number,
            metrics=_kept(left.result.metrics, spec.read_metrics),
            cost_s=left.result.cost_s,
            steps=left.result.steps,
            wall_s=_until_result_s(status, wall_s),
            curve=_curve(run, runs, spec),
            notes=(*left.result.notes, *_notes(status, wall_s, released=released)),
        )
    if run.judgement is not None:
        curve = _curve(run, runs, spec)
        return RunStoppedEarly(run_id=run.run_id, attempt=attempt.number, wall_s=wall_s, curve=curve)
    if stopped_from:
        failure = Failure(kind=FailureClass.STOPPED, message=f"stopped from {stopped_from}")
        return AttemptFailed(run_id=run.run_id, attempt=attempt.number, failure=failure, wall_s=wall_s)
    if released or status.reason == "cancelled" or failure is None:
        return AttemptInterrupted(run_id=run.run_id, attempt=attempt.number, wall_s=wall_s)
    return AttemptFailed(run_id=run.run_id, attempt=attempt.number, failure=failure, wall_s=wall_s)


def _until_result_s(status: JobStatus, wall_s: float) -> float:
    """Return the seconds that count: a process that had to be ended has cost nothing since its result."""
    was_ended = status.reason in ("no_exit", "timeout")
    return round(min(wall_s, status.result_s), 3) if was_ended and status.result_s is not None else wall_s


def _notes(status: JobStatus, wall_s: float, *, released: bool) -> list[str]:
    """Return what is worth saying of how a run ended that has left a result."""
    since_s = 0.0 if status.result_s is None else max(0.0, wall_s - status.result_s)
    if status.reason in ("no_exit", "timeout"):
        why = "it did not exit" if status.reason == "no_exit" else "at its time limit"
        return [f"ended {since_s:.2g} s after its result, {why}: that time is not a cost"]
    if released or status.reason == "cancelled":
        return []
    if status.state is JobState.LOST or status.reason in ("node_lost", "preempted"):
        return ["its process was lost after its result"]
    if status.signal is not None:
        return [f"ended by {_signal_name(status.signal)} after its result"]
    return [f"exit {status.code} after its result"] if status.code else []


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _kept(metrics: Mapping[str, float], wanted: Sequence[str]) -> dict[str, float]:
    """Return the metrics that are kept: those that are searched for are always among them."""
    if len(metrics) <= MOST_METRICS:
        return dict(metrics)
    first = dict(islice(metrics.items(), MOST_METRICS - len(wanted)))
    return first | {name: metrics[name] for name in wanted if name in metrics}


def _curve(run: Run, runs: RunStore, spec: SweepSpec) -> tuple[Evaluated, ...]:
    """Return the metric at the run's evaluations, thinned evenly where there are many."""
    told = ((seen, as_metric(spec.value_in(seen.metrics))) for seen in runs.evaluations(run.run_id))
    points = [
        (float(seen.step), value, seen.time_s)
        for seen, value in told
        if math.isfinite(seen.time_s) and value is not None
    ]
    return tuple(points[:: max(1, math.ceil(len(points) / CURVE_POINTS))])
