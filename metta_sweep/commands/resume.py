"""The resume command: a paused sweep goes on."""

from __future__ import annotations

import click
from rich.console import Console

from metta_sweep.commands.by_name import words_of
from metta_sweep.commands.sweeps import of_a_sweep
from metta_sweep.store.instructions import tell_controller
from metta_sweep.store.lock import holder
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.ports import Instruction


@click.command()
@of_a_sweep
def command(paths: SweepPaths) -> int:
    """Go on with a sweep that was paused, stopped or interrupted.

    Where no controller is running, this one becomes it, with the words that the sweep was asked for in.
    """
    if holder(paths) is None:
        from metta_sweep.commands.controller import compose, run_sweep

        words = words_of(paths)
        return run_sweep(compose(words), words, Console())
    click.echo(f"{tell_controller(paths, Instruction.WORK)}: resumed")
    return 0
