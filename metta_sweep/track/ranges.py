"""The search space in W&B's words: real ranges, so that its own panels (parallel coordinates, importance) work."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from metta_sweep.space.scales import SCALES
from metta_sweep.sweep.events import SweepAsked
from metta_sweep.sweep.identity import search_of
from metta_sweep.sweep.records import SweepSpec

IDENTITY_MARK = "metta_sweep identity: "
"""Stands in a registered sweep's description: finds it again, whatever became of the reply."""

NO_AGENTS = (
    "metta_sweep runs it: `wandb agent` would find nothing to do here. Pause, resume, stop and cancel it as any sweep; "
    "to add a machine give the sweep's own command there (wandb.share=true)."
)
"""Answers those who start an agent on the sweep."""

OVERVIEW = "overview"
"""Name of the run that shows the whole sweep."""

JOURNAL_FILE = "sweep/journal.jsonl"
"""The events as the overview run keeps them: another machine can go on with the sweep from there."""


def identity_of(created: SweepAsked) -> str:
    """Return what tells this sweep from others of its name: 8 hex digits, the same at every start.

    A shared sweep is the same one on every machine that does the same search.
    """
    if created.shared:
        return _digest(json.dumps([created.spec.name, search_of(created.spec)], sort_keys=True, default=str))
    return machine_of(created)


def machine_of(created: SweepAsked) -> str:
    """Return what tells this journal from those of other machines: 8 hex digits, the same at every start."""
    return _digest(f"{created.spec.name}\n{created.at!r}\n{created.host}\n{created.pid}")


def _digest(said: str) -> str:
    return hashlib.sha256(said.encode()).hexdigest()[:8]


def overview_id(name: str, identity: str, machine: str = "") -> str:
    """Return the id of a sweep's overview run; each machine of a shared sweep has its own."""
    return f"{name}.{OVERVIEW}{f'.{machine}' if machine else ''}-{identity}"


def registration(spec: SweepSpec, identity: str, description: str = "") -> dict[str, Any]:
    """Return the sweep's config as W&B takes it.

    Args:
        spec: What was asked.
        identity: See :func:`identity_of`.
        description: What the sweep is about, in the user's words.
    """
    asked = f"{spec.name}: {spec.rollout_count} rollouts of {spec.num_samples} runs"
    lines = [description, asked, spec.aim if spec.objectives or spec.bounds else "", _source(spec)]
    return {
        "name": spec.name,
        "description": "\n".join([*filter(None, lines), NO_AGENTS, IDENTITY_MARK + identity]),
        "method": "custom",
        "metric": {"name": spec.metric, "goal": str(spec.goal)},
        "parameters": wandb_parameters(spec.parameters),
    }


def _source(spec: SweepSpec) -> str:
    return f"asked for by {spec.sweep_file}" if spec.sweep_file else ""


def wandb_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters nested as the runs' configs are, each with its range; tied ones have none of their own."""
    nested: dict[str, Any] = {}
    for name, leaf in _leaves(parameters):
        described = _range(leaf)
        if described is None:
            continue
        *groups, last = name.split(".")
        level = nested
        for group in groups:
            level = level.setdefault(group, {}).setdefault("parameters", {})
        level[last] = described
    return nested


def _leaves(parameters: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Mapping[str, Any]]]:
    found: list[tuple[str, Mapping[str, Any]]] = []
    for name, below in parameters.items():
        if not isinstance(below, Mapping):
            continue
        path = f"{prefix}{name}"
        is_leaf = any(not isinstance(value, Mapping) for key, value in below.items() if key != "when")
        found.extend([(path, below)] if is_leaf else _leaves(below, f"{path}."))
    return found


def _range(leaf: Mapping[str, Any]) -> dict[str, Any] | None:
    if "values" in leaf:
        return {"values": list(leaf["values"])}
    if "min" not in leaf or "max" not in leaf:
        return None
    low, high, scale = leaf["min"], leaf["max"], SCALES[leaf.get("distribution", "uniform")]
    if scale.power_of_two:
        return {"values": _powers_of_two(low, high)}
    if scale.integer or (leaf.get("integer") and scale.axis == "linear"):
        return {"distribution": "int_uniform", "min": int(low), "max": int(high)}
    return {"distribution": scale.wandb, "min": float(low), "max": float(high)}


def _powers_of_two(low: float, high: float) -> list[int | float]:
    first, last = math.ceil(math.log2(low) - 1e-9), math.floor(math.log2(high) + 1e-9)
    return [2**k if k >= 0 else 2.0**k for k in range(first, last + 1)]
