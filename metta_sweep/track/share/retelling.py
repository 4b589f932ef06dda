"""Another machine's rollout, told with the ordinary events from what W&B has of its runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from metta_sweep.decoding import decode
from metta_sweep.optimize.port import Prediction, Suggestion
from metta_sweep.sweep.events import (
    AttemptFailed,
    AttemptStarted,
    Event,
    PlannedRun,
    RolloutSuggested,
    RunFinished,
    RunJudged,
    RunStoppedEarly,
)
from metta_sweep.sweep.records import Failure, FailureClass, Judgement, RunState
from metta_sweep.track.facts import OWN_KEY
from metta_sweep.track.server import SentRun


def is_over(runs: Sequence[SentRun]) -> bool:
    """Return whether a rollout's outcome is known: one run failed for good, or all are there, each of them whole."""
    whole = [run for run in runs if run.seal is not None]
    decides = (RunState.FAILED, RunState.STOPPED_EARLY)
    is_decided = any(run.summary[OWN_KEY]["state"] in decides for run in whole)
    return is_decided or (bool(whole) and len(whole) == _of(whole[0])["samples"])


def retold(runs: Sequence[SentRun], *, host: str) -> list[Event]:
    """Return the events of a rollout that is over.

    Args:
        runs: Its runs, in the order of their numbers.
        host: The machine that did it.

    Returns:
        Its events; the rollout's index is for the journal to say.
    """
    first = _of(runs[0])
    planned = tuple(PlannedRun(run_id=_of(run)["run"], seed=_of(run)["seed"]) for run in runs)
    events: list[Event] = [
        RolloutSuggested(rollout=0, suggestion=_suggestion(first), runs=planned, max_retries=0, machine=host)
    ]
    for run in runs:
        if run.seal is not None:
            events += [AttemptStarted(run_id=_of(run)["run"], attempt=1), *_ending(run)]
    return events


def _of(run: SentRun) -> Mapping[str, Any]:
    return run.own


def _suggestion(own: Mapping[str, Any]) -> Suggestion:
    predicted = own.get("predicted")
    return Suggestion(
        params=dict(own["params"]),
        origin=own["origin"],
        reason=own["reason"],
        predicted=None if predicted is None else decode(Prediction, predicted),
    )


def _ending(run: SentRun) -> list[Event]:
    own, run_id = run.summary[OWN_KEY], _of(run)["run"]
    curve = tuple((steps, value, seconds) for steps, value, seconds in own.get("curve", ()))
    if own["state"] == RunState.FAILED:
        failure = Failure(kind=FailureClass(own["failure_class"]), message=own["failure_message"])
        return [AttemptFailed(run_id=run_id, attempt=1, failure=failure, wall_s=own["wall_s"])]
    if own["state"] == RunState.STOPPED_EARLY:
        judgement = decode(Judgement, own["stopped_early"])
        return [
            RunJudged(run_id=run_id, attempt=1, judgement=judgement),
            RunStoppedEarly(run_id=run_id, attempt=1, wall_s=own["wall_s"], curve=curve),
        ]
    metrics = {name: float(value) for name, value in own["metrics"].items() if math.isfinite(value)}
    finished = RunFinished(
        run_id=run_id,
        attempt=1,
        metrics=metrics,
        cost_s=own["cost_s"],
        steps=run.summary.get("steps"),
        wall_s=own["wall_s"],
        curve=curve,
    )
    return [finished]
