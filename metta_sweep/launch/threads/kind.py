"""How runs that were threads of another process are followed: they ended with it."""

from __future__ import annotations

from pathlib import Path

from metta_sweep.config.settings import LauncherSettings
from metta_sweep.errors import RequestError
from metta_sweep.launch.registry import LauncherKind, StartOrder
from metta_sweep.launch.threads.launcher import KIND as NAME
from metta_sweep.launch.threads.launcher import ThreadLauncher
from metta_sweep.sweep.ports import Handle, Launcher


def _start(order: StartOrder[LauncherSettings]) -> Launcher:
    del order
    raise RequestError.of("its runs are calls of a Python function: metta_sweep.run starts them", key="launcher.kind")


def _follow(folder: Path, handle: Handle) -> Launcher:
    del folder, handle
    return ThreadLauncher(lambda _: 0, max_parallel=1, wake=lambda: None)


KIND = LauncherKind(name=NAME, settings=LauncherSettings, start=_start, follow=_follow)
