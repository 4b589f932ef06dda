"""How a command corrects runs: recorded at once, or left to the controller that is running."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from metta_sweep.commands.process import StopSignals, SystemClock
from metta_sweep.errors import RequestError
from metta_sweep.invocation import default_data_dir, invoked
from metta_sweep.report.reading import state_of
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.lock import SweepLock, holder
from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.requests import leave_corrections, left_requests
from metta_sweep.sweep.corrections import correction_problems, in_words, new_events
from metta_sweep.sweep.events import Correction, PointAdded
from metta_sweep.sweep.recorder import Recorder
from metta_sweep.sweep.state import SweepState

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class RunOfSweep(click.ParamType[str]):
    """The id of a run, or its number alone; shells complete those that the command takes."""

    name = "RUN"

    def __init__(self, takes: Callable[[SweepState, str], bool]) -> None:
        self._takes = takes

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the runs of the sweep that was named."""
        from click.shell_completion import CompletionItem

        del param
        paths = SweepPaths(ctx.params.get("data_dir") or default_data_dir(), ctx.params.get("name") or "")
        state = state_of(paths)
        found = [run_id for run_id in state.runs if self._takes(state, run_id)]
        return [CompletionItem(run_id) for run_id in found if run_id.startswith(incomplete)]


def runs_argument(takes: Callable[[SweepState, str], bool]) -> Callable[[Any], Any]:
    """Return the argument RUN..., of runs that the command takes."""
    return click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=RunOfSweep(takes))


def run_ids(paths: SweepPaths, runs: Sequence[str]) -> list[str]:
    """Return the ids of runs that were named by them or by their numbers, each once."""
    return list(dict.fromkeys(paths.run_id(int(run)) if run.isdecimal() else run for run in runs))


def correct(paths: SweepPaths, corrections: Sequence[Correction]) -> None:
    """Record corrections and say so; a controller that is running records them itself, at its next look.

    Raises:
        RequestError: One of them cannot be; nothing is recorded.
    """
    by = holder(paths)
    if by is not None:
        state = state_of(paths)
        for event in new_events(state, left_requests(paths)):
            state.apply(event)  # what was asked before comes first
        _refuse(state, corrections)
        leave_corrections(paths, corrections)
        _say(corrections)
        click.echo(f"{by} takes it into account at its next look")
        return
    with SweepLock.acquire(paths), StopSignals() as signals:
        journal = SqliteJournal.open(paths, create=False)
        try:
            recorder = Recorder(journal, SystemClock(signals))
            left = [each for each in left_requests(paths) if not isinstance(each, PointAdded)]
            for event in new_events(recorder.state, left):
                recorder.record(event)  # the controller ended before it read them
            _refuse(recorder.state, corrections)
            recorder.record_together(*corrections)
        finally:
            journal.close()
    _say(corrections)


def refuse_while_controlled(paths: SweepPaths) -> None:
    """Refuse what cannot be done while a controller is running.

    Raises:
        RequestError: One is running.
    """
    by = holder(paths)
    if by is not None:
        fix = f"stop it first: {invoked('stop', paths.name, data_dir=paths.data_dir)}"
        raise RequestError.of(f"the sweep is running, controlled by {by}", key=paths.name, fix=fix)


def _say(corrections: Sequence[Correction]) -> None:
    for each in corrections:
        click.echo(in_words(each))


def _refuse(state: SweepState, corrections: Sequence[Correction]) -> None:
    problems = correction_problems(state, corrections)
    if problems:
        raise RequestError(*problems)
