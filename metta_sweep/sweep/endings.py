"""The event of an attempt that is over, from the launcher's answer and the run's files."""

from __future__ import annotations

import math

from metta_sweep.optimize.port import CurvePoint
from metta_sweep.result import ResultError
from metta_sweep.sweep.events import AttemptFailed, AttemptInterrupted, RunFinished
from metta_sweep.sweep.failures import Ending, failure_of
from metta_sweep.sweep.ports import JobStatus, RunStore
from metta_sweep.sweep.records import Run

CURVE_POINTS = 64
"""Points of a learning curve that the journal keeps."""


def ending_event(
    run: Run, status: JobStatus, runs: RunStore, *, metric: str, elapsed_s: float, released: bool
) -> RunFinished | AttemptFailed | AttemptInterrupted:
    """Return what became of the run's last attempt.

    Args:
        run: The run.
        status: The launcher's answer: the attempt is over.
        runs: Where results and logs lie.
        metric: The metric that is searched for.
        elapsed_s: Sweep time now; stands in where the launcher does not know how long the attempt took.
        released: Whether the sweep itself ended the attempt; one that left its result first is finished all the same.
    """
    attempt = run.attempts[-1]
    wall_s = round(elapsed_s - attempt.started_s if status.wall_s is None else status.wall_s, 3)
    ending = _ending(run, status, runs)
    failure = failure_of(ending, metric)
    if failure is None and ending.result is not None:
        return RunFinished(
            run_id=run.run_id,
            attempt=attempt.number,
            metrics=ending.result.metrics,
            cost_s=ending.result.cost_s,
            steps=ending.result.steps,
            wall_s=wall_s,
            curve=_curve(run, runs, metric),
        )
    if released or status.reason == "cancelled" or failure is None:
        return AttemptInterrupted(run_id=run.run_id, attempt=attempt.number, wall_s=wall_s)
    return AttemptFailed(run_id=run.run_id, attempt=attempt.number, failure=failure, wall_s=wall_s)


def _ending(run: Run, status: JobStatus, runs: RunStore) -> Ending:
    problem, result = "", None
    try:
        result = runs.result(run.run_id)
    except ResultError as error:
        problem = str(error)
    log_tail = "" if result is not None else runs.log_tail(run.run_id)
    return Ending(status=status, result=result, result_problem=problem, log_tail=log_tail)


def _curve(run: Run, runs: RunStore, metric: str) -> tuple[CurvePoint, ...]:
    """Return the metric at the run's evaluations, thinned evenly where there are many."""
    points = [
        (float(seen.step), seen.metrics[metric], seen.time_s)
        for seen in runs.evaluations(run.run_id)
        if math.isfinite(seen.metrics.get(metric, math.nan)) and math.isfinite(seen.time_s)
    ]
    return tuple(points[:: max(1, math.ceil(len(points) / CURVE_POINTS))])
