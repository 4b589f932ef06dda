"""The state is a fold that refuses what cannot have happened, and events survive their JSON form."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.optimize.port import Prediction, Source, SourceRun, Suggestion
from metta_sweep.sweep.attempts import TRANSITIONS, WrongTransitionError
from metta_sweep.sweep.crashes import CRASH_LIMIT
from metta_sweep.sweep.events import (
    EVENT_TYPES,
    AttemptFailed,
    AttemptInterrupted,
    AttemptRefused,
    AttemptStarted,
    AttemptSubmitted,
    AttemptUnknown,
    ConfirmationChosen,
    ConfirmationPlanned,
    CorrectionRefused,
    Instructed,
    PlannedRun,
    PointAdded,
    RolloutCeded,
    RolloutSuggested,
    RunDiscarded,
    RunFinished,
    RunJudged,
    RunRestored,
    RunResumed,
    RunRetried,
    RunStoppedEarly,
    SourcesRead,
    SweepAsked,
    SweepRegistered,
    SweepStopped,
    UnknownEventError,
    from_json,
    to_json,
)
from metta_sweep.sweep.records import AttemptState, Failure, FailureClass, Judgement
from metta_sweep.sweep.state import SweepState
from tests.sweep.simulation import spec

SUGGESTION = Suggestion(
    params={"trainer.lr": 0.1, "trainer.kind": "a"},
    origin="protein",
    reason="why",
    predicted=Prediction(score=1, score_low=0, score_high=2, cost=3.0, cost_low=2.0, cost_high=4.0, success=0.9),
)
ASKED = SweepAsked(spec=spec(parameters={"trainer.lr": {"min": 0.1}}, command=("a", "b")), versions={"python": "3"})
SUGGESTED = RolloutSuggested(
    rollout=0, suggestion=SUGGESTION, runs=(PlannedRun(run_id="s.r.0", seed=1),), max_retries=2
)
CHOSEN = ConfirmationChosen(rollouts=(0, 2), expected=(0.5, None), top_k=2, decided=3)
AGAIN = ConfirmationPlanned(rollout=0, run=PlannedRun(run_id="s.r.1", seed=2), max_retries=2)
STARTED = AttemptStarted(run_id="s.r.0", attempt=1)
UNKNOWN = AttemptUnknown(run_id="s.r.0", attempt=1, reason="SLURM does not answer")
SUBMITTED = AttemptSubmitted(run_id="s.r.0", attempt=1, handle={"pid": 7})
FINISHED = RunFinished(run_id="s.r.0", attempt=1, metrics={"reward": 1.0}, cost_s=None, steps=5, wall_s=2.0)
FAILED = AttemptFailed(
    run_id="s.r.0", attempt=1, failure=Failure(kind=FailureClass.OOM, message="m", detail="d"), wall_s=1.0
)
REFUSED = AttemptRefused(run_id="s.r.0", attempt=1, message="the cluster does not answer")
INTERRUPTED = AttemptInterrupted(run_id="s.r.0", attempt=1, wall_s=1.0)
STOPPED = SweepStopped(rule="target", message="reached")
RETRIED = RunRetried(run_id="s.r.0")
REGISTERED = SweepRegistered(sweep_id="abc", entity="me", project="p", url="https://x")
ADDED = PointAdded(id="a1", point={"trainer.x": 0.5})
DISCARDED = RunDiscarded(run_id="s.r.0", why="the GPU was throttled", id="b2")
RESTORED = RunRestored(run_id="s.r.0", id="c3")
KNOWN = Source(name="old", runs=(SourceRun(params={"trainer.x": 0.5}, metric=1.0), SourceRun(params={}, metric=None)))
READ = SourcesRead(sources=(KNOWN,))
CEDED = RolloutCeded(rollout=0)
JUDGEMENT = Judgement(reason="expects little", share=0.3, steps=100.0, final=(0.1, 0.0, 0.2), chance=0.02)
JUDGED = RunJudged(run_id="s.r.0", attempt=1, judgement=JUDGEMENT)
ENDED = RunStoppedEarly(run_id="s.r.0", attempt=1, wall_s=3.0, curve=((10.0, 0.1, 1.0),))
WENT_ON = RunResumed(run_id="s.r.0", reason="40% to be better than the best by now")
ATTEMPTS = (STARTED, SUBMITTED, UNKNOWN, REFUSED, FINISHED, JUDGED, ENDED, WENT_ON, FAILED, INTERRUPTED, RETRIED)
INSTRUCTED = Instructed(instruction="end_run", source="W&B", run_id="my_test.r.0")
NOT_MADE = CorrectionRefused(run_id="s.r.0", message="it is waiting", id="d4")
CORRECTIONS = (DISCARDED, RESTORED, NOT_MADE)
SAMPLES = (
    *(ASKED, SUGGESTED, ADDED, READ, CEDED, CHOSEN, AGAIN, *ATTEMPTS, *CORRECTIONS, REGISTERED, INSTRUCTED, STOPPED),
)


def test_there_is_a_sample_of_every_event():
    assert {event.KIND for event in SAMPLES} == set(EVENT_TYPES)


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: event.KIND)
def test_an_event_survives_its_json_form(event):
    assert from_json(json.loads(json.dumps(to_json(event)))) == event


@pytest.mark.parametrize(
    "stored", [{}, {"kind": "nonsense"}, {"kind": "run_finished"}, {"kind": "attempt_failed", "failure": 3}]
)
def test_what_is_no_event_is_refused(stored):
    with pytest.raises(UnknownEventError):
        from_json(stored)


def test_a_field_of_a_later_version_is_ignored():
    assert from_json({**to_json(STARTED), "later": 1}) == STARTED


@pytest.mark.parametrize(
    "events",
    [
        (STARTED,),
        (ASKED, STARTED),
        (ASKED, SUGGESTED, SUGGESTED),
        (ASKED, AGAIN),
        (ASKED, SUGGESTED, AGAIN, AGAIN),
        (ASKED, SUGGESTED, SUBMITTED),
        (ASKED, SUGGESTED, STARTED, SUBMITTED, FINISHED, UNKNOWN),
        (ASKED, SUGGESTED, STARTED, STARTED),
        (ASKED, SUGGESTED, STARTED, SUBMITTED, SUBMITTED),
        (ASKED, SUGGESTED, STARTED, CEDED),
        (ASKED, SUGGESTED, STARTED, FINISHED, CEDED),
        (ASKED, SUGGESTED, STARTED, FINISHED, FINISHED),
        (ASKED, SUGGESTED, STARTED, FINISHED, FAILED),
        (ASKED, SUGGESTED, STARTED, FAILED, AttemptStarted(run_id="s.r.0", attempt=2)),
        (ASKED, SUGGESTED, STARTED, FINISHED, WENT_ON),
        (ASKED, SUGGESTED, STARTED, SUBMITTED, JUDGED, ENDED, WENT_ON, WENT_ON),
        (ASKED, SUGGESTED, STARTED, DISCARDED),
        (ASKED, SUGGESTED, DISCARDED),
        (ASKED, SUGGESTED, STARTED, RETRIED),
    ],
    ids=lambda events: "-".join(event.KIND for event in events),
)
def test_what_cannot_have_happened_is_refused(events):
    with pytest.raises(WrongTransitionError):
        SweepState.fold(events)


def test_every_state_has_its_transitions_and_ends_are_final():
    assert set(TRANSITIONS) == {None, *AttemptState}
    for state in AttemptState:
        assert bool(TRANSITIONS[state]) == state.is_live


def test_without_a_reported_cost_the_wall_time_stands_in():
    state = SweepState.fold((ASKED, SUGGESTED, STARTED, SUBMITTED, FINISHED))
    assert state.runs["s.r.0"].cost_s == 2.0
    assert state.total_cost_s == 2.0


def test_a_failed_run_costs_what_its_attempts_took():
    assert SweepState.fold((ASKED, SUGGESTED, STARTED, FAILED)).total_cost_s == 1.0


@given(st.lists(st.floats(0, 100), max_size=6))
def test_elapsed_time_never_goes_back(times):
    events = [SweepStopped(rule="r", message="m", elapsed_s=t) for t in times]
    state = SweepState.fold((ASKED, *events))
    assert state.elapsed_s == max([0.0, *times])


def test_a_rollout_that_was_left_to_others_is_not_started_and_not_counted():
    state = SweepState.fold((ASKED, SUGGESTED, STARTED, INTERRUPTED, CEDED))
    assert (state.waiting_runs, state.open_rollouts, state.decided_rollouts) == ([], [], [])
    assert state.counted_rollouts == 0
    assert len(state.rollouts) == 1


def test_crashes_of_another_machine_do_not_stop_this_one():
    events = [ASKED]
    for k in range(CRASH_LIMIT):
        run_id = f"s.r.{k}"
        planned = (PlannedRun(run_id=run_id, seed=k),)
        crash = Failure(kind=FailureClass.CRASH, message="no module named x")
        events += [
            RolloutSuggested(rollout=k, suggestion=SUGGESTION, runs=planned, max_retries=0, machine="other"),
            AttemptStarted(run_id=run_id, attempt=1),
            AttemptFailed(run_id=run_id, attempt=1, failure=crash, wall_s=1.0),
        ]
    assert SweepState.fold(events).hopeless == []


def test_a_run_is_stopped_early_only_where_it_was_judged_and_judged_only_while_it_runs():
    with pytest.raises(WrongTransitionError, match="without having been judged"):
        SweepState.fold([ASKED, SUGGESTED, STARTED, SUBMITTED, ENDED])
    with pytest.raises(WrongTransitionError, match="not under way"):
        SweepState.fold([ASKED, SUGGESTED, STARTED, SUBMITTED, FINISHED, JUDGED])
    state = SweepState.fold([ASKED, SUGGESTED, STARTED, SUBMITTED, JUDGED, ENDED])
    assert state.runs["s.r.0"].state == "stopped_early"
    assert state.full_rollouts == pytest.approx(0.3)
    assert state.total_cost_s == 3.0


def test_evidence_of_other_sweeps_counts_where_the_present_request_names_it_and_stays_in_the_journal():
    named = SweepAsked(spec=replace(ASKED.spec, sources=("old",)), versions={})
    assert SweepState.fold([named, READ]).sources == (KNOWN,)
    assert SweepState.fold([named, READ, ASKED]).sources == ()
    assert SweepState.fold([named, READ, ASKED, named]).sources == (KNOWN,)
