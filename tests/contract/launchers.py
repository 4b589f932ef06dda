"""The launchers that the contract suite runs against, each made in a folder of the test's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from metta_sweep.launch.local.launcher import LocalLauncher
from metta_sweep.launch.local.server_process import WarmStart
from metta_sweep.launch.ray.launcher import RayLauncher
from metta_sweep.launch.slurm.launcher import SlurmLauncher
from metta_sweep.sweep.ports import Launcher

WARM_MODULE = "tests.contract.warm_program"


def local_cold(folder: Path) -> Launcher:
    return LocalLauncher(folder / "launch", max_parallel=4)


def local_warm(folder: Path) -> Launcher:
    return LocalLauncher(folder / "launch", max_parallel=4, warm=WarmStart(module=WARM_MODULE, preload=("numpy",)))


def slurm(folder: Path) -> Launcher:
    return SlurmLauncher(folder / "launch", max_parallel=4)


def ray(folder: Path) -> Launcher:
    return RayLauncher(max_parallel=4)


FACTORIES: dict[str, Callable[[Path], Launcher]] = {
    "local": local_cold,
    "local-warm": local_warm,
    "slurm": slurm,
    "ray": ray,
}
