"""Laws of the confirmation: beside the search, exact in its totals, and lost by no death."""

from __future__ import annotations

import random
import signal
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metta_sweep.config.settings import ConfirmSettings, LimitSettings
from metta_sweep.goal import Goal
from metta_sweep.sweep.budget import room_for_confirmation
from metta_sweep.sweep.confirmation import candidates_of
from metta_sweep.sweep.events import RunRetried, from_json
from metta_sweep.sweep.loop import InterruptedSweepError
from metta_sweep.sweep.records import RunState
from metta_sweep.sweep.state import SweepState
from metta_sweep.sweep.verdict import verdict_of
from tests.factories import History
from tests.sweep.simulation import ControllerKilled, World, exits, killed, random_script, reward, spec

CONFIRM = ConfirmSettings(top_k=2, seeds=3)


def noisy(run_id, attempt, config):
    """The point 1 is the best; every run has luck of its own."""
    luck = random.Random(run_id).gauss(0, 0.1)
    return reward({0: 0.2, 1: 1.0, 2: 0.8, 3: 0.1}.get(config["trainer"]["x"], 0.0) + luck, seconds=0.02)


def confirmed(world):
    return {point.rollout: point.scored for point in verdict_of(world.recorder.state).points}


def test_the_search_does_its_rollouts_and_the_confirmation_its_runs_beside_them():
    world = World(noisy)
    stop = world.control(spec(rollout_count=4, confirm=CONFIRM))
    state = world.recorder.state
    assert stop.reason.rule == "rollout_count"
    assert len(state.rollouts) == len(state.decided_rollouts) == 4
    assert len(world.finished_runs()) == 4 + 2 * 3
    assert set(confirmed(world)) == {1, 2}
    assert sum(confirmed(world).values()) == 6
    assert verdict_of(state).best.rollout == 1
    assert state.total_cost_s == pytest.approx(10 * 0.02, rel=0.5)


def test_without_a_confirmation_in_the_request_nothing_is_run_again():
    world = World(noisy)
    world.control(spec(rollout_count=4))
    assert verdict_of(world.recorder.state) is None
    assert len(world.finished_runs()) == 4


def test_the_same_command_again_starts_nothing():
    world = World(noisy)
    world.control(spec(rollout_count=4, confirm=CONFIRM))
    before = list(world.machine.started)
    world.control(spec(rollout_count=4, confirm=CONFIRM))
    assert world.machine.started == before


def test_every_fresh_run_has_a_seed_that_nothing_had_before():
    seeds = []

    def script(run_id, attempt, config):
        seeds.append(config["seed"])
        return noisy(run_id, attempt, config)

    World(script).control(spec(rollout_count=3, num_samples=2, confirm=CONFIRM))
    assert len(seeds) == len(set(seeds)) == 3 * 2 + 6


def test_the_model_says_which_points_are_run_again():
    world = World(noisy, prefers=lambda point: -point["trainer.x"])
    world.control(spec(rollout_count=4, confirm=CONFIRM))
    assert set(confirmed(world)) == {0, 1}
    assert world.recorder.state.confirmation.expected == (0.0, -1.0)


def test_a_smaller_metric_can_be_the_better_one():
    world = World(noisy)
    world.control(spec(rollout_count=4, goal=Goal.MINIMIZE, confirm=CONFIRM))
    assert set(confirmed(world)) == {0, 3}
    assert verdict_of(world.recorder.state).best.rollout == 3


def test_a_larger_count_searches_on_and_chooses_anew():
    world = World(noisy)
    world.control(spec(rollout_count=1, confirm=CONFIRM))
    assert confirmed(world) == {0: 3}
    world.control(spec(rollout_count=4, confirm=CONFIRM))
    assert set(confirmed(world)) == {1, 2}
    assert len(world.recorder.state.rollouts) == 4


def test_runs_of_an_earlier_confirmation_count_and_are_told_from_the_new_ones():
    world = World(noisy)
    world.control(spec(rollout_count=2, confirm=CONFIRM))
    before = confirmed(world)
    assert verdict_of(world.recorder.state).earlier == 0
    world.control(spec(rollout_count=4, confirm=CONFIRM))
    verdict = verdict_of(world.recorder.state)
    assert (verdict.planned, verdict.earlier) == (6, before[1])
    assert len(world.finished_runs()) == 4 + 6 + 6 - before[1]


def test_more_seeds_for_the_same_points_are_no_second_choice():
    world = World(noisy)
    world.control(spec(rollout_count=4, confirm=CONFIRM))
    world.control(spec(rollout_count=4, confirm=ConfirmSettings(top_k=2, seeds=5)))
    verdict = verdict_of(world.recorder.state)
    assert (verdict.planned, verdict.earlier) == (10, 0)


def test_a_confirmation_can_be_asked_for_later_and_leaves_the_search_alone():
    world = World(noisy)
    world.control(spec(rollout_count=3))
    world.control(spec(rollout_count=9, confirm=CONFIRM, confirms_only=True))
    assert len(world.recorder.state.rollouts) == 3
    assert sum(confirmed(world).values()) == 6


def test_protein_is_taught_the_mean_of_all_runs_of_a_point_once():
    world = World(lambda run_id, attempt, config: reward(float(run_id.rpartition(".")[2])))
    world.control(spec(rollout_count=2, confirm=ConfirmSettings(top_k=1, seeds=3)))
    assert [score for _, score, _, _ in world.optimizer.observed] == [0.0, 1.0]
    world.control(spec(rollout_count=3))
    taught = {params["trainer.x"]: (score, noise) for params, score, _, noise in world.optimizer.observed}
    assert taught[1][0] == pytest.approx((1 + 2 + 3 + 4) / 4)
    assert taught[1][1] is not None
    assert len(world.optimizer.observed) == 3
    assert world.recorder.state.observations[1].metric == 1.0


def test_a_point_that_fails_on_a_fresh_seed_is_not_the_best_and_not_run_again():
    def script(run_id, attempt, config):
        fresh = int(run_id.rpartition(".")[2]) >= 4
        return (
            exits(1, "CUDA out of memory") if fresh and config["trainer"]["x"] == 1 else noisy(run_id, attempt, config)
        )

    world = World(script)
    world.control(spec(rollout_count=4, confirm=CONFIRM))
    verdict = verdict_of(world.recorder.state)
    assert (verdict.best.rollout, verdict.best.scored) == (2, 5)
    assert [point.failed for point in verdict.points] == [False, True]
    assert world.recorder.state.incumbent.rollout == 1


def test_where_every_chosen_point_fails_there_is_no_confirmed_best_and_the_sweep_still_ends():
    def script(run_id, attempt, config):
        return noisy(run_id, attempt, config) if int(run_id.rpartition(".")[2]) < 4 else exits(1, "boom")

    world = World(script)
    assert not world.control(spec(rollout_count=4, confirm=CONFIRM)).failed
    assert verdict_of(world.recorder.state).best is None
    assert len(world.machine.started) == 6


def test_a_killed_confirmation_run_is_retried():
    world = World(lambda run_id, attempt, config: killed() if attempt == 1 else reward(1.0))
    world.control(spec(rollout_count=1, confirm=ConfirmSettings(top_k=1, seeds=2)))
    assert confirmed(world) == {0: 2}


def test_no_score_no_confirmation():
    world = World(lambda run_id, attempt, config: exits(1, f"CUDA out of memory {run_id}"))
    world.control(spec(rollout_count=2, confirm=CONFIRM))
    assert world.recorder.state.confirmation is None


@pytest.mark.slow
@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("after_store", [True, False], ids=["after", "before"])
def test_a_controller_killed_at_any_append_loses_nothing_and_repeats_nothing(slots, after_store):
    asked = spec(rollout_count=3, confirm=CONFIRM)
    undisturbed = World(noisy, slots=slots)
    undisturbed.control(asked)
    for point in range(1, undisturbed.journal.appends + 1):
        world = World(noisy, slots=slots)
        world.journal.kill_at, world.journal.kill_after_store = point, after_store
        with pytest.raises(ControllerKilled):
            world.control(asked)
        world.journal.kill_at = None
        world.control(asked)
        assert Counter(world.machine.started) == Counter(f"s.r.{k}.a1" for k in range(9)), point
        assert sorted(world.finished_runs()) == [f"s.r.{k}" for k in range(9)]
        assert world.machine.alive == []


@pytest.mark.slow
@given(st.integers(0, 10_000), st.lists(st.integers(1, 12), max_size=8), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_totals_are_exact_whatever_fails_and_however_often_the_controller_dies(seed, kills, slots):
    asked = spec(rollout_count=4, confirm=CONFIRM)
    world = World(random_script(seed), slots=slots)
    for appends in kills:
        world.journal.kill_at = world.journal.appends + appends
        try:
            world.control(asked)
        except ControllerKilled:
            continue
    world.journal.kill_at = None
    world.control(asked)
    state = world.recorder.state
    assert len(state.rollouts) == len(state.decided_rollouts) == 4
    assert sum(one.planned for one in candidates_of(state)) <= 6
    assert all(run.state.is_over for run in state.runs.values() if run.confirms)
    assert max(Counter(world.machine.started).values()) == 1
    assert world.machine.most_alive <= slots
    replayed = SweepState.fold(map(from_json, world.journal.events))
    assert repr(verdict_of(replayed)) == repr(verdict_of(state))


def test_an_interrupted_confirmation_goes_on_where_it_was():
    world = World(noisy)
    world.interrupted = lambda: signal.SIGINT if len(world.machine.started) == 7 else None
    with pytest.raises(InterruptedSweepError):
        world.control(spec(rollout_count=4, confirm=CONFIRM))
    assert [run.run_id for run in world.recorder.state.waiting_runs] == ["s.r.6"]
    world.interrupted = lambda: None
    world.control(spec(rollout_count=4, confirm=CONFIRM))
    assert sum(confirmed(world).values()) == 6
    assert "s.r.6.a2" in world.machine.started


@pytest.mark.slow
def test_room_is_left_for_the_confirmation_under_a_limit_of_cost():
    world = World(lambda run_id, attempt, config: reward(1.0, seconds=10.0))
    limits = LimitSettings(total_cost_s=200.0)
    world.control(spec(rollout_count=100, limits=limits, confirm=ConfirmSettings(top_k=1, seeds=5)))
    state = world.recorder.state
    assert sum(confirmed(world).values()) == 5
    assert 190 <= state.total_cost_s <= 205
    assert len(state.rollouts) == pytest.approx(15, abs=1)


def test_a_limit_of_cost_holds_for_the_confirmation_too():
    world = World(lambda run_id, attempt, config: reward(1.0, seconds=10.0))
    world.control(
        spec(rollout_count=100, limits=LimitSettings(total_cost_s=60.0), confirm=ConfirmSettings(top_k=3, seeds=10))
    )
    assert world.recorder.state.total_cost_s <= 70.0
    assert 0 < sum(confirmed(world).values()) < 30


def test_another_metric_is_confirmed_anew():
    def script(run_id, attempt, config):
        return type(reward(0))(
            seconds=1.0, metrics={"reward": config["trainer"]["x"], "speed": -config["trainer"]["x"]}
        )

    world = World(script)
    world.control(spec(rollout_count=3, confirm=ConfirmSettings(top_k=1, seeds=2)))
    assert confirmed(world) == {2: 2}
    world.control(spec(rollout_count=3, metric="speed", confirm=ConfirmSettings(top_k=1, seeds=2)))
    assert confirmed(world) == {0: 2}


def test_a_run_that_failed_while_confirming_can_be_retried_and_the_rollout_stays_decided():
    world = World(
        lambda run_id, attempt, config: exits(1, "boom") if (run_id, attempt) == ("s.r.1", 1) else reward(1.0)
    )
    world.control(spec(rollout_count=1, confirm=ConfirmSettings(top_k=1, seeds=2)))
    assert world.recorder.state.runs["s.r.1"].state is RunState.FAILED
    world.recorder.record(RunRetried(run_id="s.r.1"))
    assert len(world.recorder.state.decided_rollouts) == 1
    world.control(spec(rollout_count=1, confirm=ConfirmSettings(top_k=1, seeds=2)))
    assert confirmed(world) == {0: 2}


@pytest.mark.parametrize(("rollouts", "room"), [(1, 0.5), (2, 0.5), (30, 0.2)])
def test_a_confirmation_takes_at_most_a_third_of_a_limit_from_the_search(rollouts, room):
    history = History(asked={"rollout_count": 99, "confirm": ConfirmSettings(top_k=2, seeds=3)})
    for index in range(rollouts):
        history.rollout(float(index), params={"x": index})
    assert room_for_confirmation(history.state) == pytest.approx(room)
