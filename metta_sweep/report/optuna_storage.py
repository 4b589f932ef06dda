"""A sweep as an Optuna study in an SQLite file: for optuna-dashboard, and for whoever has tools that read one."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metta_sweep.errors import RequestError
from metta_sweep.extras import how_to_install
from metta_sweep.report.requested_space import space_of
from metta_sweep.report.rows import RolloutRow, RolloutState, SweepRows, rows_of
from metta_sweep.space.parameter import Choice, Parameter, spell
from metta_sweep.sweep.state import SweepState

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

_STATES = {
    RolloutState.WAITING: "WAITING",
    RolloutState.RUNNING: "RUNNING",
    RolloutState.FINISHED: "COMPLETE",
    RolloutState.STOPPED_EARLY: "PRUNED",
    RolloutState.FAILED: "FAIL",
    RolloutState.UNSCORED: "FAIL",
    RolloutState.DISCARDED: "FAIL",
}


def write_study(state: SweepState, out: Path) -> int:
    """Write a study of the sweep's name with one trial a rollout, and return how many there are.

    A trial has the rollout's mean as its value, the learning curve as its intermediate values, and as user attributes
    what Optuna has no place for: runs, origin, reason, cost, failure, what fresh seeds gave.

    Args:
        state: The sweep so far.
        out: The SQLite file; one that is there is replaced.

    Raises:
        RequestError: Optuna is not installed.

    Side effects:
        The file is written beside its place and moved there.
    """
    try:
        import optuna
        from optuna.storages import RDBStorage
        from optuna.study import StudyDirection
        from sqlalchemy.engine import URL
    except ImportError:
        raise RequestError.of("an Optuna study needs optuna", key="--to", fix=how_to_install("optuna")) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows, beside = rows_of(state), out.absolute().with_name(f".{out.name}.{os.getpid()}")
    storage = RDBStorage(URL.create("sqlite", database=str(beside)).render_as_string())
    try:
        aims = rows.spec.aims
        directions = [StudyDirection[one.goal.name] for one in aims]
        study = optuna.create_study(storage=storage, study_name=rows.spec.name, directions=directions)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names([one.metric for one in aims])
        study.set_user_attr("metta_sweep", {"sweep_file": rows.spec.sweep_file, "num_samples": rows.spec.num_samples})
        distributions = distributions_of(rows, state)
        study.add_trials([_trial(state, rows, row, distributions) for row in rows.rollouts])
    finally:
        storage.remove_session()
        storage.engine.dispose()
    beside.replace(out)
    return len(rows.rollouts)


def distributions_of(rows: SweepRows, state: SweepState) -> dict[str, BaseDistribution]:
    """Return Optuna's own kind of every axis; where a value lies outside it (a range was narrowed), it is widened."""
    space = space_of(state.spec)
    known = {} if space is None else {parameter.name: parameter for parameter in space.parameters}
    seen: dict[str, list[Any]] = {}
    for row in rows.rollouts:
        for name, value in row.params.items():
            seen.setdefault(name, []).append(value)
    return {name: _distribution(known.get(name), values) for name, values in seen.items()}


def _distribution(parameter: Parameter | None, values: Sequence[Any]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    domain = None if parameter is None else parameter.domain
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if isinstance(domain, Choice) or len(numbers) < len(values):
        options = [*(domain.options if isinstance(domain, Choice) else ()), *values]
        return CategoricalDistribution(list(dict.fromkeys(map(_choice, options))))
    ends = [] if domain is None else [domain.low, domain.high]
    low, high = min([*numbers, *ends]), max([*numbers, *ends])
    is_log = domain is not None and domain.scale.axis == "log" and low > 0
    if all(isinstance(value, int) for value in numbers):
        return IntDistribution(int(low), int(high), log=is_log and low >= 1)
    return FloatDistribution(float(low), float(high), log=is_log)


def _choice(value: Any) -> Any:
    """Return a value that Optuna takes for a category."""
    return value if value is None or isinstance(value, bool | int | float | str) else spell(value)


def _trial(
    state: SweepState, rows: SweepRows, row: RolloutRow, distributions: Mapping[str, BaseDistribution]
) -> FrozenTrial:
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import FrozenTrial, TrialState

    kinds = {name: distributions[name] for name in row.params}
    values = {
        name: _choice(value) if isinstance(kinds[name], CategoricalDistribution) else value
        for name, value in row.params.items()
    }
    seen = state.observations.get(row.index)
    done = TrialState[_STATES[row.state]]
    stopped = next((state.runs[run.run_id] for run in row.runs if run.judgement is not None), None)
    curve = seen.curve if seen is not None else () if stopped is None else stopped.curve
    started, ended = _times(state, row)
    has_front = rows.spec.has_front
    return FrozenTrial(
        number=row.index,
        trial_id=row.index,
        state=done,
        value=row.mean if done is TrialState.COMPLETE and not has_front else None,
        values=[row.values[one.metric] for one in rows.spec.aims]
        if done is TrialState.COMPLETE and has_front
        else None,
        datetime_start=None if done is TrialState.WAITING else started,
        datetime_complete=ended if done.is_finished() else None,
        params=values,
        distributions=kinds,
        user_attrs=_attributes(rows, row),
        system_attrs=_bounds(rows, row),
        intermediate_values={} if has_front else {int(step): value for step, value, _ in curve},
    )


def _values(rows: SweepRows, row: RolloutRow) -> list[float]:
    return [row.values[one.metric] for one in rows.spec.objectives]


def _bounds(rows: SweepRows, row: RolloutRow) -> dict[str, Any]:
    """Return how far the trial breaks each bound, where Optuna looks for it: a positive value breaks one."""
    if not rows.spec.bounds or not row.values:
        return {}
    return {"constraints": [-bound.slack(row.values[bound.metric]) for bound in rows.spec.bounds]}


def _attributes(rows: SweepRows, row: RolloutRow) -> dict[str, Any]:
    fresh = [one for one in (() if rows.verdict is None else rows.verdict.points) if one.rollout == row.index]
    found: dict[str, Any] = {
        "runs": [run.run_id for run in row.runs],
        "origin": row.suggestion.origin,
        "reason": row.suggestion.reason,
        "cost_s": sum(run.cost_s for run in row.runs),
    }
    discarded = {run.run_id: run.discarded for run in row.runs if run.discarded is not None}
    if discarded:
        found["discarded"] = discarded
    if row.failure is not None:
        found |= {"failure": str(row.failure.kind), "failure_message": row.failure.message}
    return found | {
        f"fresh_seeds_{name}": getattr(one, name) for one in fresh for name in ("mean", "corrected", "scored")
    }


def _times(state: SweepState, row: RolloutRow) -> tuple[datetime, datetime]:
    """Return when the rollout began and ended; sweep time counted from when the sweep was created."""
    created_s = 0.0 if state.created is None else state.created.at - state.created.elapsed_s
    attempts = [attempt for run in state.runs_of(state.rollouts[row.index]) for attempt in run.attempts]
    starts = [attempt.started_s for attempt in attempts] or [0.0]
    ends = [attempt.started_s + attempt.wall_s for attempt in attempts] or [0.0]
    # Optuna's times are naive and local.
    began, ended = (datetime.fromtimestamp(created_s + at) for at in (min(starts), max(ends)))  # noqa: DTZ006
    return began, ended
