"""Several goals and bounds: what is the best, what is a front, and what a change of them does."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest

from metta_sweep.goal import Bound, Goal, Objective, weighted, weighted_name
from metta_sweep.sweep.changes import check_request
from metta_sweep.sweep.events import ConfirmationPlanned, PlannedRun, RunDiscarded, from_json, to_json
from metta_sweep.sweep.front import dominates, growth, hypervolume, share_of_box
from metta_sweep.sweep.teaching import lessons_of
from metta_sweep.sweep.verdict import verdict_of
from tests.factories import History

REWARD = Objective(metric="reward", goal=Goal.MAXIMIZE)
LATENCY = Objective(metric="latency", goal=Goal.MINIMIZE)
FRONT = {"objectives": (REWARD, LATENCY), "rollout_count": 9}
BOUND = Bound(metric="latency", limit=20.0, is_upper=True)


def told(history: History, *points: tuple[float, float]) -> History:
    for reward, latency in points:
        history.suggest()
        number = len(history.state.runs) - 1
        history.start(number).finish(number, reward, latency=latency)
    return history


def front_of(*points: tuple[float, float]) -> list[int]:
    return [seen.rollout for seen in told(History(asked=FRONT), *points).state.front]


# ---------------------------------------------------------------- bounds


@pytest.mark.parametrize("text", ["latency <= 20", "  latency<=2e1 ", "20 >= latency"])
def test_a_bound_is_read_in_every_way_that_a_person_writes_it(text: str) -> None:
    assert Bound.parse(text) == BOUND


@pytest.mark.parametrize("text", ["latency", "latency < 20", "latency == 20", "latency <= many", "latency <= inf", ""])
def test_what_is_no_bound_is_refused_with_what_is_needed(text: str) -> None:
    with pytest.raises(ValueError, match="need"):
        Bound.parse(text)


def test_the_best_keeps_the_bounds_and_what_breaks_one_is_still_taught() -> None:
    history = told(History(asked={"bounds": (BOUND,)}), (1.0, 5.0), (9.0, 30.0), (2.0, 20.0))
    state = history.state
    assert state.incumbent is not None
    assert state.incumbent.rollout == 2
    assert [seen.broken for seen in state.observations.values()] == [(), (BOUND,), ()]
    assert [dict(seen.values) for seen in lessons_of(state).observations][1] == {"reward": 9.0, "latency": 30.0}


def test_a_sweep_of_which_nothing_keeps_the_bounds_has_a_score_and_no_best() -> None:
    state = told(History(asked={"bounds": (BOUND,)}), (1.0, 25.0)).state
    assert state.incumbent is None
    assert state.has_score


def test_a_changed_bound_judges_every_run_anew_and_need_not_be_said() -> None:
    history = told(History(asked={"bounds": (BOUND,)}), (1.0, 5.0), (9.0, 30.0))
    wider = History(asked={"bounds": (Bound(metric="latency", limit=40.0, is_upper=True),)}).spec
    assert [change.key for change in check_request(history.state, wider)] == ["bounds"]
    history.ask(bounds=wider.bounds)
    assert history.state.incumbent is not None
    assert history.state.incumbent.rollout == 1


def test_a_run_without_a_bounded_metric_says_nothing() -> None:
    history = History(asked={"bounds": (BOUND,)}).rollout(1.0)
    assert history.state.observations == {}
    assert [run.run_id for run in history.state.unscored] == ["my_test.r.0"]


def test_the_bound_is_on_the_mean_of_several_runs() -> None:
    history = History(asked={"bounds": (BOUND,), "num_samples": 2}).suggest()
    history.start(0).finish(0, 1.0, latency=10.0).start(1).finish(1, 3.0, latency=28.0)
    seen = history.state.observations[0]
    assert (seen.values["latency"], seen.broken) == (19.0, ())
    assert seen.noises["latency"] == pytest.approx(81.0)


# ---------------------------------------------------------------- weights


def test_a_weighted_sum_has_the_unit_and_the_direction_of_its_first_metric() -> None:
    objectives = (
        Objective(metric="reward", goal=Goal.MAXIMIZE, weight=2.0),
        Objective(metric="latency", goal=Goal.MINIMIZE, weight=0.02),
    )
    assert weighted_name(objectives) == "reward - 0.01*latency"
    assert weighted(objectives, {"reward": 3.0, "latency": 50.0}) == pytest.approx(2.5)
    assert weighted(objectives, {"reward": 3.0}) is None
    assert weighted_name(objectives[::-1]) == "latency - 100*reward"


def test_a_weighted_sweep_has_one_best_by_the_sum() -> None:
    objectives = (
        Objective(metric="reward", goal=Goal.MAXIMIZE, weight=1.0),
        Objective(metric="latency", goal=Goal.MINIMIZE, weight=0.1),
    )
    plain = told(History(), (3.0, 5.0), (4.0, 30.0)).state
    state = plain.judged_by(replace(plain.spec, metric=weighted_name(objectives), objectives=objectives))
    assert state.incumbent is not None
    assert (state.incumbent.rollout, state.incumbent.metric) == (0, pytest.approx(2.5))
    assert state.runs["my_test.r.0"].metrics == {"reward": 3.0, "latency": 5.0, "reward - 0.1*latency": 2.5}
    again = state.judged_by(plain.spec)
    assert again.runs["my_test.r.0"].metrics == {"reward": 3.0, "latency": 5.0}


# ---------------------------------------------------------------- fronts


def test_a_front_has_what_nothing_beats_in_everything() -> None:
    assert front_of((1.0, 10.0), (2.0, 20.0), (0.5, 15.0), (2.0, 25.0)) == [0, 1]


def test_there_is_no_incumbent_where_there_is_a_front() -> None:
    assert told(History(asked=FRONT), (1.0, 10.0)).state.incumbent is None


def test_of_two_equal_points_the_earlier_rollout_is_on_the_front() -> None:
    assert front_of((1.0, 10.0), (1.0, 10.0)) == [0]


def test_what_breaks_a_bound_is_not_on_the_front() -> None:
    history = told(History(asked={**FRONT, "bounds": (BOUND,)}), (1.0, 10.0), (9.0, 30.0))
    assert [seen.rollout for seen in history.state.front] == [0]


def test_a_front_does_not_depend_on_the_order_in_which_results_came() -> None:
    points = [(1.0, 10.0), (2.0, 20.0), (3.0, 15.0), (0.5, 5.0)]
    found = set()
    for order in itertools.permutations(range(4)):
        history = History(asked=FRONT)
        for _ in points:
            history.suggest()
        for number in order:
            history.start(number).finish(number, points[number][0], latency=points[number][1])
        found.add(tuple(seen.rollout for seen in history.state.front))
    assert found == {(0, 2, 3)}


def test_a_discarded_run_leaves_the_front() -> None:
    history = told(History(asked=FRONT), (1.0, 10.0), (2.0, 5.0))
    history.add(RunDiscarded, run_id="my_test.r.1", why="wrong", id="1")
    assert [seen.rollout for seen in history.state.front] == [0]


def test_one_goal_made_two_has_to_be_said_and_is_then_judged_anew() -> None:
    history = told(History(), (1.0, 10.0), (2.0, 20.0))
    now = History(asked=FRONT).spec
    with pytest.raises(Exception, match="change=metric,goal"):
        check_request(history.state, now)
    assert {change.key for change in check_request(history.state, now, said=("metric", "goal"))} >= {"metric", "goal"}
    assert [seen.rollout for seen in history.ask(**FRONT).state.front] == [0, 1]


def test_a_view_by_one_goal_leaves_the_sweep_as_it_is() -> None:
    state = told(History(asked=FRONT), (1.0, 10.0), (2.0, 20.0)).state
    one = state.judged_by(replace(state.spec, metric="latency", goal=Goal.MINIMIZE, objectives=()))
    assert one.incumbent is not None
    assert one.incumbent.rollout == 0
    assert state.incumbent is None
    assert [seen.rollout for seen in state.front] == [0, 1]


def test_a_request_with_goals_and_bounds_is_read_back_from_the_journal() -> None:
    event = History(asked={**FRONT, "bounds": (BOUND,)}).events[0]
    assert from_json(to_json(event)) == event


def test_hypervolume_is_the_volume_that_is_dominated() -> None:
    assert hypervolume([(2.0, 1.0), (1.0, 2.0)], (0.0, 0.0)) == pytest.approx(3.0)
    assert hypervolume([(1.0, 1.0, 1.0), (2.0, 0.5, 0.5)], (0.0, 0.0, 0.0)) == pytest.approx(1.25)
    assert hypervolume([(1.0, -1.0)], (0.0, 0.0)) == 0.0


@pytest.mark.parametrize("size", [2, 3, 4])
def test_hypervolume_is_what_darts_tell(size: int) -> None:
    rng = random.Random(size)
    points = [tuple(rng.random() for _ in range(size)) for _ in range(6)]
    darts = [tuple(rng.random() for _ in range(size)) for _ in range(4000)]
    hit = sum(any(dominates(point, dart) for point in points) for dart in darts) / len(darts)
    assert hypervolume(points, (0.0,) * size) == pytest.approx(hit, abs=0.04)


def test_a_front_of_one_point_in_a_flat_box_has_no_share() -> None:
    assert share_of_box([(1.0, 1.0)], [(1.0, 1.0), (1.0, 0.0)]) is None


def test_the_growth_of_a_front_counts_what_came_until_then() -> None:
    state = told(History(asked=FRONT), (1.0, 10.0), (2.0, 20.0), (3.0, 5.0)).state
    sizes = [points for points, _ in growth(state.observations.values(), state.spec.objectives)]
    assert sizes == [1, 2, 1]


def test_a_point_whose_fresh_runs_break_a_bound_is_not_the_confirmed_best() -> None:
    history = told(History(asked={"bounds": (BOUND,), "rollout_count": 2}), (1.0, 5.0), (2.0, 19.0)).choose(1, 0)
    for rollout, reward, latency in ((1, 2.0, 24.0), (1, 2.1, 22.0), (0, 1.0, 5.0), (0, 1.1, 5.0)):
        number = len(history.state.runs)
        planned = PlannedRun(run_id=history.run(number), seed=number)
        history.add(ConfirmationPlanned, rollout=rollout, run=planned, max_retries=2)
        history.start(number).finish(number, reward, latency=latency)
    verdict = verdict_of(history.stop().state)
    assert verdict is not None
    assert [(one.rollout, one.breaks) for one in verdict.points] == [(0, ""), (1, "latency <= 20")]
    assert verdict.winner is not None
    assert verdict.winner.rollout == 0
