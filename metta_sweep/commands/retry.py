"""The retry command: runs that are over are done again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, islice

import click

from metta_sweep.commands.correcting import correct, run_ids, runs_argument
from metta_sweep.commands.sweeps import here, of_a_sweep
from metta_sweep.report.reading import state_of
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import RunRetried
from metta_sweep.sweep.planning import SEEDS
from metta_sweep.sweep.records import RunState
from metta_sweep.sweep.state import SweepState


@click.command()
@of_a_sweep
@runs_argument(lambda state, run_id: state.runs[run_id].state.is_over)
@click.option("--new-seed", is_flag=True, help="Train with a seed that no run of the sweep had.")
def command(paths: SweepPaths, *, runs: Sequence[str], new_seed: bool) -> int:
    """Have runs that are over done again.

    A RUN is NAME.r.K, or K alone. A failed one goes on from its checkpoint, and retries that were used up are forgiven.
    One that has a result, or gets another seed, is begun anew: what it left is kept beside it in NAME.r.K.attempt-N.
    """
    chosen, state, place = run_ids(paths, runs), state_of(paths), here(paths)
    seeds = _fresh_seeds(state, len(chosen)) if new_seed else [None] * len(chosen)
    correct(paths, [RunRetried(run_id=run_id, seed=seed) for run_id, seed in zip(chosen, seeds, strict=True)])
    for run_id in chosen:
        if new_seed or _is_anew(state, run_id):
            kept = paths.aside(run_id, len(state.runs[run_id].attempts))
            click.echo(f"{run_id}: what it left so far will be kept in {place.show(kept.root)}")
    if not place.controller:
        click.echo(f"the next start of the sweep does it: {place.command('run', paths.name)}")
    return 0


def _is_anew(state: SweepState, run_id: str) -> bool:
    return state.runs[run_id].state in (RunState.FINISHED, RunState.STOPPED_EARLY)


def _fresh_seeds(state: SweepState, amount: int) -> list[int]:
    """Return seeds that no run of the sweep has, and that no later one gets by its number."""
    used = {run.seed for run in state.runs.values()}
    drawn = ((state.spec.seed + SEEDS // 2 + k) % SEEDS for k in count())
    return list(islice((seed for seed in drawn if seed not in used), amount))
