"""What the doctor looks at: the machine that every sweep here depends on, and one sweep's files and processes."""

from __future__ import annotations

import enum
import importlib.metadata
import os
import platform
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from metta_sweep.config.settings import WandbSettings
from metta_sweep.errors import RequestError
from metta_sweep.launch.launchers import Launchers
from metta_sweep.launch.local.gpus import visible_gpus
from metta_sweep.optimize.registry import known_kind, optimizer_names
from metta_sweep.store.files import is_locked, take_lock
from metta_sweep.store.journal import read_events
from metta_sweep.store.lock import holder
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.attempts import WrongTransitionError
from metta_sweep.sweep.events import UnknownEventError, from_json
from metta_sweep.sweep.ports import JobState
from metta_sweep.sweep.state import SweepState
from metta_sweep.track import Mode, resolve_mode
from metta_sweep.track.settings import DEFAULT_HOSTS, base_url

NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "lustre", "gpfs", "beegfs", "9p"})
"""File systems on which SQLite's locks cannot be trusted."""

LEAST_FREE_BYTES = 2 * 10**9
"""Less free disk than this is worth a warning."""

REACH_S = 3.0
"""Seconds in which W&B must take a connection."""

PACKAGES = ("metta-sweep", "torch", "gpytorch", "hydra-core", "wandb", "ray")
"""Whose versions are told."""

_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")


class CheckState(enum.StrEnum):
    """How a check came out."""

    GOOD = "ok"
    ODD = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    """What."""
    verdict: CheckState
    """How it came out."""
    detail: str
    """What was seen, and what to do about it."""


def good(name: str, detail: str) -> Check:
    """Return a check that found nothing amiss."""
    return Check(name=name, verdict=CheckState.GOOD, detail=detail)


# ---------------------------------------------------------------- the machine


def machine_checks(data_dir: Path) -> Iterator[Check]:
    """Look at what every sweep here depends on."""
    place = next(folder for folder in (data_dir.absolute(), *data_dir.absolute().parents) if folder.exists())
    versions = (f"{package} {_version(package)}" for package in PACKAGES)
    yield good("versions", ", ".join([f"python {platform.python_version()}", *versions]))
    free = shutil.disk_usage(place).free
    verdict = CheckState.GOOD if free >= LEAST_FREE_BYTES else CheckState.BAD
    yield Check(name="disk", verdict=verdict, detail=f"{free / 1e9:.1f} GB free at {place}")
    yield _file_system_check(place)
    yield _lock_check(place)
    yield _gpu_check()
    yield good("launchers", f"local; slurm: {_slurm_version()}; ray: {_version('ray')}")
    yield wandb_check(os.environ)


def optimizer_checks() -> Iterator[Check]:
    """Ask every optimizer that can tell whether it computes rightly here."""
    for kind in map(known_kind, optimizer_names()):
        if kind is not None and kind.self_check is not None:
            fine, detail = kind.self_check()
            yield Check(name=kind.name, verdict=CheckState.GOOD if fine else CheckState.BAD, detail=detail)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _file_system_check(place: Path) -> Check:
    kind = _file_system(place)
    if kind not in NETWORK_FILE_SYSTEMS:
        return good("file system", kind)
    detail = f"{place} is on {kind}: a journal there can be damaged; set data_dir to a local disk"
    return Check(name="file system", verdict=CheckState.BAD, detail=detail)


def _file_system(place: Path) -> str:
    """Return the kind of file system at a place: that of the longest mount point above it."""
    mounts = [m for m in psutil.disk_partitions(all=True) if place.is_relative_to(m.mountpoint)]
    return max(mounts, key=lambda mount: len(mount.mountpoint)).fstype if mounts else "unknown"


def _lock_check(place: Path) -> Check:
    """Take a lock and see whether it holds: adoption and one controller a sweep rest on it."""
    probe = place / f".metta_sweep-{uuid.uuid4().hex}.lock"
    try:
        held = take_lock(probe)
        works = held is not None and is_locked(probe)
        if held is not None:
            os.close(held)
    except OSError as error:
        return Check(name="file locks", verdict=CheckState.BAD, detail=f"{place}: {error.strerror}")
    finally:
        probe.unlink(missing_ok=True)
    return (
        good("file locks", "work") if works else Check(name="file locks", verdict=CheckState.BAD, detail="do not hold")
    )


def _gpu_check() -> Check:
    gpus = visible_gpus()
    if not gpus:
        return good("GPU slots", "none; runs train on the CPU")
    return good("GPU slots", f"{len(gpus)} with launcher.gpus_per_run=1 ({', '.join(gpus)})")


def _slurm_version() -> str:
    try:
        found = subprocess.run(["sbatch", "--version"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return "no sbatch in PATH"
    said = (found.stdout.strip() or found.stderr.strip()).splitlines()
    return said[0] if said else f"sbatch ends with status {found.returncode}"


def wandb_check(environ: Mapping[str, str]) -> Check:
    """Say how sweeps are mirrored, and where that is online whether the server takes a connection."""
    mode, line = resolve_mode(WandbSettings(), environ)
    said = line.removeprefix("W&B: ")
    if mode is not Mode.ONLINE:
        return good("W&B", said)
    if any(environ.get(name) for name in _PROXIES):
        return good("W&B", f"{said}; reached through a proxy, which is not tested")
    server = urlsplit(base_url(environ) or f"https://{DEFAULT_HOSTS[0]}")
    port = server.port or (443 if server.scheme == "https" else 80)
    try:
        socket.create_connection((server.hostname or "", port), timeout=REACH_S).close()
    except OSError as error:
        detail = f"{said}; {server.netloc} cannot be reached ({error}): sweeps go on and send later"
        return Check(name="W&B", verdict=CheckState.ODD, detail=detail)
    return good("W&B", f"{said}; {server.netloc} can be reached")


# ---------------------------------------------------------------- one sweep


def sweep_checks(paths: SweepPaths) -> Iterator[Check]:
    """Look at one sweep's files and processes."""
    by = holder(paths)
    yield good("controller", str(by) if by is not None else "no controller is running")
    try:
        state = SweepState.fold(map(from_json, read_events(paths)))
    except (RequestError, UnknownEventError, WrongTransitionError) as error:
        yield Check(name="journal", verdict=CheckState.BAD, detail=f"{error}")
        yield from _orphans(paths, set())
        return
    yield good("journal", f"sound: {len(state.rollouts)} rollouts, {len(state.runs)} runs")
    yield _runs_check(paths, state, controlled=by is not None)
    yield from _orphans(paths, {f"{run.run_id}.a{run.attempts[-1].number}" for run in state.live_runs})


def _runs_check(paths: SweepPaths, state: SweepState, *, controlled: bool) -> Check:
    live = [run for run in state.live_runs if run.attempts[-1].handle is not None]
    launcher = Launchers(paths.launch)
    try:
        statuses = launcher.poll([run.attempts[-1].handle or {} for run in live])
    finally:
        launcher.close()
    unknown = [
        f"{run.run_id}: {status.reason}"
        for run, status in zip(live, statuses, strict=True)
        if status.state is JobState.UNKNOWN and status.reason
    ]
    if unknown:
        return Check(name="runs", verdict=CheckState.ODD, detail="; ".join(unknown))
    alive = [run.run_id for run, status in zip(live, statuses, strict=True) if not status.is_over]
    if alive and not controlled:
        detail = f"{', '.join(alive)}: left by a dead controller; the sweep command adopts them, `stop --now` ends them"
        return Check(name="runs", verdict=CheckState.ODD, detail=detail)
    return good("runs", f"alive: {', '.join(alive) or 'none'}")


def _orphans(paths: SweepPaths, live: set[str]) -> Iterator[Check]:
    """Name attempts of which a process is alive though the journal does not count it as running."""
    locks = (lock for run_id in paths.run_ids() for lock in paths.run(run_id).attempts.glob("*.lock"))
    found = [lock.stem for lock in locks if lock.stem not in live and is_locked(lock)]
    if found:
        detail = f"alive and unknown to the journal: {', '.join(found)}; NAME.start.json beside its lock tells the pids"
        yield Check(name="orphans", verdict=CheckState.BAD, detail=detail)
    else:
        yield good("orphans", "none")
