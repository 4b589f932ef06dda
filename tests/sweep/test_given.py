"""Points that a person gives are run as given, each once, first or next, whatever happens to the controller."""

from __future__ import annotations

import pytest

from metta_sweep.sweep.events import PointAdded, from_json
from metta_sweep.sweep.state import SweepState
from tests.sweep.simulation import ControllerKilled, World, always, spec
from tests.sweep.test_thinking import Later

POINTS = ({"trainer.x": 70}, {"trainer.x": 80})


def ran(world):
    state = SweepState.fold(map(from_json, world.journal.events))
    return [rollout.suggestion.params["trainer.x"] for rollout in state.rollouts]


def test_given_points_come_first_in_their_order_and_count_as_rollouts():
    world = World(always(1.0))
    world.control(spec(rollout_count=4, points=POINTS))
    assert ran(world) == [70, 80, 2, 3]
    assert len(world.optimizer.observed) == 4


def test_a_point_that_was_run_is_not_run_again_by_the_next_start_and_a_new_one_is():
    world = World(always(1.0))
    world.control(spec(rollout_count=2, points=POINTS))
    world.control(spec(rollout_count=4, points=(*POINTS, {"trainer.x": 90})))
    assert ran(world) == [70, 80, 90, 3]


def test_the_same_point_given_twice_is_run_twice():
    world = World(always(1.0))
    world.control(spec(rollout_count=3, points=(POINTS[0], POINTS[0])))
    assert ran(world) == [70, 70, 2]


def test_a_point_that_is_added_comes_next_and_is_recorded_once_however_often_it_is_read():
    world = World(always(1.0))
    added = PointAdded(id="a", point={"trainer.x": 50})
    world.requests = lambda: [added] if len(world.recorder.state.rollouts) >= 2 else []
    world.control(spec(rollout_count=4))
    world.control(spec(rollout_count=6))
    assert ran(world) == [0, 1, 50, 3, 4, 5]
    assert [event["kind"] for event in world.journal.events].count("point_added") == 1


def test_a_point_that_is_added_while_the_next_one_is_thought_out_comes_first():
    world, later, turns = World(always(1.0)), Later(), []
    world.submit = later.submit
    world.fence = lambda: (turns.append(None), later.do_all())  # a thought begun in one turn is finished in the next
    world.requests = lambda: [PointAdded(id="a", point={"trainer.x": 50})] if len(turns) > 2 else []
    world.control(spec(rollout_count=2))
    assert ran(world)[0] == 50


def test_a_point_outside_the_space_waits_until_the_space_has_it():
    world = World(always(1.0), fits=lambda point: point["trainer.x"] < 75)
    world.control(spec(rollout_count=3, points=(POINTS[1], POINTS[0])))
    assert ran(world) == [70, 1, 2]
    assert world.recorder.state.queued_points == [POINTS[1]]
    world.fits = lambda point: True
    world.control(spec(rollout_count=4, points=(POINTS[1], POINTS[0])))
    assert ran(world)[-1] == 80


@pytest.mark.parametrize("after_store", [True, False])
@pytest.mark.parametrize("kill_at", range(2, 9))
def test_a_killed_controller_neither_loses_nor_repeats_a_point(kill_at, after_store):
    world = World(always(1.0))
    world.journal.kill_at, world.journal.kill_after_store = kill_at, after_store
    asked = spec(rollout_count=3, points=POINTS)
    with pytest.raises(ControllerKilled):
        world.control(asked)
    world.control(asked)
    assert ran(world) == [70, 80, 2]
