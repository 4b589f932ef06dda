"""The discard command: runs that were wrong no longer count; they can be had back."""

from __future__ import annotations

from collections.abc import Sequence

import click

from metta_sweep.commands.correcting import correct, run_ids, runs_argument
from metta_sweep.commands.sweeps import of_a_sweep
from metta_sweep.errors import RequestError
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import RunDiscarded, RunRestored


@click.command()
@of_a_sweep
@runs_argument(lambda state, run_id: state.runs[run_id].state.is_over)
@click.option("--why", metavar="TEXT", help="Your reason; it is shown wherever the run is.")
@click.option("--undo", is_flag=True, help="Have discarded runs counted again.")
def command(paths: SweepPaths, *, runs: Sequence[str], why: str | None, undo: bool) -> int:
    """Take runs out of what is learned and out of the best.

    A RUN is NAME.r.K, or K alone. All that it left is kept, its cost counts, and --undo reverses it. Its point is not
    suggested again by itself: `retry` does the run again. A sweep may be running; a run may not.
    """
    chosen = run_ids(paths, runs)
    if undo:
        correct(paths, [RunRestored(run_id=run_id) for run_id in chosen])
        return 0
    reason = " ".join((why or "").split())
    if not reason:
        raise RequestError.of("need a reason, which is shown wherever the run is", key="--why", fix='--why "…"')
    correct(paths, [RunDiscarded(run_id=run_id, why=reason) for run_id in chosen])
    return 0
