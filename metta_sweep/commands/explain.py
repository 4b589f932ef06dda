"""The explain command: why each point was suggested, and what came of it."""

from __future__ import annotations

import click

from metta_sweep.commands.sweeps import of_a_sweep
from metta_sweep.report.explain import explain
from metta_sweep.report.reading import state_of
from metta_sweep.store.paths import SweepPaths


@click.command()
@of_a_sweep
@click.argument("number", metavar="[ROLLOUT]", type=int, required=False)
@click.option("--rollout", type=int, help="The same as the argument.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def command(paths: SweepPaths, *, number: int | None, rollout: int | None, form: str) -> int:
    """Say why each point was suggested and what came of it.

    With the number of a ROLLOUT only that one, with its evidence where it failed.
    """
    only = rollout if number is None else number
    click.echo(explain(state_of(paths), rollout=only, fmt=form), nl=False)
    return 0
