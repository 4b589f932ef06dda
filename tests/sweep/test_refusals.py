"""A launcher that cannot start anything is waited for, and no rollout pays for it."""

from __future__ import annotations

import pytest

from metta_sweep.sweep.next_actions import LONGEST_WAIT_S, refusal_wait_s
from metta_sweep.sweep.ports import LaunchError
from tests.sweep.simulation import World, reward, spec


class Shut:
    """Stands before a launcher: refuses until the clock says so, and counts how often it was asked."""

    def __init__(self, world, until_s):
        self.world, self.until_s, self.asked = world, until_s, []
        self.submit, world.machine.submit = world.machine.submit, self

    def __call__(self, job):
        if self.world.clock.seconds < self.until_s:
            self.asked.append(self.world.clock.seconds)
            raise LaunchError("the cluster does not answer")
        return self.submit(job)


def new_world(slots=1):
    return World(lambda run_id, attempt, config: reward(1.0, seconds=5.0), slots=slots)


def shut_for(seconds, slots=1):
    world = new_world(slots)
    return world, Shut(world, world.clock.seconds + seconds)


@pytest.mark.parametrize("slots", [1, 4])
def test_a_launcher_that_comes_back_costs_no_rollout_and_no_retry(slots):
    world, door = shut_for(30.0, slots)
    stop = world.control(spec(rollout_count=5), max_retries=0)
    assert not stop.failed
    assert len(door.asked) > 1
    assert len(world.finished_runs()) == 5
    assert not [event for event in world.journal.events if event["kind"] == "attempt_failed"]


def test_the_pauses_grow_and_have_a_limit():
    waits = [refusal_wait_s(count) for count in range(1, 30)]
    assert waits == sorted(waits)
    assert waits[0] < 1
    assert waits[-1] == LONGEST_WAIT_S


def test_a_launcher_is_asked_no_more_often_than_the_pauses_say():
    world, door = shut_for(40.0, slots=4)
    world.control(spec(rollout_count=5))
    between = [later - earlier for earlier, later in zip(door.asked, door.asked[1:], strict=False)]
    assert all(gap >= refusal_wait_s(count) for count, gap in enumerate(between, 1))


def test_a_launcher_that_stays_away_stops_the_sweep_with_its_reason_and_the_next_start_goes_on():
    world, door = shut_for(1e9)
    stop = world.control(spec(rollout_count=3))
    assert stop.failed
    assert "the cluster does not answer" in stop.reason.message
    assert len(door.asked) == 10
    assert world.recorder.state.decided_rollouts == []
    door.until_s = 0.0
    assert not world.control(spec(rollout_count=3)).failed
    assert world.finished_runs() == ["s.r.0", "s.r.1", "s.r.2"]


def test_runs_that_are_alive_go_on_while_nothing_new_can_be_started():
    world = new_world(slots=2)
    door = Shut(world, 0.0)

    def shut_after_the_first(event, state):
        world.heard.append(event.KIND)
        if event.KIND == "attempt_submitted" and len(world.machine.started) == 1:
            door.until_s = world.clock.seconds + 1e9

    world.on_event = shut_after_the_first
    assert world.control(spec(rollout_count=4)).failed
    assert world.finished_runs() == ["s.r.0"]


def test_a_run_directory_that_cannot_be_made_is_a_refusal_and_not_the_controllers_end(monkeypatch):
    world = new_world()
    prepare, left = world.machine.prepare, [3]

    def full(*given, **more):
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(28, "No space left on device")
        return prepare(*given, **more)

    monkeypatch.setattr(world.machine, "prepare", full)
    stop = world.control(spec(rollout_count=2))
    assert not stop.failed
    assert [event["message"] for event in world.journal.events if event["kind"] == "attempt_refused"] == [
        "[Errno 28] No space left on device"
    ] * 3
