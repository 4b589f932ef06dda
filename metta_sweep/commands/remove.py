"""The remove command: a sweep and all its runs are deleted."""

from __future__ import annotations

import shutil
import uuid

import click

from metta_sweep.commands.correcting import refuse_while_controlled
from metta_sweep.commands.sweeps import here, of_a_sweep
from metta_sweep.errors import MettaSweepError, RequestError
from metta_sweep.report.overview import size_of
from metta_sweep.report.reading import state_of
from metta_sweep.report.wording import count, size
from metta_sweep.store.lock import SweepLock
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.state import SweepState


@click.command()
@of_a_sweep
@click.option("--yes", is_flag=True, help="Ask nothing.")
def command(paths: SweepPaths, *, yes: bool) -> int:
    """Delete a sweep with all its runs from this disk, after a question.

    What W&B has of it stays there. One that has a controller, or runs that are alive, is refused.
    """
    refuse_while_controlled(paths)
    with SweepLock.acquire(paths):
        state = _state(paths)
        if state.live_runs:
            named = ", ".join(run.run_id for run in state.live_runs)
            fix = here(paths).command("stop", paths.name, "--now")
            raise RequestError.of(f"runs of it may be alive: {named}", key=paths.name, fix=fix)
        root = here(paths).show(paths.root)
        what = f"{count(len(paths.run_ids()), 'run')}, {size(size_of(paths.root))}"
        if not yes and not click.confirm(f"Delete {root} ({what})? There is no way back"):
            click.echo("nothing was deleted")
            return 0
        gone = paths.root.with_name(f".removed-{uuid.uuid4().hex}")
        paths.root.rename(gone)  # at once: whatever happens next, no half of a sweep is left
        shutil.rmtree(gone)
    click.echo(f"deleted {root} ({what})")
    return 0


def _state(paths: SweepPaths) -> SweepState:
    """Return what is known of the sweep; nothing where its journal is damaged: it can be deleted all the same."""
    try:
        return state_of(paths)
    except MettaSweepError:
        return SweepState()
