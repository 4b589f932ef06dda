"""The sync command: W&B is brought up to what a sweep knows."""

from __future__ import annotations

import click

from metta_sweep.commands.sweeps import of_a_sweep
from metta_sweep.store.paths import SweepPaths
from metta_sweep.track import sync


@click.command()
@of_a_sweep
def command(paths: SweepPaths) -> int:
    """Bring W&B up to what a sweep knows.

    For sweeps that ran offline, or whose controller was killed. It exits with 1 where something could not be sent.
    """
    done = sync(paths)
    click.echo(done.line)
    return 0 if done.complete else 1
