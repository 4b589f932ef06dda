"""A run that is over may be discarded, had back, or done again; nothing that was paid for is lost by it."""

from __future__ import annotations

import json
from concurrent.futures import Future
from dataclasses import replace

import pytest

from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.requests import leave_corrections, left_requests
from metta_sweep.sweep.confirmation import candidates_of
from metta_sweep.sweep.corrections import correction_problems
from metta_sweep.sweep.events import RunDiscarded, RunRestored, RunRetried
from metta_sweep.sweep.records import RunState
from metta_sweep.sweep.state import SweepState
from metta_sweep.sweep.teaching import lessons_of
from metta_sweep.sweep.thinking import Thinker
from metta_sweep.sweep.verdict import verdict_of
from tests.factories import History
from tests.sweep.simulation import CountingOptimizer, SimulatedClock, World, always, reward, spec


def three(**asked):
    history = History(asked={"rollout_count": 9, **asked})
    for value in (0.2, 0.9, 0.5):
        history.rollout(value, params={"trainer.gamma": value})
    return history


def discard(history, number, why="throttled"):
    history.add(RunDiscarded, run_id=history.run(number), why=why)
    return history


def restore(history, number):
    history.add(RunRestored, run_id=history.run(number))
    return history


def retry(history, number, seed=None):
    history.add(RunRetried, run_id=history.run(number), seed=seed)
    return history


def learned(history):
    return [lesson.metric for lesson in lessons_of(history.state).observations]


# -------------------------------------------------------------------- discarding


def test_a_discarded_run_is_not_learned_from_and_not_the_best_and_its_point_is_not_suggested_again():
    history = discard(three(), 1)
    state = history.state
    assert learned(history) == [0.2, 0.5]
    assert state.incumbent.metric == 0.5
    assert lessons_of(state).avoided == ({"trainer.gamma": 0.9},)
    assert state.runs[history.run(1)].metrics == {"reward": 0.9}
    assert state.total_cost_s == 30.0


def test_undoing_a_discard_gives_the_very_same_state():
    before, after = three(), restore(discard(three(), 1), 1)
    assert learned(before) == learned(after)
    assert before.state.incumbent == after.state.incumbent
    assert before.state.observations == after.state.observations
    assert before.state.runs == after.state.runs


def test_of_several_samples_the_others_still_count():
    history = History(asked={"num_samples": 3, "rollout_count": 9}).rollout(1.0, 2.0, 9.0)
    assert learned(discard(history, 2)) == [1.5]
    assert learned(discard(discard(history, 1), 0)) == []


def test_a_sample_that_was_not_run_since_another_failed_is_run_once_that_is_discarded():
    history = History(asked={"num_samples": 2}).suggest().start(0).fail(0)
    assert learned(history) == [None]
    state = discard(history, 0).state
    assert [run.run_id for run in state.waiting_runs] == [history.run(1)]
    assert state.decided_rollouts == []
    assert restore(history, 0).state.decided_rollouts != []


def test_a_discarded_failure_teaches_nothing():
    history = History().suggest().start(0).fail(0)
    assert learned(discard(history, 0)) == []
    assert discard(three().suggest().start(3).fail(3), 3).state.failure_of(history.state.rollouts[0]) is None


def test_discarding_says_nothing_of_how_the_sweep_ended():
    assert discard(three().stop(), 1).state.stopped is not None


def test_a_confirmed_best_that_is_discarded_is_confirmed_no_more_and_its_runs_are_kept():
    history = three().choose(1, 2).again(1, 0.8, 0.7).again(2, 0.5, 0.5).stop()
    assert verdict_of(history.state).winner.rollout == 1
    state = discard(history, 1).state
    assert verdict_of(state) is None
    assert state.incumbent.metric == 0.5
    assert [run.metrics["reward"] for run in state.confirmations_of(1)] == [0.8, 0.7]


def test_a_confirming_run_that_is_discarded_has_no_part_in_the_verdict():
    history = three().choose(1, 2).again(1, 0.8, -90.0).again(2, 0.5, 0.5).stop()
    assert verdict_of(history.state).winner.rollout == 2
    (point,) = [one for one in verdict_of(discard(history, 4).state).points if one.rollout == 1]
    assert (point.mean, point.scored) == (0.8, 1)


def test_a_confirmation_of_which_every_run_is_discarded_says_nothing():
    history = three().choose(1, 2).again(1, 0.8).again(2, 0.5).stop()
    state = discard(discard(history, 3), 4).state
    assert verdict_of(state) is None
    assert [one.scores for one in candidates_of(state)] == [(), ()]


# -------------------------------------------------------------------- doing again


def test_a_finished_run_that_is_done_again_keeps_its_cost_and_waits():
    history = retry(three(), 1)
    run = history.state.runs[history.run(1)]
    assert (run.state, run.metrics, run.seed, run.begins_anew) == (RunState.WAITING, None, 1, True)
    assert history.state.total_cost_s == 30.0
    assert history.state.incumbent.metric == 0.5
    again = history.start(1).finish(1, 0.7, cost_s=None)
    assert not again.state.runs[history.run(1)].begins_anew
    assert again.state.total_cost_s == 42.0
    assert again.state.incumbent.metric == 0.7
    assert sorted(learned(again)) == [0.2, 0.5, 0.7]


def test_a_discarded_run_that_is_done_again_counts_again():
    history = retry(discard(three(), 1), 1).start(1).finish(1, 0.7)
    assert history.state.incumbent.metric == 0.7


def test_another_seed_begins_a_failed_run_anew_and_the_same_one_goes_on_from_its_checkpoint():
    failed = History().suggest().start(0).fail(0)
    assert not retry(failed, 0).state.runs[failed.run(0)].begins_anew
    run = retry(failed, 0, seed=77).state.runs[failed.run(0)]
    assert (run.seed, run.begins_anew) == (77, True)


def test_what_is_done_again_is_set_aside_and_run_with_its_seed():
    values = iter([1.0, 2.0, 5.0])
    configs = []

    def script(run_id, attempt, config):
        configs.append((run_id, config["seed"]))
        return reward(next(values))

    world = World(script)
    world.control(spec(rollout_count=2))
    world.recorder.record(RunRetried(run_id="s.r.0", seed=99))
    world.control(spec(rollout_count=2))
    assert configs == [("s.r.0", 0), ("s.r.1", 1), ("s.r.0", 99)]
    assert world.recorder.state.incumbent.metric == 5.0
    assert world.recorder.state.total_cost_s == pytest.approx(3.0, abs=0.1)


def test_a_directory_that_cannot_be_set_aside_costs_the_run_nothing():
    world = World(always(1.0))
    world.control(spec(rollout_count=1))
    world.recorder.record(RunRetried(run_id="s.r.0"))
    refusals = iter([OSError("read-only"), None])
    set_aside = world.machine.set_run_aside

    def sometimes(run_id, attempt):
        problem = next(refusals)
        if problem is not None:
            raise problem
        set_aside(run_id, attempt)

    world.machine.set_run_aside = sometimes
    world.control(spec(rollout_count=1))
    assert "attempt_refused" in world.heard
    assert world.finished_runs() == ["s.r.0", "s.r.0"]


# -------------------------------------------------------------------- while a controller runs


def test_a_running_controller_unlearns_what_is_discarded_and_learns_what_is_had_back():
    world = World(always(1.0))
    wishes = []
    world.requests = lambda: wishes if len(world.recorder.state.rollouts) >= 2 else []
    wishes.append(RunDiscarded(id="a", run_id="s.r.0", why="wrong"))
    world.control(spec(rollout_count=3))
    assert [params for params, *_ in world.optimizer.observed] == [{"trainer.x": 1}, {"trainer.x": 2}]
    wishes.append(RunRestored(id="b", run_id="s.r.0"))
    world.control(spec(rollout_count=4))
    assert len(world.optimizer.observed) == 4
    assert [event["kind"] for event in world.journal.events].count("run_discarded") == 1


def test_what_cannot_be_corrected_when_it_is_read_is_told_once_and_not_tried_again_later():
    """Otherwise a retry that was typed twice would run a third time, whenever the file is read again."""
    world = World(always(1.0))
    twice = [RunRetried(id=name, run_id="s.r.0") for name in ("a", "b")]
    world.requests = lambda: twice if len(world.recorder.state.rollouts) >= 2 else []
    world.control(spec(rollout_count=3))
    world.control(spec(rollout_count=4))
    assert world.finished_runs().count("s.r.0") == 2
    assert [world.heard.count(kind) for kind in ("run_retried", "correction_refused")] == [1, 1]


def test_a_thought_from_before_a_correction_comes_to_nothing():
    thoughts = []

    def later(work):
        future = Future()
        thoughts.append((future, work))
        return future

    optimizer = CountingOptimizer()
    thinker = Thinker(optimizer, SimulatedClock(), later)
    thinker.begin([])
    history = three()
    thinker.learn_anew(lessons_of(history.state).observations)
    future, work = thoughts[0]
    future.set_result(work())
    assert thinker.take() is None
    assert optimizer.observed == []
    thinker.begin([])
    future, work = thoughts[1]
    future.set_result(work())
    assert thinker.take() is not None
    assert len(optimizer.observed) == 3


def test_corrections_survive_their_file(tmp_path):
    paths = SweepPaths(tmp_path, "s")
    paths.root.mkdir(parents=True)
    paths.requests.write_text(json.dumps({"id": "p", "point": {"x": 1}}) + "\n")
    leave_corrections(paths, [RunDiscarded(run_id="s.r.0", why="w"), RunRetried(run_id="s.r.1", seed=5)])
    with paths.requests.open("a") as file:
        file.write('{"kind": "sweep_stopped", "rule": "x", "message": "y"}\n{"kind": "run_discarded"}\n{"id": ')
    point, *corrections = left_requests(paths)
    assert point.point == {"x": 1}
    assert [(type(each), each.run_id) for each in corrections] == [(RunDiscarded, "s.r.0"), (RunRetried, "s.r.1")]
    assert len({each.id for each in corrections} - {""}) == 2


# -------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("correction", "said"),
    [
        (RunDiscarded(run_id="my_test.r.9", why="w"), "there is no such run"),
        (RunDiscarded(run_id="my_test.r.3", why="w"), "it is running, only a run that is over is discarded"),
        (RunDiscarded(run_id="my_test.r.4", why="w"), "it is waiting, only a run that is over is discarded"),
        (RunDiscarded(run_id="my_test.r.0", why="w"), "it is discarded already: throttled"),
        (RunRestored(run_id="my_test.r.1"), "it is not discarded"),
        (RunRetried(run_id="my_test.r.3"), "it is running, only a run that is over is done again"),
    ],
)
def test_what_cannot_be_is_one_message(correction, said):
    history = discard(three(), 0).suggest().start(3).suggest()
    (problem,) = correction_problems(history.state, [correction])
    assert (problem.key, said) == (correction.run_id, problem.message)


def test_runs_of_a_sweep_that_machines_share_are_not_discarded():
    history = three()
    history.events[0] = replace(history.events[0], shared=True)
    (problem,) = correction_problems(history.state, [RunDiscarded(run_id="my_test.r.0", why="w")])
    assert "several machines share" in problem.message


def test_a_failed_run_goes_on_also_where_machines_share_the_sweep():
    history = History().suggest().start(0).fail(0)
    history.events[0] = replace(history.events[0], shared=True)
    assert correction_problems(history.state, [RunRetried(run_id="my_test.r.0")]) == []
    assert len(correction_problems(history.state, [RunRetried(run_id="my_test.r.0", seed=4)])) == 1


def test_replaying_corrections_gives_the_same_state():
    history = retry(restore(discard(discard(three(), 1), 0), 1), 2).start(2).finish(2, 3.0)
    one, two = SweepState.fold(history.events), SweepState.fold(history.events)
    assert (one.runs, one.observations, one.incumbent) == (two.runs, two.observations, two.incumbent)
    assert learned(history) == [0.9, 3.0]
