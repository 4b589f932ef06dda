"""The sweep command on one screen: compose what was asked, open the journal, take it up, loop."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console

from metta_sweep.config import Asked, ask
from metta_sweep.goal import Goal
from metta_sweep.launch.gpus import visible_gpus
from metta_sweep.launch.local import LocalLauncher
from metta_sweep.launch.ray import RayLauncher
from metta_sweep.launch.server_process import BUNDLED
from metta_sweep.launch.slurm import SlurmLauncher
from metta_sweep.process import StopSignals, SystemClock
from metta_sweep.protein import Protein, ProteinSettings
from metta_sweep.report import Progress
from metta_sweep.store.files import write_json
from metta_sweep.store.instructions import InstructionFile
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.lock import SweepLock
from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.runs import RunDirectories
from metta_sweep.sweep.budget import Limits
from metta_sweep.sweep.commands import check_command
from metta_sweep.sweep.events import SweepAsked, to_json
from metta_sweep.sweep.identity import check_continues
from metta_sweep.sweep.loop import InterruptedSweepError, LoopSettings, SweepLoop
from metta_sweep.sweep.next_actions import Stop, next_actions
from metta_sweep.sweep.ports import Launcher, Resources
from metta_sweep.sweep.recorder import Recorder
from metta_sweep.sweep.records import SweepSpec
from metta_sweep.sweep.thinking import Thinker
from metta_sweep.track import Mode, WandbSettings, resolve_mode
from metta_sweep.track.companion import MirrorCompanion
from metta_sweep.trainer.config import schema


def compose(overrides: Sequence[str]) -> Asked:
    """Return what the words of a sweep command ask for.

    Raises:
        RequestError: Something in it is wrong; it lists all problems.
    """
    asked = ask(overrides, training=schema, cwd=Path.cwd(), protein=ProteinSettings.parse)
    check_command(asked.command or ())
    return asked


def run_sweep(asked: Asked, console: Console) -> int:
    """Run, resume or extend a sweep, and return the exit code.

    Raises:
        RequestError: What was asked does not fit what is there; nothing was started.
        InterruptedSweepError: A signal stopped it; its runs wait for the next start.
    """
    spec = spec_of(asked)
    for note in asked.notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    paths = SweepPaths(asked.data_dir, asked.name)
    with SweepLock.acquire(paths), StopSignals() as signals:
        stop = control(asked, spec, paths, signals, console)
    return 1 if stop.failed else 0


def control(asked: Asked, spec: SweepSpec, paths: SweepPaths, signals: StopSignals, console: Console) -> Stop:
    """Be the sweep's one controller until a stop rule ends it."""
    clock, progress = SystemClock(signals), Progress(console, paths=paths)
    journal = SqliteJournal.open(paths, create=True)
    recorder = Recorder(journal, clock, [progress])
    if not recorder.state.is_empty:
        check_continues(recorder.state.spec, spec)
    progress.begin(recorder.state)
    done = nothing_left(recorder, spec)
    if done is not None:
        console.print(f"complete: {done.reason.message}; a larger rollout_count goes on", highlight=False, markup=False)
        return done
    taken_up = SweepAsked(spec=spec, versions=versions(), host=socket.gethostname(), pid=os.getpid())
    recorder.record(taken_up)
    write_json(paths.asked, to_json(taken_up))
    settings, mirror = loop_settings(asked), mirror_settings(asked, console)
    launcher = new_launcher(asked, paths, settings)
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="protein")
    instructions = InstructionFile(paths)
    instructions.clear()
    companion = MirrorCompanion(paths, *mirror, recorder)
    try:
        stop = SweepLoop(
            recorder=recorder,
            launcher=launcher,
            runs=RunDirectories(paths),
            thinker=Thinker(new_protein(asked), clock, thread.submit),
            clock=clock,
            settings=settings,
            interrupted=lambda: signals.received,
            instructed=instructions.read,
            between=companion.tick,
        ).run()
        companion.end(hurry=False)
        return stop
    except InterruptedSweepError:
        companion.end(hurry=True)
        raise
    finally:
        progress.close()
        thread.shutdown(wait=False, cancel_futures=True)
        launcher.close()
        journal.close()


_GO_ON = frozenset({"failed", "interrupted", "stopped"})
"""Ways to stop after which the same command tries again."""


def nothing_left(recorder: Recorder, spec: SweepSpec) -> Stop | None:
    """Return the stop rule that has ended this very request, or None where there is work; starts no process."""
    state = recorder.state
    if state.is_empty or state.spec != spec or state.stopped is None or state.stopped.rule in _GO_ON:
        return None
    actions = next_actions(
        recorder.state, Limits.parse(spec.limits), slots=1, now_s=time.time(), elapsed_s=recorder.elapsed_s
    )
    return next((action for action in actions if isinstance(action, Stop)), None)


def new_protein(asked: Asked) -> Protein:
    """Return a Protein for what was asked that has observed nothing yet."""
    settings = ProteinSettings.parse(asked.protein)
    if settings.planned_rollouts is None:
        settings = replace(settings, planned_rollouts=asked.rollout_count)
    return Protein(asked.space, goal=asked.goal, seed=asked.seed, settings=settings)


def spec_of(asked: Asked) -> SweepSpec:
    """Return what was asked as the sweep keeps it."""
    return SweepSpec(
        name=asked.name,
        metric=asked.metric,
        goal=Goal(asked.goal),
        rollout_count=asked.rollout_count,
        num_samples=asked.num_samples,
        parameters=asked.parameters,
        constraints=asked.constraints,
        training=asked.training,
        overrides=asked.overrides,
        command=asked.command or (),
        protein=asked.protein,
        limits=asked.limits,
        seed=asked.seed,
        sweep_file=asked.sweep_file,
    )


def new_launcher(asked: Asked, paths: SweepPaths, settings: LoopSettings) -> Launcher:
    """Return what starts the sweep's runs.

    Raises:
        RequestError: It cannot be had here.
    """
    slots, grace_s = asked.launcher["max_parallel"], settings.kill_grace_s
    if asked.launcher["kind"] == "slurm":
        return SlurmLauncher(paths.launch, max_parallel=slots, sbatch=asked.launcher["sbatch"], grace_s=grace_s)
    if asked.launcher["kind"] == "ray":
        address, resources = asked.launcher["address"], asked.launcher["resources"]
        return RayLauncher(max_parallel=slots, address=address, resources=resources, grace_s=grace_s)
    warm = None if asked.command else BUNDLED
    return LocalLauncher(
        paths.launch, max_parallel=slots, gpus_per_run=settings.resources.gpus, warm=warm, grace_s=grace_s
    )


def loop_settings(asked: Asked) -> LoopSettings:
    """Return how runs are started and ended."""
    launcher, gpus = asked.launcher, asked.launcher["gpus_per_run"]
    if gpus == "auto":
        gpus = min(1, len(visible_gpus())) if launcher["kind"] == "local" else 0
    return LoopSettings(
        resources=Resources(cpus=launcher["cpus_per_run"], gpus=gpus),
        max_retries=launcher["max_retries"],
        kill_grace_s=launcher["kill_grace_s"],
    )


def mirror_settings(asked: Asked, console: Console) -> tuple[WandbSettings, Mode]:
    """Return how the sweep is mirrored, and say it in one line."""
    settings = WandbSettings.parse(asked.wandb)
    mode, line = resolve_mode(settings, os.environ)
    console.print(line.replace("NAME", asked.name), highlight=False, markup=False, style="dim", soft_wrap=True)
    return settings, mode


def versions() -> dict[str, str]:
    """Return what a result's provenance needs: versions, and the git revision of the working directory."""
    found = {"python": platform.python_version()}
    for package in ("metta-sweep", "torch", "gpytorch", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return {**found, **_git_revision()}


def _git_revision() -> dict[str, str]:
    """Return the revision and whether the tree was dirty; nothing where there is no git or no repository."""
    try:
        revision = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
        status = subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"git": revision.stdout.strip(), "git_dirty": "yes" if status.stdout.strip() else "no"}
