"""The import command: a sweep here from one at W&B."""

from __future__ import annotations

from pathlib import Path

import click

from metta_sweep.commands.sweeps import SweepName, data_dir
from metta_sweep.store.paths import SweepPaths
from metta_sweep.track.importing import import_sweep


@click.command()
@click.argument("path", metavar="ENTITY/PROJECT/SWEEP")
@click.argument("name", type=SweepName())
@data_dir
def command(path: str, name: str, *, data_dir: Path) -> int:
    """Build a sweep here from one at W&B.

    NAME is what it is called here; there must be no sweep of that name yet. Of a sweep that `wandb sweep` started, its
    file is written as well, in the form of this project: with it the same search goes on here.
    """
    for line in import_sweep(path, SweepPaths(data_dir, name)).lines:
        click.echo(line)
    return 0
