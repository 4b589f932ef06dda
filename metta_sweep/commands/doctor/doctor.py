"""The doctor: say how a machine and a sweep's files look, and mend a journal where that is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.text import Text

from metta_sweep.commands.doctor.checks import Check, CheckState, good, machine_checks, optimizer_checks, sweep_checks
from metta_sweep.decoding import decode
from metta_sweep.optimize.port import Prediction, Suggestion
from metta_sweep.result.bounded import read_bytes
from metta_sweep.store.files import read_json
from metta_sweep.store.lock import SweepLock
from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.salvage import Salvage, replace_journal, salvage
from metta_sweep.sweep.attempts import WrongTransitionError
from metta_sweep.sweep.events import (
    AttemptStarted,
    Event,
    PlannedRun,
    RolloutSuggested,
    RunFinished,
    UnknownEventError,
    from_json,
    to_json,
)
from metta_sweep.sweep.state import SweepState

SUGGESTION_BYTES = 1024 * 1024
"""Most that a run's suggestion file may have."""


def doctor(data_dir: Path, name: str | None, console: Console, *, repair: bool) -> int:
    """Print all checks, mend the journal where asked, and return 0 where nothing is bad."""
    checks = list(machine_checks(data_dir))
    if name is None:
        checks += optimizer_checks()
    else:
        paths = SweepPaths(data_dir, name)
        checks += sweep_checks(paths)
        if repair:
            checks += repair_journal(paths)
    for check in checks:
        style = {CheckState.GOOD: "green", CheckState.ODD: "yellow", CheckState.BAD: "bold red"}[check.verdict]
        line = Text.assemble((f"{check.verdict:<5}", style), f"{check.name}: {check.detail}")
        console.print(line, soft_wrap=True)
    return int(any(check.verdict is CheckState.BAD for check in checks) and not _mended(checks))


def _mended(checks: Sequence[Check]) -> bool:
    return any(check.name == "repair" and check.verdict is CheckState.GOOD for check in checks)


def repair_journal(paths: SweepPaths) -> Iterator[Check]:
    """Put a journal of everything that can be proven or read again in the place of a damaged one.

    Raises:
        RequestError: A controller is running the sweep.
    """
    with SweepLock.acquire(paths) as lock:
        found = salvage(paths)
        if found.is_whole and _is_sound(found.events):
            yield good("repair", "nothing to mend")
            return
        history = Rebuilt(found.events)
        if history.state.is_empty:
            history.begin(read_json(paths.asked))
        if history.state.is_empty:
            detail = f"what was asked is lost; the results of {len(found.results)} runs lie in {paths.runs}"
            yield Check(name="repair", verdict=CheckState.BAD, detail=detail)
            return
        history.add_later(found.later)
        history.add_runs(paths, found)
        lock.check()
        aside = replace_journal(paths, [to_json(event) for event in history.events])
        yield good("repair", f"{len(history.events)} events are in place; the damaged file is kept as {aside.name}")
        for loss in history.losses:
            yield Check(name="repair", verdict=CheckState.ODD, detail=loss)


class Rebuilt:
    """A history put together from what was found; every event in it fits the one before."""

    def __init__(self, stored: Sequence[Mapping[str, Any]]) -> None:
        self.events: list[Event] = []
        self.state = SweepState()
        self.losses: list[str] = []
        """What could not be had again, one line each."""
        for event in stored:
            if not self._add(event):
                break

    def _add(self, stored: Mapping[str, Any]) -> bool:
        try:
            event = from_json(stored)
            self.state.apply(event)
        except (UnknownEventError, WrongTransitionError):
            return False
        self.events.append(event)
        return True

    def begin(self, asked: Mapping[str, Any] | None) -> None:
        """Begin with the copy of the request that lies beside the journal."""
        if asked is not None:
            self._add(asked)

    def add_later(self, later: Sequence[Mapping[str, Any]]) -> None:
        """Add the sound events behind a gap as far as they still fit."""
        lost = sum(not self._add(event) for event in later)
        if lost:
            self.losses.append(f"{lost} later events no longer fit; what they told is read from run directories")

    def add_runs(self, paths: SweepPaths, found: Salvage) -> None:
        """Read from their directories the runs whose suggestion or result the journal has lost."""
        for run_id in paths.run_ids():
            if run_id not in self.state.runs:
                self._add_suggestion(paths, run_id)
            run, result = self.state.runs.get(run_id), found.results.get(run_id)
            if run is None:
                self.losses.append(f"{run_id}: its suggestion cannot be read; the directory is left as it is")
            elif result is not None and run.metrics is None:
                number = len(run.attempts) + 1
                if not (run.attempts and run.attempts[-1].state.is_live):
                    self._record(AttemptStarted(run_id=run_id, attempt=number))
                self._record(
                    RunFinished(
                        run_id=run_id,
                        attempt=len(self.state.runs[run_id].attempts),
                        metrics=result.metrics,
                        cost_s=result.cost_s,
                        steps=result.steps,
                        wall_s=0.0,
                    )
                )

    def _add_suggestion(self, paths: SweepPaths, run_id: str) -> None:
        try:
            shown = yaml.safe_load(read_bytes(paths.run(run_id).suggestion, SUGGESTION_BYTES))
            predicted = decode(Prediction, shown["predicted"]) if shown["predicted"] else None
            suggestion = Suggestion(
                params=shown["params"], origin=shown["origin"], reason=shown["reason"], predicted=predicted
            )
            planned = PlannedRun(run_id=run_id, seed=shown["seed"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError, yaml.YAMLError):
            return
        self._record(
            RolloutSuggested(rollout=len(self.state.rollouts), suggestion=suggestion, runs=(planned,), max_retries=5)
        )

    def _record(self, event: Event) -> None:
        self._add(to_json(event))


def _is_sound(events: Sequence[Mapping[str, Any]]) -> bool:
    return bool(events) and len(Rebuilt(events).events) == len(events)
