"""Thinking beside the loop: one history a thought, and no slot waits for the optimizer."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from metta_sweep.sweep.records import Observation
from metta_sweep.sweep.thinking import Thinker
from tests.sweep.simulation import CountingOptimizer, SimulatedClock, World, reward, spec


class Later:
    """Keeps work until it is told to do it, as a slow thread would."""

    def __init__(self):
        self.waiting = []

    def submit(self, work):
        future = Future()
        self.waiting.append((work, future))
        return future

    def do_all(self):
        for work, future in self.waiting:
            future.set_result(work())
        self.waiting.clear()


def observation(number, metric=1.0):
    return Observation(rollout=number, params={"trainer.x": number}, metric=metric, cost_s=0.0)


def test_a_lesson_waits_for_the_thought_under_way_and_is_in_the_next():
    optimizer, later = CountingOptimizer(), Later()
    thinker = Thinker(optimizer, SimulatedClock(), later.submit)
    thinker.learn(observation(0))
    thinker.begin([])
    thinker.learn(observation(1, metric=None))
    assert thinker.take() is None
    later.do_all()
    assert thinker.take().suggestion.params == {"trainer.x": 1}
    assert optimizer.failed == []
    thinker.begin([])
    later.do_all()
    assert optimizer.failed == [{"trainer.x": 1}]


def test_a_second_begin_changes_nothing_while_a_thought_is_under_way():
    optimizer, later = CountingOptimizer(), Later()
    thinker = Thinker(optimizer, SimulatedClock(), later.submit)
    thinker.begin([{"trainer.x": 0}])
    thinker.begin([])
    later.do_all()
    assert optimizer.pending == [[{"trainer.x": 0}]]


def test_a_cost_of_nothing_is_taught_as_a_moment():
    optimizer = CountingOptimizer()
    Thinker(optimizer, SimulatedClock()).learn(observation(0))
    assert optimizer.observed[0][2] > 0


def test_what_the_optimizer_raises_comes_out():
    def broken(pending=()):
        raise ValueError("no such point")

    optimizer = CountingOptimizer()
    optimizer.suggest = broken
    with pytest.raises(ValueError, match="no such point"):
        Thinker(optimizer, SimulatedClock()).begin([])


@pytest.mark.parametrize(("slots", "thought_ahead"), [(1, 0), (4, 1)])
def test_the_next_point_is_thought_out_while_every_slot_is_busy_but_not_with_one_slot(slots, thought_ahead):
    world = World(lambda run_id, attempt, config: reward(1.0, seconds=10.0), slots=slots)
    ahead = []

    def watch(event, state):
        if event.KIND == "run_finished" and len(world.optimizer.pending) > len(state.rollouts):
            ahead.append(event.run_id)

    world.on_event = watch
    world.control(spec(rollout_count=9))
    assert bool(ahead) == bool(thought_ahead)
    assert len(world.finished_runs()) == 9


def test_no_more_is_thought_out_than_is_run():
    world = World(lambda run_id, attempt, config: reward(1.0, seconds=10.0), slots=3)
    world.control(spec(rollout_count=7))
    assert len(world.optimizer.pending) == 7
