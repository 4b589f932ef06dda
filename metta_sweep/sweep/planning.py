"""A run before it starts: its number, its seed, and what its folder says of why it is made."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from metta_sweep.optimize.port import Suggestion
from metta_sweep.sweep.events import PlannedRun
from metta_sweep.sweep.records import Run, SweepSpec

SEEDS = 2**31
"""Seeds of runs are below it."""

FRESH_SEEDS = SEEDS // 4
"""Where points are compared on the same seeds, those of runs that confirm are so far from them."""


def planned_run(spec: SweepSpec, number: int, sample: int | None = None) -> PlannedRun:
    """Return the run of this number.

    Every run has a seed of its own, but where points are compared on the same seeds: then the samples of each rollout
    have the same, and runs that confirm (``sample`` is None) have seeds that no rollout ever gets.
    """
    offset = number
    if spec.common_seeds:
        offset = sample if sample is not None else FRESH_SEEDS + number
    return PlannedRun(run_id=f"{spec.name}.r.{number}", seed=(spec.seed + offset) % SEEDS)


def suggestion_file(run: Run, suggestion: Suggestion) -> dict[str, Any]:
    """Return what ``protein_suggestion.yaml`` shows a person."""
    predicted = suggestion.predicted
    shown = {**asdict(predicted), "others": [asdict(o) for o in predicted.others]} if predicted is not None else None
    return {
        "run": run.run_id,
        "rollout": run.rollout,
        "seed": run.seed,
        "origin": suggestion.origin,
        "reason": suggestion.reason,
        "predicted": shown,
        "params": dict(suggestion.params),
    }
