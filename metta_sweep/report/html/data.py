"""The figures' and the table's data: every rollout and every run once, whatever shows them."""

from __future__ import annotations

from typing import Any

from metta_sweep.report.html.gather import Gathered
from metta_sweep.report.html.sections import runs_link
from metta_sweep.report.rows import RolloutRow, RunRow
from metta_sweep.report.stopped_early import in_words
from metta_sweep.report.wording import plain, printable


def sweep_data(found: Gathered) -> dict[str, Any]:
    """Return one sweep as ``page.js`` reads it: names, then a short list a rollout and a run."""
    rows = found.rows
    names = list(rows.short)
    return {
        "name": rows.spec.name,
        "metric": printable(rows.spec.metric),
        "directory": runs_link(found),
        "params": [printable(rows.short[name]) for name in names],
        "rollouts": [_rollout(row, names) for row in rows.rollouts],
        "runs": [_run(run) for run in rows.runs],
    }


def _rollout(row: RolloutRow, names: list[str]) -> list[Any]:
    """Return origin, mean, failure class and values; a value that is not a number is a word."""
    failure = None if row.failure is None else str(row.failure.kind)
    return [printable(row.suggestion.origin), row.mean, failure, [_value(row.params.get(name)) for name in names]]


def _value(value: Any) -> float | str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if value is None or is_number else plain(value)


def _run(run: RunRow) -> list[Any]:
    """Return id, rollout, state, metric, cost, steps, seed and failure."""
    failure = None if run.failure is None else f"{run.failure.kind}: {printable(run.failure.message)}"
    state = f"{run.state}, confirms" if run.confirms else in_words(run.state)
    if run.discarded is not None:
        state += f", discarded: {printable(run.discarded)}"
    return [run.run_id, run.rollout, state, run.metric, run.cost_s, run.steps, run.seed, failure]
