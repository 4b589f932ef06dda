"""The summary as JSON: version 1 of the form that ``docs/reading_results.md`` describes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from metta_sweep.report.calibration import calibration, verdict
from metta_sweep.report.failures import FailureRow
from metta_sweep.report.next_step import next_step, standing
from metta_sweep.report.place import Place
from metta_sweep.report.rows import RolloutRow, RunRow, SweepRows
from metta_sweep.report.sources import worth_of
from metta_sweep.sweep.verdict import Verdict

VERSION = 1
"""Version of the form; a reader refuses one that it does not know."""


def as_json(rows: SweepRows, place: Place) -> str:
    """Return the summary as one JSON object; numbers that are not finite become null."""
    return json_text(summary_object(rows, place))


def json_text(value: Any) -> str:
    """Return plain values as JSON that every reader takes: numbers that are not finite become null."""
    return json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n"


def summary_object(rows: SweepRows, place: Place) -> dict[str, Any]:
    """Return the summary as plain values."""
    spec, best = rows.spec, rows.best_run
    step = next_step(rows, place)
    return {
        "version": VERSION,
        "name": spec.name,
        "metric": spec.metric,
        "goal": str(spec.goal),
        "objectives": [{"metric": o.metric, "goal": str(o.goal), "weight": o.weight} for o in spec.objectives],
        "bounds": list(map(str, spec.bounds)),
        "front": list(rows.front),
        "front_share": rows.front_share,
        "rollout_count": spec.rollout_count,
        "num_samples": spec.num_samples,
        "common_seeds": spec.common_seeds,
        "parameters": spec.parameters,
        "overrides": spec.overrides,
        "optimizer": spec.optimizer,
        "reruns": spec.reruns or None,
        "rollouts": [rollout_object(row) for row in rows.rollouts],
        "best_run": None
        if best is None
        else {**run_object(best), "config": place.show(place.paths.run(best.run_id).used_config())},
        "best_rollout": None if rows.best_rollout is None else rows.best_rollout.index,
        "recommended": None if rows.recommended is None else asdict(rows.recommended),
        "confirmation": None if rows.verdict is None else _confirmation(rows, rows.verdict),
        "failures": [_failure(row) for row in rows.failures],
        "runs": {str(state): amount for state, amount in rows.run_counts.items()},
        "versions": rows.versions,
        "sources": [asdict(worth) for worth in worth_of(rows)],
        "decided": rows.decided,
        "full_rollouts": round(rows.counted - rows.unspent, 4),
        "early_stopping": _early_stopping(rows),
        "complete": rows.is_complete,
        "cost_s": rows.cost_s,
        "elapsed_s": rows.elapsed_s,
        "stopped": None if rows.stopped is None else {"rule": rows.stopped.rule, "message": rows.stopped.message},
        "dashboard": rows.dashboard or None,
        "calibration": _calibration(rows),
        "standing": standing(rows, place),
        "next": {"purpose": step.purpose, "command": step.command},
    }


def _calibration(rows: SweepRows) -> dict[str, Any]:
    found = calibration(rows)
    within = {"outcomes": found.total, "within_50": found.within_50, "within_90": found.within_90}
    return {**within, "verdict": verdict(found) or None}


def _early_stopping(rows: SweepRows) -> dict[str, Any]:
    """Return what stopping runs early saved."""
    ended = rows.ended_runs
    saved_s = sum(run.whole_cost_s - run.cost_s for run in ended)
    return {"runs": len(ended), "went_on": sum(run.went_on for run in rows.runs), "saved_s": round(saved_s, 3)}


def _confirmation(rows: SweepRows, verdict: Verdict) -> dict[str, Any]:
    """Return what each point gave on fresh seeds, the best first."""
    return {
        "over": verdict.is_over,
        "stale": verdict.is_stale,
        "planned": verdict.planned,
        "earlier": verdict.earlier,
        "budget": verdict.budget,
        "winner": None if verdict.winner is None else verdict.winner.rollout,
        "points": [asdict(one) for one in verdict.points],
        "runs": [run_object(run) for rollout in rows.rollouts for run in rollout.confirmations],
    }


def rollout_object(row: RolloutRow) -> dict[str, Any]:
    """Return one rollout as plain values."""
    return {
        "rollout": row.index,
        "state": str(row.state),
        "params": row.params,
        "origin": row.suggestion.origin,
        "reason": row.suggestion.reason,
        "predicted": None if row.suggestion.predicted is None else asdict(row.suggestion.predicted),
        "mean": row.mean,
        "standard_error": row.standard_error,
        "values": row.values,
        "breaks": list(map(str, row.broken)),
        "best_run": None if row.best is None else row.best.run_id,
        "version": row.version,
        "outside": row.outside or None,
        "failure": None if row.failure is None else {"class": str(row.failure.kind), "message": row.failure.message},
        "runs": [run_object(run) for run in row.runs],
    }


def run_object(row: RunRow) -> dict[str, Any]:
    """Return one run as plain values."""
    return {
        "run": row.run_id,
        "rollout": row.rollout,
        "seed": row.seed,
        "state": str(row.state),
        "metric": row.metric,
        "metrics": row.metrics,
        "cost_s": row.cost_s,
        "steps": row.steps,
        "attempts": row.attempts,
        "notes": row.notes,
        "discarded": row.discarded,
        "share": row.share,
        "stopped_early": None if row.judgement is None else asdict(row.judgement),
        "failure": None if row.failure is None else {"class": str(row.failure.kind), "message": row.failure.message},
    }


def _failure(row: FailureRow) -> dict[str, Any]:
    return {
        "class": str(row.kind),
        "runs": row.run_ids,
        "retried": row.retried,
        "message": row.message,
        "params": row.params,
        "regions": [asdict(region) for region in row.regions],
    }


def finite(value: Any) -> Any:
    """Return the value with NaN and infinities as None, all the way down: JSON has no word for them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
