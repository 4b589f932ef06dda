"""The stop command: a sweep ends with its runs, or ends them too."""

from __future__ import annotations

import time

import click

from metta_sweep.commands.sweeps import of_a_sweep
from metta_sweep.invocation import invoked
from metta_sweep.launch.launchers import Launchers
from metta_sweep.report.reading import state_of
from metta_sweep.store.instructions import tell_controller
from metta_sweep.store.lock import SweepLock, holder
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.ports import Instruction

END_S = 20.0
"""Seconds in which a controller that was told to stop now must be gone."""

GRACE_S = 3.0
"""Seconds that runs without a controller get to end by themselves."""


@click.command()
@of_a_sweep
@click.option("--now", is_flag=True, help="End its runs too; the next start resumes them.")
def command(paths: SweepPaths, *, now: bool) -> int:
    """Let a sweep's runs end and stop it.

    The command that started the sweep goes on with it. It exits with 1 where the controller does not react.
    """
    if holder(paths) is None:
        return _stop_orphans(paths) if now else _nobody(paths)
    by = tell_controller(paths, Instruction.STOP_NOW if now else Instruction.STOP)
    if not now:
        click.echo(f"{by}: will let its runs end and then stop; `{_ending(paths)}` ends them")
        return 0
    until_s = time.monotonic() + END_S
    while holder(paths) is not None and time.monotonic() < until_s:
        time.sleep(0.05)
    gone = holder(paths) is None
    click.echo(f"{by}: {'stopped' if gone else f'does not react; end it with kill {by.pid}'}")
    return 0 if gone else 1


def _stop_orphans(paths: SweepPaths) -> int:
    """End what a dead controller left running; the next start does it again."""
    with SweepLock.acquire(paths):
        handles = [handle for run in state_of(paths).live_runs if (handle := run.attempts[-1].handle) is not None]
        launcher = Launchers(paths.launch)
        try:
            handles = [h for h, status in zip(handles, launcher.poll(handles), strict=True) if not status.is_over]
            for handle in handles:
                launcher.cancel(handle, GRACE_S)
            until_s = time.monotonic() + END_S
            while not all(status.is_over for status in launcher.poll(handles)) and time.monotonic() < until_s:
                time.sleep(0.05)
        finally:
            launcher.close()
    click.echo(
        f"no controller is running {paths.name}; runs that were left running and have been ended: {len(handles)}"
    )
    return 0


def _ending(paths: SweepPaths) -> str:
    return invoked("stop", paths.name, "--now", data_dir=paths.data_dir)


def _nobody(paths: SweepPaths) -> int:
    click.echo(f"no controller is running {paths.name}; `{_ending(paths)}` ends runs that were left")
    return 0
