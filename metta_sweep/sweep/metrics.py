"""A metric that no run reports: a word that was mistyped, or something that only some runs have."""

from __future__ import annotations

import difflib

from metta_sweep.errors import RequestError
from metta_sweep.sweep.records import Run
from metta_sweep.sweep.state import SweepState

ROLLOUTS_WITHOUT = 3
"""Rollouts without the metric after which the request is held to be wrong, where no run has ever had it."""

NEAR = 0.75
"""Likeness of two names, 0 to 1, from which one is held to be the other mistyped."""

LISTED = 20
"""Metrics that are listed."""


def metric_problem(state: SweepState) -> RequestError | None:
    """Return what is wrong with the metric's name, or None.

    One run may lack a metric that others have. Where none has ever had it, a name that is nearly one of those reported
    was mistyped; any other is held to be wrong once several points are without it.
    """
    if not state.unscored:
        return None
    last = state.unscored[-1]
    metric = next(iter(state.spec.missing_in(last.metrics or {})), state.spec.metric)
    near = nearest(metric, last)
    rollouts = {run.rollout for run in state.unscored_now}
    if not near and len(rollouts) < ROLLOUTS_WITHOUT:
        return None
    names = sorted(last.metrics or {})
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    there = f"{', '.join(names[:LISTED])}{more}" or "none"
    meant = f"did you mean {near}? " if near else ""
    key = f"sweep.{state.spec.key_of(metric)}"
    return RequestError.of(
        f"no run has reported a metric of this name; {last.run_id} reported: {there}",
        key=f"{key}: {metric}",
        fix=f"{meant}name one of these under {key} and run the same command again: finished runs are kept",
    )


def nearest(metric: str, run: Run) -> str:
    """Return the reported metric that was meant, in all likelihood; empty where there is none."""
    names = list(run.metrics or {})
    same_end = [name for name in names if name.lower().endswith((f"/{metric.lower()}", f".{metric.lower()}"))]
    return next(iter([*difflib.get_close_matches(metric, names, n=1, cutoff=NEAR), *same_end]), "")
