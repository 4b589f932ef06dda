"""Commands for a sweep that is there: stop, pause and resume its controller; have failed runs done again."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console

from metta_sweep.commands.process import StopSignals, SystemClock
from metta_sweep.errors import Problem, RequestError
from metta_sweep.launch.local.launcher import LocalLauncher
from metta_sweep.launch.ray.launcher import RayLauncher
from metta_sweep.launch.slurm.launcher import SlurmLauncher
from metta_sweep.store.instructions import InstructionFile
from metta_sweep.store.journal import SqliteJournal, read_events
from metta_sweep.store.lock import Holder, SweepLock, holder
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import RunRetried, from_json
from metta_sweep.sweep.ports import Handle, Instruction, Launcher
from metta_sweep.sweep.recorder import Recorder
from metta_sweep.sweep.records import RunState
from metta_sweep.sweep.state import SweepState

END_S = 20.0
"""Seconds in which a controller that was told to stop now must be gone."""

GRACE_S = 3.0
"""Seconds that runs without a controller get to end by themselves."""


def stop(paths: SweepPaths, console: Console, *, now: bool) -> int:
    """Have a sweep end: its runs go on to their end, or are ended too.

    Returns:
        0 where that is done or under way, 1 where the controller does not react.
    """
    by = holder(paths)
    if by is None:
        return _stop_orphans(paths, console) if now else _nobody(paths, console)
    InstructionFile(paths).give(Instruction.STOP_NOW if now else Instruction.STOP)
    if not now:
        _say(console, f"{by}: will let its runs end and then stop; `metta-sweep stop {paths.name} --now` ends them")
        return 0
    until_s = time.monotonic() + END_S
    while holder(paths) is not None and time.monotonic() < until_s:
        time.sleep(0.05)
    gone = holder(paths) is None
    _say(console, f"{by}: {'stopped' if gone else f'does not react; end it with kill {by.pid}'}")
    return 0 if gone else 1


def instruct(paths: SweepPaths, console: Console, instruction: Instruction) -> int:
    """Tell a sweep's controller to pause, or to work again.

    Raises:
        RequestError: Nobody controls the sweep.
    """
    by = _holder(paths)
    InstructionFile(paths).give(instruction)
    _say(console, f"{by}: told to {instruction}")
    return 0


def retry(paths: SweepPaths, console: Console, run_ids: Sequence[str]) -> int:
    """Have failed runs done again by the next start; retries that were used up are forgiven.

    Raises:
        RequestError: A run is unknown or did not fail, or a controller is at work.
    """
    with SweepLock.acquire(paths), StopSignals() as signals:
        journal = SqliteJournal.open(paths, create=False)
        try:
            recorder = Recorder(journal, SystemClock(signals))
            _check_failed(recorder, run_ids)
            for run_id in run_ids:
                recorder.record(RunRetried(run_id=run_id))
        finally:
            journal.close()
    _say(console, f"{', '.join(run_ids)}: will be done again by the next start of the sweep")
    return 0


def _check_failed(recorder: Recorder, run_ids: Sequence[str]) -> None:
    runs = recorder.state.runs
    failed = ", ".join(run.run_id for run in runs.values() if run.state is RunState.FAILED) or "none"
    problems = [
        Problem(
            key=run_id,
            message=f"it is {runs[run_id].state}, only a failed run is retried"
            if run_id in runs
            else "there is no such run",
            fix=f"failed runs: {failed}",
        )
        for run_id in run_ids
        if run_id not in runs or runs[run_id].state is not RunState.FAILED
    ]
    if problems:
        raise RequestError(*problems)


def _stop_orphans(paths: SweepPaths, console: Console) -> int:
    """End what a dead controller left running; the next start does it again."""
    with SweepLock.acquire(paths):
        state = SweepState.fold(map(from_json, read_events(paths)))
        handles = [handle for run in state.live_runs if (handle := run.attempts[-1].handle) is not None]
        launcher = launcher_of(handles, paths)
        try:
            handles = [h for h, status in zip(handles, launcher.poll(handles), strict=True) if not status.is_over]
            for handle in handles:
                launcher.cancel(handle, GRACE_S)
            until_s = time.monotonic() + END_S
            while not all(status.is_over for status in launcher.poll(handles)) and time.monotonic() < until_s:
                time.sleep(0.05)
        finally:
            launcher.close()
    _say(console, f"nobody controls {paths.name}; runs that were left running and have been ended: {len(handles)}")
    return 0


def launcher_of(handles: Sequence[Handle], paths: SweepPaths) -> Launcher:
    """Return a launcher that knows these handles; it is not asked to start anything."""
    if any(handle.get("launcher") == "slurm" for handle in handles):
        return SlurmLauncher(paths.launch)
    if any(handle.get("launcher") == "ray" for handle in handles):
        return RayLauncher()
    return LocalLauncher(paths.launch)


def _nobody(paths: SweepPaths, console: Console) -> int:
    _say(console, f"nobody controls {paths.name}; `metta-sweep stop {paths.name} --now` ends runs that were left")
    return 0


def _holder(paths: SweepPaths) -> Holder:
    by = holder(paths)
    if by is None:
        raise RequestError.of(f"nobody controls sweep {paths.name!r} at this moment", key="run", fix="start it")
    return by


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
