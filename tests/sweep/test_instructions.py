"""What is asked from elsewhere is in the journal, with where it was asked, before anything is done about it."""

from __future__ import annotations

from metta_sweep.sweep.events import Instructed
from metta_sweep.sweep.ports import Instruction
from metta_sweep.sweep.records import FailureClass, RunState
from tests.sweep.simulation import World, reward, spec


def world_that_ends(*run_ids, **outcome):
    """Return a world in which somebody asks, as soon as they are started, that some runs end."""
    world = World(lambda *_: reward(1.0, **outcome))
    tell = world.on_event

    def on_event(event, state):
        tell(event, state)
        if event.KIND == "attempt_submitted" and event.run_id in run_ids:
            world.recorder.record(Instructed(instruction="end_run", source="W&B", run_id=event.run_id))

    world.on_event = on_event
    return world


def test_a_run_that_somebody_ends_is_stopped_teaches_nothing_and_the_sweep_goes_on():
    world = world_that_ends("s.r.1", seconds=5.0)
    world.control(spec(rollout_count=3))
    state = world.recorder.state
    ended = state.runs["s.r.1"]
    assert world.machine.cancelled == ["s.r.1.a1"]
    assert (ended.state, ended.failure.kind, ended.failure.message) == (
        RunState.FAILED,
        FailureClass.STOPPED,
        "stopped from W&B",
    )
    assert list(state.observations) == [0, 2]
    assert world.optimizer.failed == []


def test_runs_that_somebody_ends_are_no_sign_of_a_broken_program():
    world = world_that_ends("s.r.0", "s.r.1", "s.r.2", "s.r.3", seconds=5.0)
    assert world.control(spec(rollout_count=5)).reason.rule == "rollout_count"
    assert len(world.finished_runs()) == 1


def test_a_result_that_came_first_counts():
    world = world_that_ends("s.r.0", seconds=0.0)
    world.control(spec(rollout_count=1))
    assert world.recorder.state.runs["s.r.0"].state is RunState.FINISHED


def test_pause_and_resume_are_told_with_their_source_and_nothing_is_started_between():
    world = World(lambda *_: reward(1.0, seconds=2.0))
    began_s = world.clock.seconds

    def instructed():
        return Instruction.PAUSE if 1.0 < world.clock.seconds - began_s < 9.0 else Instruction.WORK

    world.instructed = instructed
    world.control(spec(rollout_count=2))
    told = [event for event in world.journal.events if event["kind"] == "instructed"]
    assert [(event["instruction"], event["source"]) for event in told] == [("pause", "W&B"), ("work", "W&B")]
    started = [event["elapsed_s"] for event in world.journal.events if event["kind"] == "attempt_started"]
    assert started[1] >= 8.9


def test_a_new_start_forgets_what_was_asked_of_the_last_one():
    world = World(lambda *_: reward(1.0))
    world.instructed = lambda: Instruction.STOP
    assert world.control(spec(rollout_count=2)).reason.rule == "stopped"
    world.instructed = lambda: Instruction.WORK
    world.control(spec(rollout_count=2))
    assert world.recorder.state.instructed is None
    assert len(world.finished_runs()) == 2
