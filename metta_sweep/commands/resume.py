"""The resume command: a paused sweep goes on."""

from __future__ import annotations

import click

from metta_sweep.commands.sweeps import of_a_sweep
from metta_sweep.store.instructions import tell_controller
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.ports import Instruction


@click.command()
@of_a_sweep
def command(paths: SweepPaths) -> int:
    """Go on with a sweep that was paused.

    A sweep that was stopped or interrupted goes on with the command that started it.
    """
    click.echo(f"{tell_controller(paths, Instruction.WORK)}: resumed")
    return 0
