"""The watch command: a sweep from another terminal."""

from __future__ import annotations

import click
from rich.console import Console

from metta_sweep.commands.sweeps import of_a_sweep
from metta_sweep.report.watch import watch
from metta_sweep.store.paths import SweepPaths


@click.command()
@of_a_sweep
@click.option("--once", is_flag=True, help="Print the view once, for scripts.")
def command(paths: SweepPaths, *, once: bool) -> int:
    """Watch a sweep from another terminal.

    It stays until the sweep ends or you press Ctrl-C, which ends the view alone.
    """
    watch(paths, Console(), once=once)
    return 0
