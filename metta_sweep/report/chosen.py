"""One point of several goals: the best by one of them, or by weights that a person gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from metta_sweep.errors import RequestError
from metta_sweep.goal import Objective, weighted_name
from metta_sweep.nearest import did_you_mean
from metta_sweep.report.wording import printable
from metta_sweep.sweep.records import SweepSpec
from metta_sweep.sweep.state import SweepState


def chosen_by(state: SweepState, *, metric: str | None = None, weights: str | None = None) -> SweepState:
    """Return a sweep with several goals as one of them judges it, or as weights do; its bounds hold all the same.

    Args:
        state: The sweep, which stays as it is.
        metric: One of its goals.
        weights: A weight for each of its goals: ``reward=1,latency=0.01``.

    Raises:
        RequestError: Both are given, it has one goal, there is no such goal, or a weight is none.
    """
    if metric is None and weights is None:
        return state
    key, spec = "--weights" if metric is None else "--metric", state.spec
    if metric is not None and weights is not None:
        raise RequestError.of("choose by one metric or by weights", key=key, fix="leave out one of them")
    if not spec.objectives:
        fix = "leave it out; rescore judges the runs by another metric for good"
        raise RequestError.of(
            f"{printable(spec.name)} has one goal, {spec.goal} {printable(spec.metric)}", key=key, fix=fix
        )
    return state.judged_by(_by_metric(spec, metric) if metric is not None else _by_weights(spec, weights or ""))


def _by_metric(spec: SweepSpec, metric: str) -> SweepSpec:
    goals = {one.metric: one.goal for one in spec.objectives}
    if metric not in goals:
        fix = did_you_mean(metric, goals, otherwise="its goals are")
        raise RequestError.of(f"need one of the goals, got {metric!r}", key="--metric", fix=fix)
    return replace(spec, metric=metric, goal=goals[metric], objectives=())


def _by_weights(spec: SweepSpec, weights: str) -> SweepSpec:
    given = _read(weights)
    names = [one.metric for one in spec.objectives]
    if set(given) != set(names):
        fix = f"write {','.join(f'{name}=1' for name in names)}"
        raise RequestError.of(f"need a weight for each goal, got {weights!r}", key="--weights", fix=fix)
    objectives: tuple[Objective, ...] = tuple(replace(one, weight=given[one.metric]) for one in spec.objectives)
    return replace(spec, metric=weighted_name(objectives), objectives=objectives)


def _read(weights: str) -> Mapping[str, float]:
    found = {}
    for word in weights.split(","):
        name, _, value = word.rpartition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            found[name.strip()] = math.nan
        if not (math.isfinite(found[name.strip()]) and found[name.strip()] > 0):
            raise RequestError.of(f"need METRIC=NUMBER above 0, got {word.strip()!r}", key="--weights")
    return found
