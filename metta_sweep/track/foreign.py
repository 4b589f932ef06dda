"""A sweep of somebody else's: its file as ``migrate`` reads it, and each of its runs told as a rollout."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from metta_sweep.config.foreign.wandb_sweep import migrate_wandb
from metta_sweep.config.migration import DEFAULT_ROLLOUTS, Migration
from metta_sweep.config.yaml_source import parse_yaml
from metta_sweep.errors import Problem, RequestError
from metta_sweep.goal import Goal
from metta_sweep.optimize.port import Suggestion
from metta_sweep.sweep.events import (
    AttemptFailed,
    AttemptStarted,
    Event,
    PlannedRun,
    RolloutSuggested,
    RunFinished,
    SweepAsked,
)
from metta_sweep.sweep.identity import IMPORTED
from metta_sweep.sweep.records import Failure, FailureClass, SweepSpec
from metta_sweep.trees import leaves

_OVER = frozenset({"finished", "failed", "crashed", "killed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignSweep:
    """What becomes of a plain W&B sweep."""

    events: list[Event]
    """Its journal; runs that are not over yet are left out."""
    file: Migration
    """Its sweep file in the form of this project: what the sweep goes on with."""


def foreign_sweep(fetched: Mapping[str, Any], *, name: str) -> ForeignSweep:
    """Return a plain W&B sweep as a journal and a sweep file that goes on with it.

    Args:
        fetched: What :func:`metta_sweep.track.fetch.fetch` returns.
        name: The sweep's local name.

    Raises:
        RequestError: It has no metric or no parameters that can be searched.
    """
    over = runs_that_are_over(fetched)
    file = _sweep_file(fetched["config"], len(over))
    content = yaml.safe_load(file.text)
    given = content["sweep"]
    named = fetched["config"].get("metric")
    if not (isinstance(named, Mapping) and named.get("name")) or not given["parameters"]:
        raise RequestError(Problem(key="import", message="the sweep has no metric or no parameters to search"))
    spec = SweepSpec(
        name=name,
        metric=given["metric"],
        goal=Goal(given["goal"]),
        rollout_count=max(1, len(over)),
        parameters=given["parameters"],
        sweep_file=IMPORTED,
    )
    events: list[Event] = [SweepAsked(spec=spec, versions={}, host=IMPORTED)]
    for index, run in enumerate(over):
        events += _rollout(index, run, spec)
    return ForeignSweep(events=events, file=file)


def runs_that_are_over(fetched: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the runs that are told, in order: the one of number ``k`` becomes ``NAME.r.k``."""
    return [run for run in fetched["runs"] if run["state"] in _OVER]


def _sweep_file(config: Mapping[str, Any], over: int) -> Migration:
    """Return the registered config as a sweep file; one that has done all that it was capped at does some more."""
    cap = config.get("run_cap")
    is_left = isinstance(cap, int) and cap > over
    text = yaml.safe_dump({**config, "run_cap": cap if is_left else over + DEFAULT_ROLLOUTS}, sort_keys=False)
    source = parse_yaml(text, shown="the sweep at W&B")
    if source.problems:
        raise RequestError(*source.problems)
    return migrate_wandb(text, source)


def _rollout(index: int, run: Mapping[str, Any], spec: SweepSpec) -> list[Event]:
    run_id = f"{spec.name}.r.{index}"
    flat = dict(leaves(run["config"]))
    params = {path: flat[path] for path in spec.parameters if path in flat}
    suggestion = Suggestion(params=params, origin=IMPORTED, reason=f"run {run['name']} of the imported sweep")
    planned = (PlannedRun(run_id=run_id, seed=_seed(flat.get("seed"), index)),)
    return [
        RolloutSuggested(rollout=index, suggestion=suggestion, runs=planned, max_retries=0),
        AttemptStarted(run_id=run_id, attempt=1),
        _ending(run_id, run, spec),
    ]


def _seed(given: Any, index: int) -> int:
    return given if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < 2**31 else index


def _ending(run_id: str, run: Mapping[str, Any], spec: SweepSpec) -> Event:
    """Return how the run ended: without the metric it is a failure of which nothing is learnt."""
    metric = spec.metric
    told = {name: _chosen(value, spec.goal) if name == spec.metric else value for name, value in run["summary"].items()}
    numbers = {name: float(value) for name, value in leaves(told) if _is_number(value)}
    cost_s = max(numbers.get("_runtime", numbers.get("_wandb.runtime", 0.0)), 1e-3)
    if run["state"] == "finished" and metric in numbers:
        metrics = {name: value for name, value in numbers.items() if not name.startswith("_")}
        return RunFinished(run_id=run_id, attempt=1, metrics=metrics, cost_s=cost_s, steps=None, wall_s=cost_s)
    kind = FailureClass.NO_RESULT if run["state"] == "finished" else FailureClass.CRASH
    failure = Failure(kind=kind, message=f"{run['state']} at W&B without a value of {metric}")
    return AttemptFailed(run_id=run_id, attempt=1, failure=failure, wall_s=cost_s)


def _chosen(value: Any, goal: Goal) -> Any:
    """Return a metric's value; of one with summaries of its own (``define_metric``), the one that suits the goal."""
    if not isinstance(value, Mapping):
        return value
    found = (value[name] for name in ("max" if goal.sign > 0 else "min", "best", "last", "mean") if name in value)
    return next(found, None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
