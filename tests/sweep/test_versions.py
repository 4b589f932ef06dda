"""A search may go on in another space: what fits it counts, what does not is kept, and nothing is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metta_sweep.errors import RequestError
from metta_sweep.goal import Goal
from metta_sweep.optimize.port import SearchTask
from metta_sweep.optimize.registry import kind_of
from metta_sweep.space import SearchSpace
from metta_sweep.sweep.changes import check_request
from metta_sweep.sweep.confirmation import contenders
from metta_sweep.sweep.events import RolloutSuggested, RunDiscarded, RunFinished, RunRetried
from metta_sweep.sweep.state import SweepState
from metta_sweep.sweep.teaching import lessons_of, pending_points, teach
from tests.factories import History

ENDED = {"cost_s": 1.0, "steps": 1, "wall_s": 1.0}


def uniform(low, high, **more):
    return {"distribution": "uniform", "min": low, "max": high, **more}


def line(*, command=("train",), training=None):
    """Three runs on a line from 0 to 1, the better the further right."""
    asked = {"parameters": {"x": uniform(0, 1)}, "command": command, "training": training or {}, "rollout_count": 99}
    history = History(asked=asked)
    for value in (0.2, 0.5, 0.9):
        history.rollout(value, params={"x": value})
    return history


def taught(history):
    return [dict(lesson.params) for lesson in lessons_of(history.state).observations]


def why_outside(history):
    return {rollout.index: history.state.outside(rollout) for rollout in history.state.rollouts}


def told(history, **changes):
    return [each.describe() for each in check_request(history.state, replace(history.state.spec, **changes))]


@pytest.mark.parametrize(
    "wider",
    [uniform(0, 2), uniform(-1, 1), {"distribution": "log_normal", "min": 0.01, "max": 1}, {"values": [0.2, 0.5, 0.9]}],
)
def test_a_space_that_has_every_point_keeps_every_lesson(wider):
    history = line().ask(parameters={"x": wider})
    assert taught(history) == [{"x": 0.2}, {"x": 0.5}, {"x": 0.9}]
    assert history.state.incumbent.metric == 0.9


def test_a_narrower_range_keeps_what_is_outside_and_neither_teaches_it_nor_takes_it_for_the_best():
    history = line().ask(parameters={"x": uniform(0, 0.6)})
    assert taught(history) == [{"x": 0.2}, {"x": 0.5}]
    assert history.state.incumbent.metric == 0.5
    assert "0 to 0.6" in why_outside(history)[2]
    assert len(history.state.observations) == 3
    assert [one.metric for one in contenders(history.state)] == [0.2, 0.5]


def test_a_range_that_is_widened_again_has_everything_back():
    history = line().ask(parameters={"x": uniform(0, 0.6)}).ask(parameters={"x": uniform(0, 1)})
    assert history.state.incumbent.metric == 0.9
    assert len(taught(history)) == 3


def test_runs_have_a_new_parameter_at_the_value_that_they_ran_with():
    history = line(training={"trainer": {"y": 7}}).ask(parameters={"x": uniform(0, 1), "trainer.y": uniform(0, 9)})
    assert taught(history)[0] == {"x": 0.2, "trainer.y": 7}


def test_runs_whose_command_was_never_given_a_parameter_have_it_at_its_declared_mean():
    new = {"x": uniform(0, 1), "y": uniform(0, 9, mean=3)}
    assert "they count as 3, its mean" in told(line(), parameters=new)[0]
    assert taught(line().ask(parameters=new))[0] == {"x": 0.2, "y": 3}


def test_runs_whose_value_nobody_knows_are_kept_and_not_taught():
    new = {"x": uniform(0, 1), "y": uniform(0, 9)}
    assert "their value is not known" in told(line(), parameters=new)[0]
    history = line().ask(parameters=new)
    assert taught(history) == []
    assert all("what it ran with is not known" in why for why in why_outside(history).values())


def test_a_parameter_that_is_held_keeps_the_runs_that_had_that_value():
    history = line().ask(parameters={"z": uniform(0, 1, mean=0)}, training={"x": 0.5})
    assert taught(history) == [{"z": 0}]
    assert why_outside(history)[0] == "x: need 0.5, it ran with 0.2"


def test_a_parameter_may_be_held_at_one_value_after_another():
    held = {"parameters": {"z": uniform(0, 1, mean=0)}}
    history = line().ask(**held, training={"x": 0.5}).ask(**held, training={"x": 0.9})
    assert [version.number for version in history.state.versions] == [1, 2, 3]
    assert [index for index, why in why_outside(history).items() if not why] == [2]


def test_fewer_values_keep_the_runs_of_those_that_are_left():
    history = History(asked={"parameters": {"kind": {"values": ["a", "b", "c"]}}, "rollout_count": 99})
    for kind in "abc":
        history.rollout(1.0, params={"kind": kind})
    assert taught(history.ask(parameters={"kind": {"values": ["c", "d", "a"]}})) == [{"kind": "a"}, {"kind": "c"}]


def test_a_new_constraint_leaves_out_what_breaks_it():
    history = line().ask(constraints=("x <= 0.6",))
    assert why_outside(history) == {0: "", 1: "", 2: "it breaks a constraint"}


def test_another_training_or_command_is_another_search_whatever_the_space_does():
    history = line(training={"trainer": {"steps": 100}})
    for changes in ({"training": {"trainer": {"steps": 200}}}, {"command": ("python", "other.py")}):
        with pytest.raises(RequestError, match="different search"):
            check_request(history.state, replace(history.state.spec, parameters={"x": uniform(0, 2)}, **changes))


def test_a_change_is_listed_with_what_it_keeps():
    assert told(line(), parameters={"x": uniform(0, 0.6)}) == [
        "x: max 1 -> max 0.6",
        "search space: version 1 -> version 2 (2 of 3 rollouts so far are points of it and count; outside, kept and "
        "not taught: rollout 2: x: need a number from 0 to 0.6, got 0.9)",
    ]


def test_the_space_of_a_sweep_that_machines_share_stays():
    history = line()
    history.events[0] = replace(history.events[0], shared=True)
    with pytest.raises(RequestError, match="several machines share"):
        told(history, parameters={"x": uniform(0, 2)})


def test_the_metric_of_a_sweep_that_machines_share_stays():
    history = line()
    history.events[0] = replace(history.events[0], shared=True)
    history.add(RunFinished, run_id=history.suggest().start(3).run(3), attempt=1, metrics={"loss": 1.0}, **ENDED)
    for changes in ({"metric": "loss"}, {"goal": Goal.MINIMIZE}):
        with pytest.raises(RequestError, match="several machines share"):
            check_request(history.state, replace(history.state.spec, **changes), said=("metric", "goal"))


def test_an_open_point_outside_the_space_is_not_shown_to_the_optimizer():
    history = line().suggest({"x": 0.8}).suggest({"x": 0.1}).ask(parameters={"x": uniform(0, 0.6)})
    assert pending_points(history.state) == ({"x": 0.1},)


TEN = (
    {"x": uniform(0, 2)},
    {"x": uniform(0, 2), "y": uniform(0, 1, mean=0.5)},
    {"x": {"distribution": "log_normal", "min": 0.01, "max": 2}, "y": uniform(0, 1, mean=0.5)},
    {"x": uniform(0, 0.5), "y": uniform(0, 1, mean=0.5)},
    {"x": uniform(0, 0.5)},
    {"x": uniform(0, 0.5), "kind": {"values": ["a", "b"], "mean": "a"}},
    {"x": uniform(0, 3), "kind": {"values": ["a", "c"], "mean": "a"}},
    {"kind": {"values": ["a", "c"], "mean": "a"}, "y": {"values": [0.5, 1.0], "mean": 0.5}},
    {"x": uniform(0, 3), "y": uniform(0, 1, mean=0.5), "kind": {"values": ["a", "b", "c"], "mean": "a"}},
    {"x": uniform(0, 1)},
)


def suggested(state):
    """Return what the sweep's optimizer proposes after these events."""
    spec = state.spec
    space = SearchSpace.parse(spec.parameters, spec.constraints)
    task = SearchTask(space=space, goal=str(spec.goal), seed=spec.seed)
    optimizer, lessons = kind_of(spec.optimizer).make(task), lessons_of(state)
    for lesson in lessons.observations:
        teach(optimizer, lesson)
    return dict(optimizer.suggest([*pending_points(state), *lessons.avoided]).params)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["random", "protein"])
def test_ten_changes_in_a_row_lose_no_run_and_replay_to_the_same_suggestions(optimizer):
    history = line().ask(optimizer=optimizer)
    for number, parameters in enumerate(TEN):
        history.ask(parameters=parameters)
        history.rollout(float(number), params=suggested(history.state))
        state = history.state
        inside = {lesson.rollout for lesson in lessons_of(state).observations}
        outside = {index for index, why in why_outside(history).items() if why}
        assert inside | outside == set(range(len(state.rollouts)))
        assert not inside & outside
        assert len(state.observations) == len(state.rollouts) == 4 + number
    assert len(history.state.versions) == 11
    assert history.state.total_cost_s == 130.0
    for at, event in enumerate(history.events):
        if isinstance(event, RolloutSuggested) and event.rollout > 2:
            assert suggested(SweepState.fold(history.events[:at])) == event.suggestion.params


def test_the_model_goes_on_from_the_runs_of_the_space_before():
    history = line().rollout(0.3, params={"x": 0.3}).rollout(0.95, params={"x": 0.95})
    history.ask(parameters={"x": uniform(0, 2)})
    assert suggested(history.state)["x"] > 0.9


@pytest.mark.slow
def test_a_sweep_that_was_corrected_all_along_accounts_for_every_run_and_replays_to_the_same_suggestions():
    """Changes of the space between corrections: what each suggestion knew is in the journal, to the digit."""
    history = line().ask(optimizer="protein")
    for number, parameters in enumerate(TEN):
        history.ask(parameters=parameters)
        history.rollout(float(number), params=suggested(history.state))
        if number % 3 == 0:
            history.add(RunDiscarded, run_id=history.run(number), why="wrong")
        if number % 4 == 1:
            again = number // 2
            history.add(RunRetried, run_id=history.run(again), seed=1000 + number)
            history.start(again).finish(again, float(number))
    state = history.state
    paid = sum(event.cost_s for event in history.events if isinstance(event, RunFinished))
    assert state.total_cost_s == paid
    assert all(run.state.is_over and run.metrics for run in state.runs.values())
    inside = {lesson.rollout for lesson in lessons_of(state).observations}
    outside = {index for index, why in why_outside(history).items() if why}
    discarded = {run.rollout for run in state.runs.values() if run.discarded is not None}
    assert inside | outside | discarded == set(range(len(state.rollouts)))
    assert not inside & (outside | discarded)
    for at, event in enumerate(history.events):
        if isinstance(event, RolloutSuggested) and event.rollout > 2:
            assert suggested(SweepState.fold(history.events[:at])) == event.suggestion.params
