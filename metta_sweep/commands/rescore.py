"""The rescore command: what has been run is judged by another metric that it reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import click

from metta_sweep.commands.correcting import refuse_while_controlled
from metta_sweep.commands.parts import start_event
from metta_sweep.commands.process import StopSignals, SystemClock
from metta_sweep.commands.sweeps import of_a_sweep
from metta_sweep.errors import RequestError
from metta_sweep.goal import Goal
from metta_sweep.report.wording import count, number
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.lock import SweepLock
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.changes import check_request
from metta_sweep.sweep.commands import hydra_overrides
from metta_sweep.sweep.events import Event, SweepAsked
from metta_sweep.sweep.recorder import Recorder
from metta_sweep.sweep.records import SweepSpec
from metta_sweep.sweep.state import SweepState

JUDGED_BY = ("sweep.metric", "sweep.goal", "sweep.weights")
"""Words of a request that say how runs are judged."""


@click.command()
@of_a_sweep
@click.option("--metric", required=True, help="A metric that the runs reported.")
@click.option(
    "--goal", type=click.Choice(["maximize", "minimize"]), help="Which direction is better.  [default: as is]"
)
def command(paths: SweepPaths, *, metric: str, goal: str | None) -> int:
    """Judge all runs of a sweep by another metric that they reported.

    As `change=metric,goal` on a start: every run keeps all its metrics, so that it can be reversed in the same way. A
    run without the metric is named; it counts for nothing. No controller may be running.
    """
    refuse_while_controlled(paths)
    with SweepLock.acquire(paths), StopSignals() as signals:
        journal = SqliteJournal.open(paths, create=False)
        try:
            recorder = Recorder(journal, SystemClock(signals))
            state = recorder.state
            spec = _judged_by(state.spec, metric, goal)
            if not state.spec.objectives and (spec.metric, spec.goal) == (state.spec.metric, state.spec.goal):
                raise RequestError.of(f"its runs are judged by that: {spec.goal} {spec.metric}", key="--metric")
            changes = check_request(state, spec, said=("metric", "goal"))
            recorder.record_together(*_events(state, spec))
        finally:
            journal.close()
    for change in changes:
        click.echo(f"changed: {change.describe()}")
    for line in _told(recorder.state):
        click.echo(line)
    return 0


def _judged_by(spec: SweepSpec, metric: str, goal: str | None) -> SweepSpec:
    """Return the request with one metric instead of those it has; one of several keeps its own goal."""
    own = next((one.goal for one in spec.objectives if one.metric == metric), spec.goal)
    if spec.objectives and goal is None and metric not in [one.metric for one in spec.objectives]:
        raise RequestError.of(f"need the goal of {metric}: the sweep has several goals", key="--goal")
    return replace(spec, metric=metric, goal=Goal(goal) if goal else own, objectives=())


def _events(state: SweepState, spec: SweepSpec) -> list[Event]:
    """Return the request, and that the sweep stands where it stood."""
    before = state.asked
    shared, folder = (False, "") if before is None else (before.shared, before.folder)
    asked: SweepAsked = replace(start_event(spec, _words(state, spec), shared=shared), folder=folder)
    return [asked] if state.stopped is None else [asked, state.stopped]


def _words(state: SweepState, spec: SweepSpec) -> Sequence[str]:
    """Return the words that ask for the sweep as it is judged from now on; none where they are not known."""
    words = () if state.asked is None else state.asked.words
    kept = [word for word in words if word.partition("=")[0].lstrip("+") not in JUDGED_BY]
    judged = hydra_overrides({"sweep.metric": spec.metric, "sweep.goal": str(spec.goal)})
    judged += ["++sweep.weights=null"] if state.spec.is_weighted else []
    return [*kept, *judged] if words else []


def _told(state: SweepState) -> Iterator[str]:
    """Yield what came of it."""
    metric, finished = state.spec.metric, [run for run in state.runs.values() if run.metrics is not None]
    without = [run.run_id for run in finished if metric not in (run.metrics or {})]
    yield f"{metric}: reported by {len(finished) - len(without)} of {count(len(finished), 'run')}"
    if without:
        yield f"without it, and counting for nothing: {', '.join(without)}"
    best = state.incumbent
    if best is not None and best.metric is not None:
        yield f"best: {metric} {number(best.metric)} (rollout {best.rollout})"
    target = state.spec.limits.target
    if target is not None:
        yield f"limits.target {target:g} is from now on a value of {metric}: change it where it was not meant so"
