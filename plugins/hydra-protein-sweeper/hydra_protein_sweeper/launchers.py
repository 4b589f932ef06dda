"""``hydra/launcher`` as a launcher of metta_sweep: where runs are started, how many at once, and what each gets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, kw_only=True)
class Launching:
    """What is asked of the controller's launcher."""

    kind: str = "local"
    """``local``, ``slurm`` or ``ray``."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Its settings by dotted name."""
    note: str = ""
    """What of the Hydra launcher is done in another way, where anything is."""


def launching(launcher: str, block: Mapping[str, Any], own: Mapping[str, Any]) -> Launching:
    """Return what a Hydra launcher means here.

    Args:
        launcher: The choice of ``hydra/launcher``.
        block: ``hydra.launcher``.
        own: ``hydra.sweeper.launcher``, which wins.
    """
    found = _READERS[launcher](block) if launcher in _READERS else _unknown(launcher)
    given = dict(_leaves(own, ""))
    kind = str(given.pop("kind", found.kind))
    if kind != found.kind:
        return Launching(kind=kind, settings=given)
    settings = {**found.settings, **given}
    known = {key: value for key, value in settings.items() if value is not None}
    return Launching(kind=kind, settings=known, note=found.note)


def _leaves(block: Mapping[str, Any], above: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in block.items():
        inside = _leaves(value, f"{above}{name}.") if isinstance(value, Mapping) else [(f"{above}{name}", value)]
        found += inside
    return found


def _basic(block: Mapping[str, Any]) -> Launching:
    del block
    return Launching()


def _joblib(block: Mapping[str, Any]) -> Launching:
    return Launching(settings={"max_parallel": _jobs(block.get("n_jobs"))})


def _jobs(number: Any) -> int:
    """Return how many jobs joblib means: -1 is one a core, -2 one less."""
    if isinstance(number, int) and number > 0:
        return number
    return max(1, (os.cpu_count() or 1) + 1 + (number if isinstance(number, int) else -1))


def _submitit_slurm(block: Mapping[str, Any]) -> Launching:
    """Return what submitit asks ``sbatch`` for; the names are those of ``sbatch`` itself."""
    minutes, gigabytes, together = (block.get(name) for name in ("timeout_min", "mem_gb", "array_parallelism"))
    sbatch = {
        "time": minutes,
        "mem": None if gigabytes is None else f"{gigabytes}G",
        **{name.replace("_", "-"): block.get(name) for name in _SBATCH},
        **{str(name).replace("_", "-"): value for name, value in (block.get("additional_parameters") or {}).items()},
    }
    settings = {
        "max_parallel": None if together == _UNASKED else together,
        "cpus_per_run": block.get("cpus_per_task"),
        "gpus_per_run": block.get("gpus_per_node") or block.get("gpus_per_task"),
        **{f"sbatch.{name}": value for name, value in sbatch.items() if value is not None},
    }
    left = [name for name in ("setup", "srun_args", "tasks_per_node") if block.get(name) not in (None, 1, [])]
    note = f"hydra.launcher: {', '.join(left)} is not used: each run is one task of its own job" if left else ""
    return Launching(kind="slurm", settings=settings, note=note)


_UNASKED = 256
"""What submitit has for ``array_parallelism`` where nobody asks: more than a search learns from."""

_SBATCH = ("partition", "qos", "account", "constraint", "exclude", "nodelist", "comment", "gres", "mem_per_cpu")


def _ray(block: Mapping[str, Any]) -> Launching:
    ray = block.get("ray") or {}
    remote, start = ray.get("remote") or {}, ray.get("init") or {}
    settings = {
        "address": start.get("address"),
        "cpus_per_run": remote.get("num_cpus"),
        "gpus_per_run": remote.get("num_gpus"),
        **{f"resources.{name}": value for name, value in (remote.get("resources") or {}).items()},
    }
    return Launching(kind="ray", settings=settings)


def _submitit_local(block: Mapping[str, Any]) -> Launching:
    return Launching(settings={"cpus_per_run": block.get("cpus_per_task")})


def _unknown(launcher: str) -> Launching:
    note = (
        f"hydra/launcher={launcher} has no counterpart here: runs start on this machine; "
        "hydra.sweeper.launcher.kind=slurm or ray chooses another"
    )
    return Launching(note=note)


_READERS = {
    "basic": _basic,
    "joblib": _joblib,
    "submitit_slurm": _submitit_slurm,
    "submitit_local": _submitit_local,
    "ray": _ray,
}
