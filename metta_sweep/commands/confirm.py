"""The confirm command: the best of a sweep that is there are run again on fresh seeds; its search stays as it is."""

from __future__ import annotations

from dataclasses import replace

import click
from rich.console import Console

from metta_sweep.commands.by_name import words_of
from metta_sweep.commands.controller import compose, run_sweep
from metta_sweep.commands.sweeps import of_a_sweep
from metta_sweep.config.job import read_confirm
from metta_sweep.errors import RequestError
from metta_sweep.invocation import invoked
from metta_sweep.report.reading import state_of
from metta_sweep.store.paths import SweepPaths


@click.command()
@of_a_sweep
@click.option("--top-k", type=int, default=3, show_default=True, help="How many points.")
@click.option("--seeds", type=int, default=5, show_default=True, help="Runs a point on average.")
def command(paths: SweepPaths, *, top_k: int, seeds: int) -> int:
    """Run the best of a sweep again on fresh seeds, to tell luck from merit.

    The runs are started as the sweep's own command starts them.
    """
    asked_for = read_confirm({"top_k": top_k, "seeds": seeds})
    state = state_of(paths)
    if state.spec.has_front:
        message = f"{paths.name} has several goals and no weights: there is no one best to confirm"
        fix = f"run a point of its front again on fresh seeds: {invoked('rerun', 'RUN', '--seeds', str(seeds))}"
        raise RequestError.of(message, key="NAME", fix=fix)
    if state.incumbent is None:
        raise RequestError.of(f"{paths.name} has no rollout with a score yet: there is nothing to confirm", key="NAME")
    words, spec = words_of(paths), state.spec
    asked = replace(
        compose(words),
        metric=spec.metric,
        goal=spec.goal.value,
        objectives=spec.objectives,
        bounds=spec.bounds,
        rollout_count=spec.rollout_count,
        num_samples=spec.num_samples,
        limits=spec.limits,
        confirm=asked_for,
        confirms_only=True,
    )
    return run_sweep(asked, words, Console())
