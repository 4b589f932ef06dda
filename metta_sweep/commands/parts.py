"""The parts of a sweep, made from what was asked: what is recorded, the optimizer, the launcher, the mirror."""

from __future__ import annotations

import math
import os
import platform
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console

from metta_sweep.commands.reading import reader_command, reading_environment
from metta_sweep.commands.workdir import started_words, with_search_path
from metta_sweep.config.asked import Asked
from metta_sweep.config.settings import WandbSettings
from metta_sweep.errors import RequestError
from metta_sweep.goal import Goal
from metta_sweep.invocation import invoked
from metta_sweep.launch.launchers import Launchers
from metta_sweep.launch.local.gpus import visible_gpus
from metta_sweep.launch.registry import StartOrder, kinds
from metta_sweep.optimize.port import SearchTask, Source
from metta_sweep.optimize.registry import has_model, kind_of
from metta_sweep.secrecy import Redaction
from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.revision import keep_revision, trainers_folder
from metta_sweep.sweep.budget import MOST_ROOM
from metta_sweep.sweep.events import SweepAsked
from metta_sweep.sweep.loop_settings import LoopSettings
from metta_sweep.sweep.ports import LaunchError, Resources
from metta_sweep.sweep.records import SweepSpec
from metta_sweep.sweep.state import SweepState
from metta_sweep.track import Mode, resolve_mode
from metta_sweep.track.ranges import machine_of

TURNS = 2**20
"""Machines that share a sweep draw their seeds from so many."""


def search_task(asked: Asked, *, turn: int = 0, sources: tuple[Source, ...] = ()) -> SearchTask:
    """Return what an optimizer is made for; ``turn`` tells machines apart, ``sources`` is what other sweeps know.

    Raises:
        RequestError: Runs are to be stopped early by a model, or other sweeps are evidence for one, and the optimizer
            has none; or it does not take several goals, or bounds, where there are any.
    """
    if asked.sources and not has_model(asked.optimizer):
        message = (
            f"needs an optimizer with a model to learn from other sweeps, and this is optimizer: {asked.optimizer}"
        )
        raise RequestError.of(message, key="sweep.from", fix="remove from, or write optimizer: protein")
    if asked.early_stop is not None and asked.early_stop.policy == "model" and not has_model(asked.optimizer):
        message = f"policy model needs an optimizer with a model, and this is optimizer: {asked.optimizer}"
        raise RequestError.of(message, key="sweep.early_stop", fix="write early_stop: halving, or auto")
    spec = spec_of(asked)
    if spec.told_metrics and not kind_of(asked.optimizer).takes_several:
        message = f"needs an optimizer that knows what to do with {_what(spec)}, and {asked.optimizer} does not say so"
        raise RequestError.of(message, key="sweep.metric" if spec.has_front else "sweep.bounds")
    planned = {name: value for name, value in _planned(asked) if asked.protein.get(name) is None}
    return SearchTask(
        space=asked.space,
        goal=asked.goal,
        seed=asked.seed + turn,
        settings={**asked.protein, **planned},
        sources=sources,
        objectives=spec.named_goals,
        bounds=spec.bounds,
        metric=spec.metric,
    )


def _planned(asked: Asked) -> Iterator[tuple[str, float]]:
    """Yield what the search may take, as an optimizer is told: rollouts, and the cost of one run of each of them."""
    yield "planned_rollouts", asked.rollout_count
    limits, slots = asked.limits, asked.launcher.max_parallel
    most = [limits.total_cost_s, None if limits.wall_time_s is None else limits.wall_time_s * slots]
    seconds = min((each for each in most if each is not None), default=None)
    if seconds is not None:
        room = 0.0 if asked.confirm is None else MOST_ROOM
        yield "planned_cost", seconds / (1.0 + room) / asked.num_samples


def _what(spec: SweepSpec) -> str:
    return "several goals" if spec.has_front else "bounds on metrics"


def spec_of(asked: Asked) -> SweepSpec:
    """Return what was asked as the sweep keeps it."""
    return SweepSpec(
        name=asked.name,
        metric=asked.metric,
        goal=Goal(asked.goal),
        objectives=asked.objectives,
        bounds=asked.bounds,
        rollout_count=asked.rollout_count,
        num_samples=asked.num_samples,
        common_seeds=asked.common_seeds,
        parameters=asked.parameters,
        constraints=asked.constraints,
        points=asked.points,
        sources=asked.sources,
        training=asked.training,
        overrides=asked.overrides,
        command=asked.command or (),
        optimizer=asked.optimizer,
        protein=asked.protein,
        limits=asked.limits,
        confirm=asked.confirm,
        early_stop=asked.early_stop,
        confirms_only=asked.confirms_only,
        seed=asked.seed,
        sweep_file=asked.sweep_file,
        results=asked.results.as_written() if asked.results is not None else {},
        env=asked.env,
        workdir=asked.workdir,
        reruns=asked.reruns,
    )


def new_launcher(asked: Asked, paths: SweepPaths, settings: LoopSettings) -> Launchers:
    """Return what starts the sweep's runs and follows those that other launchers started before.

    Raises:
        RequestError: It cannot be had here.
    """
    order = StartOrder(
        folder=paths.launch,
        settings=asked.launcher,
        resources=settings.resources,
        is_bundled=not asked.command,
    )
    kind = asked.launcher.kind
    try:
        return Launchers(paths.launch, kind, kinds()[kind].start(order))
    except LaunchError as error:
        raise RequestError.of(f"launcher={kind} cannot start runs here: {error}", key="launcher") from error


def loop_settings(asked: Asked) -> LoopSettings:
    """Return how runs are started and ended."""
    launcher, gpus = asked.launcher, asked.launcher.gpus_per_run
    if gpus == "auto":
        gpus = _gpus_here(gpus) if launcher.RUNS_HERE else 0
    ends_s = [end_s for end_s in (asked.limits.run_end_s, launcher.run_time_limit) if end_s is not None]
    return LoopSettings(
        launcher=launcher.kind,
        resources=Resources(cpus=launcher.cpus_per_run, gpus=gpus),
        max_retries=launcher.max_retries,
        kill_grace_s=launcher.kill_grace_s,
        exit_grace_s=launcher.exit_grace,
        time_limit_s=min(ends_s, default=None),
        reader=reader_command(asked),
        env=with_search_path(reading_environment(asked), asked.command or (), asked.workdir),
        command=started_words(asked.command, asked.workdir) if asked.command else (),
    )


def shown_gpus(per_run: float | str) -> int | None:
    """Return how many GPUs a run on this machine sees for a ``launcher.gpus_per_run``; None: all there are."""
    return math.ceil(_gpus_here(per_run)) or None


def _gpus_here(per_run: float | str) -> float:
    return float(per_run) if per_run != "auto" else min(1, len(visible_gpus()))


def mirror_settings(asked: Asked, console: Console) -> tuple[WandbSettings, Mode]:
    """Return how the sweep is mirrored, and say it in one line."""
    mode, line = resolve_mode(asked.wandb, os.environ)
    said = line.replace("metta-sweep sync NAME", invoked("sync", asked.name, data_dir=asked.data_dir))
    console.print(said, highlight=False, markup=False, style="dim", soft_wrap=True)
    return asked.wandb, mode


def start_event(
    spec: SweepSpec, words: Sequence[str], *, shared: bool = False, data_dir: Path | None = None
) -> SweepAsked:
    """Return the event of this process taking up a sweep that was asked for in these words."""
    return SweepAsked(
        spec=spec,
        versions=versions(),
        words=tuple(words),
        host=socket.gethostname(),
        pid=os.getpid(),
        shared=shared,
        folder="" if data_dir is None else _folder(data_dir),
    )


def _folder(data_dir: Path) -> str:
    """Return the working directory as a sweep keeps it: a project that is moved as a whole finds itself again."""
    cwd, there = Path.cwd(), data_dir.absolute()
    return os.path.relpath(cwd, there) if there.is_relative_to(cwd) else str(cwd)


def machine_seed_offset(state: SweepState) -> int:
    """Return what a sweep's machines differ in where they share it: otherwise all of them would begin alike."""
    shared = state.created is not None and state.created.shared
    return int(machine_of(state.created), 16) % TURNS if shared and state.created is not None else 0


def check_shared(state: SweepState, asked: Asked) -> None:
    """Refuse to share a sweep that was begun alone: its runs have numbers that other machines may have given as well.

    Raises:
        RequestError: It says so.
    """
    if asked.wandb.share and state.created is not None and not state.created.shared:
        fix = "choose another run= name for the shared sweep, or leave out wandb.share"
        raise RequestError.of(f"sweep {asked.name!r} was begun without it", key="wandb.share", fix=fix)


def with_code(start: SweepAsked, paths: SweepPaths) -> SweepAsked:
    """Return the event with the git revision of the trainer's folder.

    Side effects:
        Keeps what differs from it in the sweep's folder, without secrets.
    """
    clean, here = Redaction.of_environment(os.environ).of_code, Path.cwd()
    code = keep_revision(trainers_folder(start.spec.command, here), paths, here=here, clean=clean)
    return replace(start, code=code)


def versions() -> dict[str, str]:
    """Return the versions that a result's provenance needs."""
    found = {"python": platform.python_version()}
    for package in ("metta-sweep", "torch", "gpytorch", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
