from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from metta_sweep.sweep.ports import Handle, JobSpec, JobState, JobStatus, Launcher
from tests.contract.launchers import FACTORIES, WARM_MODULE
from tests.launch import ray_cluster
from tests.launch.ray_cluster import RayCluster
from tests.launch.slurm_cluster import SlurmCluster, missing

PATIENCE_S = 30.0
PROGRAM = {"local-warm": WARM_MODULE}


class Site:
    """One launcher in a folder, with what a test does to it."""

    def __init__(self, factory: str, folder: Path) -> None:
        self.factory = factory
        self.folder = folder
        self.launchers: list[Launcher] = []
        self.specs: list[JobSpec] = []
        self.controllers: list[subprocess.Popen[str]] = []

    def launcher(self) -> Launcher:
        """Make another controller's launcher on the same folder."""
        launcher = FACTORIES[self.factory](self.folder)
        self.launchers.append(launcher)
        return launcher

    def command(self, *actions: str) -> tuple[str, ...]:
        return (sys.executable, "-m", PROGRAM.get(self.factory, "tests.contract.program"), *actions)

    def spec(self, *actions: str, run: int = 0, attempt: int = 1, **changes: object) -> JobSpec:
        run_dir = self.folder / "runs" / f"my.r.{run}"
        run_dir.mkdir(parents=True, exist_ok=True)
        given = {"command": self.command(*actions), "run_dir": run_dir, "attempt_id": f"my.r.{run}.a{attempt}"}
        spec = JobSpec(**{**given, **changes})
        self.specs.append(spec)
        return spec

    def controller(self, *specs: JobSpec, wait: bool = True) -> tuple[subprocess.Popen[str], list[Handle]]:
        """Start a controller process that submits the attempts, and return it with the handles if awaited."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.contract.controller", self.factory, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.controllers.append(process)
        handles = []
        for spec in specs:
            job = {"id": spec.attempt_id, "command": spec.command, "run_dir": str(spec.run_dir)}
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            if wait:
                handles.append(json.loads(process.stdout.readline()))
        return process, handles

    def close(self) -> None:
        for spec in self.specs:
            for pid in pids_of(spec):
                end(pid)
        for process in self.controllers:
            process.kill()
            process.communicate()
        for launcher in self.launchers:
            launcher.close()


one_slurm = functools.cache(SlurmCluster)
one_ray = functools.cache(RayCluster)
"""One for all folders of tests: a process can be connected to one cluster only."""


@pytest.fixture(scope="session")
def slurm() -> Iterator[SlurmCluster]:
    """A real SLURM, for the whole session; its commands are in PATH and know it."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    cluster = one_slurm()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def ray() -> Iterator[RayCluster]:
    """A real Ray cluster, for the whole session; this process and its children know it."""
    reason = ray_cluster.missing()
    if reason:
        pytest.skip(reason)
    cluster = one_ray()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        yield cluster
    cluster.close()


OF_CLUSTERS = ("slurm", "ray")
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("local", *OF_CLUSTERS)]


@pytest.fixture(params=["local-warm", *SLOW])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    if request.param in OF_CLUSTERS:
        request.getfixturevalue(request.param)
    site = Site(request.param, tmp_path)
    yield site
    site.close()


def kill_controller(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def wait_until(condition, what: str = "", patience_s: float = PATIENCE_S):
    until_s = time.monotonic() + patience_s
    while time.monotonic() < until_s:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise TimeoutError(what or str(condition))


def wait_over(launcher: Launcher, handle: Handle, patience_s: float = PATIENCE_S) -> JobStatus:
    def look() -> JobStatus | None:
        status = launcher.poll([handle])[0]
        return status if status.is_over else None

    return wait_until(look, f"the end of {handle}", patience_s)


def wait_running(launcher: Launcher, handle: Handle, spec: JobSpec) -> None:
    wait_until(lambda: launcher.poll([handle])[0].state is JobState.RUNNING and ledger(spec), f"the start of {handle}")


def ledger(spec: JobSpec) -> list[str]:
    """Return what the program itself says it did."""
    path = spec.run_dir / "ledger"
    return [line.rpartition(" ")[0] for line in path.read_text().splitlines()] if path.exists() else []


def pids_of(spec: JobSpec) -> list[int]:
    """Return every process id that the program wrote down: its own and those of its children."""
    path = spec.run_dir / "ledger"
    words = path.read_text().split() if path.exists() else []
    return [int(word) for word in words if word.isdecimal()]


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(pid: int) -> None:
    if pid > 1 and is_alive(pid) and "tests.contract" in " ".join(psutil.Process(pid).cmdline()):
        os.kill(pid, signal.SIGKILL)
