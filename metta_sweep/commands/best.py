"""The best command: the winner, and how it differs from the base config."""

from __future__ import annotations

import click

from metta_sweep.commands.sweeps import here, of_a_sweep
from metta_sweep.report.best import best
from metta_sweep.report.reading import state_of
from metta_sweep.store.paths import SweepPaths


@click.command()
@of_a_sweep
@click.option("--as", "form", type=click.Choice(["text", "json", "hydra", "args"]), default="text", help="For whom.")
def command(paths: SweepPaths, *, form: str) -> int:
    """Show the winner and how it differs from the base config.

    `--as hydra` writes YAML that the next sweep composes and `python -m metta_sweep.train config=FILE` trains;
    `--as args` writes the parameters as the arguments of a training script.
    """
    click.echo(best(state_of(paths), paths=paths, form=form, place=here(paths)), nl=False)
    return 0
