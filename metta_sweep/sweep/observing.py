"""What a rollout teaches: a mean and its noise, an infeasible point, or nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean, variance

from metta_sweep.sweep.records import Evaluated, Failure, Observation, Rollout, Run, RunState, SweepSpec


def counted(runs: Iterable[Run]) -> list[Run]:
    """Return the runs that a person has not discarded."""
    return [run for run in runs if run.discarded is None]


def observation_of(rollout: Rollout, runs: Sequence[Run], spec: SweepSpec) -> Observation | None:
    """Return the observation of a decided rollout; None where it says nothing of its parameters.

    Args:
        rollout: The rollout.
        runs: Its runs that count, in order.
        spec: What is searched for; a run that did not report all of it says nothing.
    """
    if not runs:
        return None
    cost_s = fmean(run.cost_s for run in runs if run.state.is_over)
    failure = deciding_failure(runs)
    if failure is not None:
        taught = failure.kind.blames_parameters
        params = rollout.suggestion.params
        return Observation(rollout=rollout.index, params=params, metric=None, cost_s=cost_s) if taught else None
    if any(run.state is RunState.STOPPED_EARLY for run in runs):
        return None
    finished = [run.metrics for run in runs if run.metrics is not None]
    if not all(map(_reports(spec), finished)):
        return None
    values = [metrics[spec.metric] for metrics in finished]
    told = {name: [metrics[name] for metrics in finished] for name in spec.told_metrics}
    means = {name: fmean(each) for name, each in told.items()}
    return Observation(
        rollout=rollout.index,
        params=rollout.suggestion.params,
        metric=fmean(values),
        noise=variance(values) / len(values) if len(values) > 1 else None,
        cost_s=cost_s,
        curve=_mean_curve([run.curve for run in runs]),
        steps=_mean_steps(runs),
        values=means,
        noises={name: variance(each) / len(each) for name, each in told.items() if len(each) > 1},
        broken=tuple(bound for bound in spec.bounds if bound.slack(means[bound.metric]) < 0.0),
    )


def _reports(spec: SweepSpec) -> Callable[[Mapping[str, float]], bool]:
    """Return what says of a run's metrics whether all are there that are searched for, and finite."""
    wanted = dict.fromkeys([*spec.read_metrics, spec.metric])
    return lambda metrics: all(math.isfinite(metrics.get(name, math.nan)) for name in wanted)


def partial_observation_of(rollout: Rollout, runs: Sequence[Run]) -> Observation | None:
    """Return what a rollout teaches of which a run was stopped early; None where none was, or none reported.

    Runs of it that came further count as far as all of them came.
    """
    stopped = [run for run in runs if run.state is RunState.STOPPED_EARLY]
    if not stopped or deciding_failure(runs) is not None:
        return None
    over = [run for run in runs if run.state in (RunState.STOPPED_EARLY, RunState.FINISHED)]
    curve = _mean_curve([run.curve for run in over])
    lengths = [run.judgement.steps for run in stopped if run.judgement is not None]
    if not curve or not lengths:
        return None
    return Observation(
        rollout=rollout.index,
        params=rollout.suggestion.params,
        metric=None,
        cost_s=fmean(run.cost_s for run in over),
        curve=curve,
        steps=fmean(lengths),
        is_stopped_early=True,
    )


def says_something(run: Run, spec: SweepSpec) -> bool:
    """Return whether a run says something of its parameters: by a score, or by a failure that they are to blame for."""
    if run.failure is not None:
        return run.failure.kind.blames_parameters
    return run.metrics is not None and _reports(spec)(run.metrics)


def deciding_failure(runs: Sequence[Run]) -> Failure | None:
    """Return the failure that decides a rollout with these runs, or None."""
    return next((run.failure for run in runs if run.failure is not None), None)


def _mean_steps(runs: Sequence[Run]) -> float | None:
    """Return the mean training steps of the runs, where all of them say it."""
    told = [run.steps for run in runs if run.steps]
    return fmean(told) if told and len(told) == len(runs) else None


def _mean_curve(curves: Sequence[tuple[Evaluated, ...]]) -> tuple[Evaluated, ...]:
    """Return the mean metric and seconds at the steps that every curve has."""
    at = [{steps: (metric, seconds) for steps, metric, seconds in curve} for curve in curves]
    shared = sorted(set(at[0]).intersection(*at[1:])) if at else []
    return tuple(
        (steps, fmean(points[steps][0] for points in at), fmean(points[steps][1] for points in at)) for steps in shared
    )
