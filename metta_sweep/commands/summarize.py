"""The summarize command: what a sweep found."""

from __future__ import annotations

import click

from metta_sweep.commands.sweeps import here, of_a_sweep
from metta_sweep.report.reading import state_of
from metta_sweep.report.summary import Format, summary
from metta_sweep.store.paths import SweepPaths


@click.command()
@of_a_sweep
@click.option("--format", "form", type=click.Choice([form.value for form in Format]), default="text")
def command(paths: SweepPaths, *, form: str) -> int:
    """Say what a sweep found.

    Its best run, every rollout with its score and cost, what failed, and what to do next. It works while the sweep
    is running.
    """
    click.echo(summary(state_of(paths), paths=paths, fmt=form, place=here(paths)), nl=False)
    return 0
