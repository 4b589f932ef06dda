"""The pause command: a sweep's controller starts nothing new."""

from __future__ import annotations

import click

from metta_sweep.commands.sweeps import of_a_sweep
from metta_sweep.store.instructions import tell_controller
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.ports import Instruction


@click.command()
@of_a_sweep
def command(paths: SweepPaths) -> int:
    """Let a sweep's runs end and start nothing new.

    Its controller stays; `metta-sweep resume NAME` goes on.
    """
    click.echo(f"{tell_controller(paths, Instruction.PAUSE)}: pausing: running runs finish, nothing new starts")
    return 0
