"""A sweep of somebody else's, told as events: its ranges as a search space, each of its runs as a rollout."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from metta_sweep.errors import Problem, RequestError
from metta_sweep.goal import Goal
from metta_sweep.optimize.port import Suggestion
from metta_sweep.space.scales import SCALES
from metta_sweep.sweep.events import (
    AttemptFailed,
    AttemptStarted,
    Event,
    PlannedRun,
    RolloutSuggested,
    RunFinished,
    SweepAsked,
)
from metta_sweep.sweep.records import Failure, FailureClass, SweepSpec

ORIGIN = "imported"
"""Origin of every suggestion that came from elsewhere."""

_OVER = frozenset({"finished", "failed", "crashed", "killed"})
_LOG_OF_EXPONENTS = frozenset({"log_uniform", "q_log_uniform"})
_INTEGERS = frozenset({"int_uniform", "q_uniform"})


def foreign_events(fetched: Mapping[str, Any], *, name: str) -> list[Event]:
    """Return the events of a plain W&B sweep; runs that are not over yet are left out.

    Raises:
        RequestError: It has no metric or no parameters that can be searched.
    """
    config = fetched["config"]
    metric = config.get("metric") or {}
    parameters = dict(_parameters(config.get("parameters") or {}))
    if not metric.get("name") or not parameters:
        raise RequestError(Problem(key="import", message="the sweep has no metric or no parameters to search"))
    over = runs_that_are_over(fetched)
    spec = SweepSpec(
        name=name,
        metric=str(metric["name"]),
        goal=Goal(metric.get("goal", "minimize")),
        rollout_count=max(1, len(over)),
        parameters=parameters,
        sweep_file=ORIGIN,
    )
    events: list[Event] = [SweepAsked(spec=spec, versions={}, host=ORIGIN)]
    for index, run in enumerate(over):
        events += _rollout(index, run, spec)
    return events


def runs_that_are_over(fetched: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the runs that are told, in order: the one of number ``k`` becomes ``NAME.r.k``."""
    return [run for run in fetched["runs"] if run["state"] in _OVER]


def _rollout(index: int, run: Mapping[str, Any], spec: SweepSpec) -> list[Event]:
    run_id = f"{spec.name}.r.{index}"
    flat = dict(_leaves(run["config"]))
    params = {path: flat[path] for path in spec.parameters if path in flat}
    suggestion = Suggestion(params=params, origin=ORIGIN, reason=f"run {run['name']} of the imported sweep")
    planned = (PlannedRun(run_id=run_id, seed=index),)
    return [
        RolloutSuggested(rollout=index, suggestion=suggestion, runs=planned, max_retries=0),
        AttemptStarted(run_id=run_id, attempt=1),
        _ending(run_id, run, spec.metric),
    ]


def _ending(run_id: str, run: Mapping[str, Any], metric: str) -> Event:
    """Return how the run ended: without the metric it is a failure of which nothing is learnt."""
    numbers = {name: float(value) for name, value in _leaves(run["summary"]) if _is_number(value)}
    cost_s = max(numbers.get("_runtime", numbers.get("_wandb.runtime", 0.0)), 1e-3)
    if run["state"] == "finished" and metric in numbers:
        metrics = {name: value for name, value in numbers.items() if not name.startswith("_")}
        return RunFinished(run_id=run_id, attempt=1, metrics=metrics, cost_s=cost_s, steps=None, wall_s=cost_s)
    kind = FailureClass.NO_RESULT if run["state"] == "finished" else FailureClass.CRASH
    failure = Failure(kind=kind, message=f"{run['state']} at W&B without a value of {metric}")
    return AttemptFailed(run_id=run_id, attempt=1, failure=failure, wall_s=cost_s)


def _parameters(given: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, leaf in given.items():
        if isinstance(leaf, Mapping) and "parameters" in leaf:
            yield from _parameters(leaf["parameters"], f"{prefix}{name}.")
        elif isinstance(leaf, Mapping) and (found := _range(leaf)) is not None:
            yield f"{prefix}{name}", found


def _range(leaf: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the parameter in our words; a constant has no range and is not a parameter."""
    if "values" in leaf:
        values = list(leaf["values"])
        return {"values": values} if len(values) > 1 else None
    if not (_is_number(leaf.get("min")) and _is_number(leaf.get("max"))):
        return None
    low, high, kind = leaf["min"], leaf["max"], str(leaf.get("distribution", ""))
    if kind in _LOG_OF_EXPONENTS:
        return {"min": math.exp(low), "max": math.exp(high), "distribution": "log_normal"}
    if kind in SCALES["log_normal"].wandb_reads:
        return {"min": low, "max": high, "distribution": "log_normal"}
    whole = all(isinstance(bound, int) for bound in (low, high)) and kind in ("", *_INTEGERS)
    return {"min": low, "max": high, "distribution": "int_uniform" if whole else "uniform"}


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
