"""What a job asks of SLURM: the user's options of ``sbatch``, a run's resources, and whether SLURM would take them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence

from metta_sweep.errors import Problem, RequestError
from metta_sweep.launch.slurm.settings import Option
from metta_sweep.sweep.ports import Resources

OURS = frozenset(
    {"job-name", "comment", "output", "error", "chdir", "parsable", "requeue", "no-requeue", "export", "array"}
)
"""Options of ``sbatch`` that this launcher needs for itself; every attempt is a job of its own."""


_NEVER = re.compile(r"\binvalid\b|unrecognized|unknown|configuration is not available|not permitted", re.IGNORECASE)
"""What SLURM says of a job that it will not take another time either; an unreachable controller says none of it."""

_PATIENCE_S = 20.0


def options_of(asked: Mapping[str, Option]) -> list[str]:
    """Return the user's ``sbatch`` options as arguments."""
    given = {name.lstrip("-").replace("_", "-"): value for name, value in asked.items()}
    taken = sorted(OURS & given.keys())
    if taken:
        raise RequestError(
            Problem(
                key=f"launcher.sbatch.{taken[0]}",
                message="the launcher sets this option of sbatch itself",
                fix=f"leave launcher.sbatch.{taken[0]} out",
            )
        )
    arguments = (
        f"--{name}" if value is True else f"--{name}={value}" for name, value in given.items() if _is_set(value)
    )
    return list(arguments)


def _is_set(value: Option) -> bool:
    return value is not None and value is not False


def wanted(resources: Resources) -> list[str]:
    """Return what a run needs as options of ``sbatch``.

    Raises:
        RequestError: It needs a part of a GPU.
    """
    gpus = resources.gpus
    if gpus != int(gpus):
        fix = "launcher.gpus_per_run=0, and a gres of your own: +launcher.sbatch.gres=shard:1"
        raise RequestError.of(f"SLURM gives whole GPUs, got {gpus:g}", key="launcher.gpus_per_run", fix=fix)
    return [f"--cpus-per-task={resources.cpus}", *([f"--gres=gpu:{int(gpus)}"] if gpus else [])]


def check_taken(options: Sequence[str]) -> None:
    """Have SLURM look at a job without taking it.

    Raises:
        RequestError: SLURM says that it never would; where it does not answer, or may later, nothing is raised.
    """
    line = ["sbatch", "--test-only", *options]
    try:
        said = subprocess.run(
            line, input="#!/bin/sh\n", capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return
    if said.returncode and _NEVER.search(said.stderr):
        message = f"SLURM would not take a job with {' '.join(options)}: {_plain(said.stderr)}"
        fix = "change launcher.sbatch, launcher.cpus_per_run or launcher.gpus_per_run; `sinfo` shows the partitions"
        raise RequestError(Problem(key="launcher.sbatch", message=message, fix=fix))


def words_of(error: Exception) -> str:
    """Return what a failed command said."""
    said = getattr(error, "stderr", None)
    return _plain(str(said)) if said else str(error)


def _plain(said: str) -> str:
    """Return the lines of a command in one, without its own name before each."""
    lines = (re.sub(r"^(sbatch: )?(error: )?", "", line).strip() for line in said.splitlines())
    return "; ".join(line for line in lines if line and not line.startswith("Try "))
