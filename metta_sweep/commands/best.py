"""The best command: the winner, and how it differs from the base config."""

from __future__ import annotations

import click

from metta_sweep.commands.sweeps import here, of_a_sweep
from metta_sweep.report.best import best
from metta_sweep.report.chosen import chosen_by
from metta_sweep.report.reading import state_of
from metta_sweep.store.paths import SweepPaths


@click.command()
@of_a_sweep
@click.option("--metric", help="Of several goals: the best by this one.")
@click.option("--weights", help="Of several goals: the best by these weights, such as reward=1,latency=0.01.")
@click.option("--recommended", is_flag=True, help="What to train again, where the best score is more luck than merit.")
@click.option("--as", "form", type=click.Choice(["text", "json", "hydra", "args"]), default="text", help="For whom.")
def command(paths: SweepPaths, *, form: str, metric: str | None, weights: str | None, recommended: bool) -> int:
    """Show the winner and how it differs from the base config.

    A sweep with several goals has no one winner but a Pareto front: `--metric` and `--weights` choose one of it.

    `--as hydra` writes YAML that the next sweep composes and `python -m metta_sweep.train config=FILE` trains;
    `--as args` writes the parameters as the arguments of a training script.
    """
    state = chosen_by(state_of(paths), metric=metric, weights=weights)
    click.echo(best(state, paths=paths, form=form, place=here(paths), recommended=recommended), nl=False)
    return 0
