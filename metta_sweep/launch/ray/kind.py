"""How the launcher for Ray is found and made."""

from __future__ import annotations

from pathlib import Path

from metta_sweep.launch.ray.launcher import RayLauncher
from metta_sweep.launch.ray.settings import RaySettings
from metta_sweep.launch.registry import LauncherKind, StartOrder
from metta_sweep.sweep.ports import Handle, Launcher


def _start(order: StartOrder[RaySettings]) -> Launcher:
    asked = order.settings
    return RayLauncher(
        max_parallel=asked.max_parallel,
        address=asked.address,
        start=True,
        resources=asked.resources,
        grace_s=asked.kill_grace_s,
    )


def _follow(folder: Path, handle: Handle) -> Launcher:
    del folder
    return RayLauncher(address=handle.get("address"))


KIND = LauncherKind(name="ray", settings=RaySettings, start=_start, follow=_follow)
