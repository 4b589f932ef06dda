"""Laws of every reader, on sweeps that the real loop made: failures of all kinds, kills, retries, any moment."""

import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from metta_sweep.config.settings import ConfirmSettings
from metta_sweep.report import Place, Progress, rows_of, summary
from metta_sweep.report.explain import explain
from metta_sweep.report.export import as_csv, records
from metta_sweep.report.html.progress_figures import by_cost, by_rollout, pareto
from metta_sweep.report.html.run_figures import idle_share, spans
from metta_sweep.report.live import Moment, live_view
from metta_sweep.sweep.events import Event, from_json
from metta_sweep.sweep.records import RunState
from metta_sweep.sweep.state import SweepState
from tests.factories import Directories
from tests.sweep.simulation import World, random_script, spec

PLACE = Place(paths=Directories("s"), cwd=Path("/lab"), python="python", controller="")


@cache
def events_of(seed: int, samples: int, slots: int) -> list[Event]:
    world = World(random_script(seed), slots=slots)
    confirm = ConfirmSettings(top_k=2, seeds=2) if seed % 2 else None
    world.control(spec(rollout_count=6, num_samples=samples, confirm=confirm), max_retries=1)
    return [from_json(stored) for stored in world.journal.events]


@st.composite
def states(draw: st.DrawFn) -> SweepState:
    """A sweep at any moment of its life."""
    events = events_of(draw(st.integers(0, 11)), draw(st.integers(1, 2)), 2)
    return SweepState.fold(events[: draw(st.integers(1, len(events)))])


def quick(test: Callable[..., None]) -> Callable[..., None]:
    return settings(max_examples=20, deadline=None)(test)


@pytest.mark.slow
@quick
@given(states())
def test_every_run_and_rollout_is_told_once(state: SweepState) -> None:
    rows = rows_of(state)
    assert sorted(run.run_id for run in rows.runs) == sorted(state.runs)
    assert sum(rows.run_counts.values()) == len(state.runs)
    said = summary(state, paths=PLACE.paths, place=PLACE)
    assert said.count("\nRollout ") == len(state.rollouts) + 1  # and "Rollout count limit"
    told = json.loads(summary(state, paths=PLACE.paths, fmt="json", place=PLACE))
    assert len(told["rollouts"]) == len(state.rollouts)


@pytest.mark.slow
@quick
@given(states())
def test_each_failed_run_is_in_one_class_and_each_failed_attempt_is_counted(state: SweepState) -> None:
    rows = rows_of(state)
    failed = [run_id for row in rows.failures for run_id in row.run_ids]
    assert Counter(failed) == Counter(r.run_id for r in state.runs.values() if r.state is RunState.FAILED)
    attempts = sum(a.failure is not None for run in state.runs.values() for a in run.attempts)
    assert sum(len(row.run_ids) + row.retried for row in rows.failures) == attempts


@pytest.mark.slow
@quick
@given(states())
def test_the_best_of_the_rows_is_the_best_of_the_state(state: SweepState) -> None:
    rows = rows_of(state)
    best = rows.best_rollout
    assert (best is None) == (state.incumbent is None)
    if best is not None and state.incumbent is not None:
        winner = None if rows.verdict is None else rows.verdict.winner
        assert best.index == (state.incumbent.rollout if winner is None else winner.rollout)
        assert rows.best_run is not None
        assert rows.best_run.metric is not None
        assert rows.best_run.metric >= (best.mean or 0.0) - 1e-9


@pytest.mark.slow
@quick
@given(states())
def test_every_reader_reads_every_moment(state: SweepState) -> None:
    file = io.StringIO()
    Console(file=file, width=100).print(live_view(state, Moment(place=PLACE)))
    Console(file=file, width=100).print(live_view(state, Moment(place=replace(PLACE, controller="x"))))
    assert explain(state).count("Came out: ") == len(state.rollouts)
    assert summary(state, paths=PLACE.paths, fmt="markdown", place=PLACE)
    assert len(as_csv(records(state, paths=PLACE.paths)).splitlines()) == (len(state.runs) + 1 if state.runs else 0)
    for figure in (by_rollout(rows_of(state)), by_cost(rows_of(state)), pareto(rows_of(state))):
        assert figure.caption


@pytest.mark.slow
@quick
@given(states())
def test_attempts_in_one_slot_never_overlap(state: SweepState) -> None:
    found = spans(state)
    for before, after in pairwise(found):
        assert before.start_s <= after.start_s
    by_slot: dict[int, float] = {}
    for span in found:
        assert span.start_s >= by_slot.get(span.slot, 0.0) - 1e-3
        by_slot[span.slot] = span.end_s
    assert 0.0 <= idle_share(found) <= 1.0


@pytest.mark.slow
@quick
@given(st.integers(0, 11), st.integers(1, 2))
def test_progress_tells_every_end_and_marks_each_new_best_once(seed: int, samples: int) -> None:
    events, file, state = events_of(seed, samples, 2), io.StringIO(), SweepState()
    progress, bests = Progress(Console(file=file), place=PLACE), 0
    for event in events:
        before = state.incumbent
        state.apply(event)
        bests += state.incumbent != before
        progress.on_event(event, state)
    said = file.getvalue()
    assert said.count("★ new best") == bests
    assert said.count("\nbest: ") <= 1
    for run in state.runs.values():
        if run.state.is_over:
            assert f"{run.run_id}: " in said
