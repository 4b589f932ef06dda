"""From the findings about a request to the request itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from metta_sweep.config.asked import Asked
from metta_sweep.config.command_line import changes_said
from metta_sweep.config.inquiry import Findings
from metta_sweep.config.job import AT_ROOT
from metta_sweep.config.origins import SOURCES
from metta_sweep.config.settings import EARLY_STOP_FROM, STEPS, ConfirmSettings, EarlyStopSettings
from metta_sweep.trees import MISSING, get, leaves, put


def answer(found: Findings, *, cwd: Path, sweep_file: str) -> Asked:
    """Return what was asked.

    Args:
        found: A request with nothing wrong in it.
        cwd: Absolute working directory; ``data_dir`` is relative to it.
        sweep_file: The sweep file's name for a person.
    """
    job, words = found.job, found.line.words
    early_stop = _early_stop(found)
    confirm = _confirm(found, is_money=early_stop is not None)
    rollouts = _rollout_count(found)
    reserved = confirm.reserved(rollouts, job.num_samples) if confirm is not None else 0
    settings = {key: found.values[key] for key in (*AT_ROOT, "protein") if key in found.values}
    return Asked(
        name=words["run"],
        cmd="plan" if words.get("cmd") == "plan" else "sweep",
        sweep_file=sweep_file,
        rollout_count=rollouts - reserved,
        num_samples=job.num_samples,
        common_seeds=job.common_seeds,
        metric=job.metric,
        goal=job.goal,
        objectives=found.aims.objectives,
        bounds=found.aims.bounds,
        parameters=found.swept.declared,
        constraints=tuple(constraint.expression.text for constraint in found.space.constraints),
        limits=job.limits,
        confirm=confirm,
        early_stop=early_stop,
        optimizer=job.optimizer,
        protein=found.protein,
        command=job.command,
        training=found.training,
        overrides=_overrides(found),
        pinned=found.pinned,
        launcher=job.launcher,
        wandb=job.wandb,
        data_dir=cwd / Path(job.data_dir).expanduser(),
        hardware=found.tree.choices.get("hardware"),
        user=found.tree.choices.get("user"),
        seed=job.seed,
        space=found.space,
        notes=(*_pin_notes(found.pinned), *found.notes, *_reserved_notes(rollouts, reserved)),
        origins=found.origins.of_leaves({**found.training, **settings}),
        description=job.description,
        results=job.results,
        env=job.env,
        workdir=job.workdir,
        points=found.points,
        sources=tuple(dict.fromkeys(job.sources)),
        change=changes_said(found.line),
        takeover=words.get("takeover") == "true",
    )


def _rollout_count(found: Findings) -> int:
    """Return the stronger of ``rollout_count`` and ``limits.rollouts``, its other name; the smaller of equals."""
    count, other = found.job.rollout_count, found.job.limits.rollouts
    if other is None:
        return count
    own, others = (
        SOURCES.index(found.origins.origin(path).source) for path in ("rollout_count", "sweep.limits.rollouts")
    )
    return min(count, other) if own == others else count if own < others else other


def _early_stop(found: Findings) -> EarlyStopSettings | None:
    """Return how runs are ended on their way: as it is said, else where that pays and harms nobody.

    The bundled trainer reports as it trains, keeps what it has when it is asked to end, and can go on; a command would
    be sent a signal that it may know nothing of (docs/decisions/0015).
    """
    job = found.job
    if "early_stop" in job.model_fields_set:
        return job.early_stop
    suits = job.command is None and not found.aims.has_front and STEPS not in found.swept.declared
    return EarlyStopSettings() if suits and _rollout_count(found) >= EARLY_STOP_FROM else None


def _confirm(found: Findings, *, is_money: bool) -> ConfirmSettings | None:
    """Return how the best are run again; where rollouts are money, and nothing else is said, it is part of them."""
    asked = found.job.confirm
    return asked if asked is None or asked.within is not None else replace(asked, within=is_money)


def _reserved_notes(rollouts: int, reserved: int) -> list[str]:
    if not reserved:
        return []
    return [f"{reserved} of {rollouts} rollouts are kept to confirm the best on fresh seeds; the search has the rest"]


def _overrides(found: Findings) -> dict[str, Any]:
    """Return the training values that the sweep file and the command line give, as they came out."""
    overrides: dict[str, Any] = {}
    typed = [given.key for given in found.line.values]
    for path in [*(path for path, _ in leaves(found.tree.blocks)), *typed]:
        value = get(found.training, path)
        if value is not MISSING and path not in found.pinned and path != "seed":
            put(overrides, path, value)
    return overrides


def _pin_notes(pinned: Mapping[str, Any]) -> list[str]:
    return [f"{path} is held at {value} by the command line and is not searched" for path, value in pinned.items()]
