"""The retry command: failed runs are done again by the next start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from metta_sweep.commands.process import StopSignals, SystemClock
from metta_sweep.commands.sweeps import of_a_sweep
from metta_sweep.errors import Problem, RequestError
from metta_sweep.report.reading import default_data_dir, state_of
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.lock import SweepLock
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import RunRetried
from metta_sweep.sweep.recorder import Recorder
from metta_sweep.sweep.records import RunState
from metta_sweep.sweep.state import SweepState

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class FailedRun(click.ParamType[str]):
    """The id of a failed run; shells complete it."""

    name = "RUN"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the failed runs of the sweep that was named."""
        from click.shell_completion import CompletionItem

        del param
        paths = SweepPaths(ctx.params.get("data_dir") or default_data_dir(), ctx.params.get("name") or "")
        return [CompletionItem(run_id) for run_id in _failed(state_of(paths)) if run_id.startswith(incomplete)]


@click.command()
@of_a_sweep
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=FailedRun())
def command(paths: SweepPaths, *, runs: Sequence[str]) -> int:
    """Have failed runs done again by the next start.

    A RUN is NAME.r.K. Retries that were used up are forgiven. No controller may be running.
    """
    with SweepLock.acquire(paths), StopSignals() as signals:
        journal = SqliteJournal.open(paths, create=False)
        try:
            recorder = Recorder(journal, SystemClock(signals))
            _check_failed(recorder.state, runs)
            for run_id in runs:
                recorder.record(RunRetried(run_id=run_id))
        finally:
            journal.close()
    click.echo(f"{', '.join(runs)}: will be done again by the next start of the sweep")
    return 0


def _failed(state: SweepState) -> list[str]:
    return [run.run_id for run in state.runs.values() if run.state is RunState.FAILED]


def _check_failed(state: SweepState, run_ids: Sequence[str]) -> None:
    failed = _failed(state)
    problems = [
        Problem(
            key=run_id,
            message=f"it is {state.runs[run_id].state}, only a failed run is retried"
            if run_id in state.runs
            else "there is no such run",
            fix=f"failed runs: {', '.join(failed) or 'none'}",
        )
        for run_id in run_ids
        if run_id not in failed
    ]
    if problems:
        raise RequestError(*problems)
