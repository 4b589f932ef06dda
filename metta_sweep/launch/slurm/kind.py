"""How the launcher for SLURM is found and made."""

from __future__ import annotations

from pathlib import Path

from metta_sweep.launch.registry import LauncherKind, StartOrder
from metta_sweep.launch.slurm.launcher import SlurmLauncher
from metta_sweep.launch.slurm.settings import SlurmSettings
from metta_sweep.sweep.ports import Handle, Launcher


def _start(order: StartOrder[SlurmSettings]) -> Launcher:
    asked = order.settings
    slurm = SlurmLauncher(
        order.folder, max_parallel=asked.max_parallel, sbatch=asked.sbatch, grace_s=asked.kill_grace_s
    )
    slurm.check(order.resources)
    return slurm


def _follow(folder: Path, handle: Handle) -> Launcher:
    del handle
    return SlurmLauncher(folder)


KIND = LauncherKind(name="slurm", settings=SlurmSettings, start=_start, follow=_follow)
