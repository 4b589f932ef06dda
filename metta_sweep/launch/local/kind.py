"""How the launcher for this machine is found and made."""

from __future__ import annotations

from pathlib import Path

from metta_sweep.config.settings import LauncherSettings
from metta_sweep.launch.local.launcher import LocalLauncher
from metta_sweep.launch.local.server_process import BUNDLED
from metta_sweep.launch.registry import LauncherKind, StartOrder
from metta_sweep.sweep.ports import Handle, Launcher


def _start(order: StartOrder[LauncherSettings]) -> Launcher:
    asked = order.settings
    return LocalLauncher(
        order.folder,
        max_parallel=asked.max_parallel,
        gpus_per_run=order.resources.gpus,
        warm=BUNDLED if order.is_bundled else None,
        grace_s=asked.kill_grace_s,
    )


def _follow(folder: Path, handle: Handle) -> Launcher:
    del handle
    return LocalLauncher(folder, starts=False)


KIND = LauncherKind(name="local", settings=LauncherSettings, start=_start, follow=_follow)
