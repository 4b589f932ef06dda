"""Every point is run with the same seeds, and the optimizer is told which score came with which."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metta_sweep.config.settings import ConfirmSettings
from metta_sweep.optimize.port import SearchTask
from metta_sweep.optimize.worker import OptimizerProcess
from metta_sweep.space import SearchSpace
from metta_sweep.sweep.corrections import correction_problems
from metta_sweep.sweep.events import RunDiscarded, RunRetried
from metta_sweep.sweep.teaching import lessons_of, teach
from tests.factories import History
from tests.sweep.simulation import World, always, reward, spec

X = {"x": {"distribution": "uniform", "min": 0.0, "max": 1.0}}


def two(**asked):
    given = {"common_seeds": True, "num_samples": 2, "rollout_count": 9, "parameters": X, **asked}
    return History(asked=given).rollout(1.0, 3.0, params={"x": 0.2}).rollout(2.0, 4.0, params={"x": 0.6})


def test_the_samples_of_every_rollout_have_the_same_seeds_and_runs_that_confirm_have_others():
    world = World(always(1.0))
    asked = spec(common_seeds=True, num_samples=2, seed=5, confirm=ConfirmSettings(top_k=1, seeds=2))
    world.control(asked)
    runs = world.recorder.state.runs.values()
    assert [run.seed for run in runs if not run.confirms] == [5, 6] * 3
    fresh = [run.seed for run in runs if run.confirms]
    assert len(set(fresh)) == 2
    assert min(fresh) > 10_000


def test_a_sweep_without_them_has_a_seed_for_every_run():
    world = World(lambda run_id, attempt, config: reward(config["seed"]))
    world.control(spec(num_samples=2))
    assert [run.seed for run in world.recorder.state.runs.values()] == [0, 1, 2, 3, 4, 5]
    assert all(not lesson.by_seed for lesson in lessons_of(world.recorder.state).observations)


def test_a_lesson_has_the_scores_by_seed_of_the_runs_that_count_and_none_that_confirmed():
    history = two().choose(1).again(1, 9.0)
    assert [lesson.by_seed for lesson in lessons_of(history.state).observations] == [{0: 1.0, 1: 3.0}, {0: 2.0, 1: 4.0}]
    history.add(RunDiscarded, run_id=history.run(0), why="w")
    lesson, _ = lessons_of(history.state).observations
    assert (lesson.by_seed, lesson.metric) == ({1: 3.0}, 3.0)


def test_another_seed_for_a_run_is_refused():
    problems = correction_problems(two().state, [RunRetried(run_id="my_test.r.0", seed=77)])
    assert "same seeds" in problems[0].message
    assert correction_problems(two().state, [RunRetried(run_id="my_test.r.0")]) == []


class Listening:
    """An optimizer that only notes what it is taught."""

    def __init__(self):
        self.heard = []

    def observe(self, params, score, cost, noise=None, curve=()):
        self.heard.append((score, noise))

    def observe_by_seed(self, params, scores, cost, curve=()):
        self.heard.append(scores)


class Deaf(Listening):
    """One that stands for another, which compares nothing by seed."""

    has_pairs = False


def test_an_optimizer_that_does_not_compare_by_seed_is_taught_the_mean_and_its_noise():
    listening, deaf = Listening(), Deaf()
    lesson, _ = lessons_of(two().state).observations
    for optimizer in (listening, deaf):
        teach(optimizer, lesson)
    assert listening.heard == [{0: 1.0, 1: 3.0}]
    assert deaf.heard == [(2.0, 1.0)]


@pytest.mark.slow
def test_the_process_that_thinks_is_told_of_seeds_as_the_optimizer_is():
    task = SearchTask(space=SearchSpace.parse(X, (), {}), goal="maximize", seed=3)
    history = two(rollout_count=20)
    for place, x in enumerate((0.1, 0.3, 0.5, 0.8, 0.9)):
        history.rollout(1.0 + place, 5.0 - place, params={"x": x})
    lessons = lessons_of(history.state).observations
    process, other = OptimizerProcess("protein", task), OptimizerProcess("protein", task)
    try:
        for lesson in lessons:
            teach(process, lesson)
            teach(other, replace(lesson, by_seed={}))
        assert process.has_pairs
        suggested = process.suggest()
        assert suggested.origin == "protein"
        assert suggested.predicted != other.suggest().predicted
        assert suggested == process._optimizer.suggest()
    finally:
        process.close()
        other.close()
