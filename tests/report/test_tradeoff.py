"""What a person reads of several goals and of bounds."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from metta_sweep.errors import RequestError
from metta_sweep.report.best import best
from metta_sweep.report.chosen import chosen_by
from metta_sweep.report.explain import explain
from metta_sweep.report.export import records
from metta_sweep.report.place import Place
from metta_sweep.report.rows import rows_of
from metta_sweep.report.summary import summary
from metta_sweep.track.overview import overview
from tests.factories import Directories, History
from tests.sweep.test_several_goals import BOUND, FRONT, told

POINTS = ((1.0, 10.0), (2.0, 20.0), (0.5, 15.0), (9.0, 30.0))


PLACE = replace(Place.here(Directories()), program="metta-sweep")


def front():
    return told(History(asked={**FRONT, "rollout_count": 4}), *POINTS).stop(message="all 4 rollouts are done").state


def bounded():
    return told(History(asked={"bounds": (BOUND,), "rollout_count": 4}), *POINTS).stop().state


def read(state, fmt="text"):
    return summary(state, paths=Directories(), fmt=fmt)


def test_a_summary_shows_the_front_and_how_one_of_it_is_chosen():
    shown = read(front())
    assert "PARETO FRONT: 3 points, hypervolume" in shown
    assert "Goal: maximize reward, minimize latency" in shown
    assert "best my_test --metric latency" in shown
    assert "--weights reward=1,latency=1" in shown
    assert "OVERALL BEST" not in shown


def test_a_summary_shows_what_breaks_a_bound_and_takes_no_such_point_for_the_best():
    shown = read(bounded())
    assert "Breaks latency <= 20 (it is 30): it is learned from and never the best" in shown
    assert "OVERALL BEST RUN: my_test.r.1" in shown
    assert "Goal: maximize reward with latency <= 20" in shown
    assert "Bounds: 1 of 4 rollouts breaks one" in shown


def test_where_nothing_keeps_the_bounds_the_nearest_is_named():
    state = told(History(asked={"bounds": (BOUND,)}), (1.0, 25.0), (2.0, 40.0)).stop().state
    said = "no rollout keeps latency <= 20; the nearest is rollout 0: reward 1, latency 25"
    assert said in read(state)
    assert "**No rollout keeps latency &lt;= 20; the nearest is rollout 0" in read(state, "markdown")
    with pytest.raises(RequestError, match="has no best"):
        best(state, paths=Directories())


def test_there_is_no_one_best_of_a_front_and_the_message_says_how_to_choose():
    with pytest.raises(RequestError) as caught:
        best(front(), paths=Directories())
    assert "has no one best but a front of 3 points" in str(caught.value)
    assert "--metric reward" in str(caught.value)


def test_one_goal_or_weights_choose_one_of_the_front():
    assert "BEST OF my_test: my_test.r.0" in best(chosen_by(front(), metric="latency"), paths=Directories())
    assert "BEST OF my_test: my_test.r.3" in best(chosen_by(front(), metric="reward"), paths=Directories())
    assert "To know how good it is: metta-sweep rerun my_test.r.3 --seeds 5" in best(
        chosen_by(front(), metric="reward"), paths=Directories(), place=PLACE
    )
    shown = best(chosen_by(front(), weights="reward=1,latency=0.2"), paths=Directories())
    assert "BEST OF my_test: my_test.r.3" in shown
    assert "reward - 0.2*latency: 3" in shown


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ({"metric": "cost"}, "--metric"),
        ({"weights": "reward=1"}, "--weights"),
        ({"weights": "reward=1,latency=-1"}, "--weights"),
        ({"weights": "reward"}, "--weights"),
        ({"metric": "reward", "weights": "reward=1,latency=1"}, "--metric"),
    ],
)
def test_what_chooses_nothing_is_refused(asked, key):
    with pytest.raises(RequestError) as caught:
        chosen_by(front(), **asked)
    assert caught.value.problems[0].key == key


def test_a_sweep_with_one_goal_has_nothing_to_choose():
    with pytest.raises(RequestError, match="has one goal"):
        chosen_by(bounded(), metric="latency")


def test_the_json_has_the_front_and_what_each_rollout_breaks():
    shown = json.loads(read(front(), "json"))
    assert (shown["front"], shown["best_run"], shown["best_rollout"]) == ([0, 1, 3], None, None)
    assert shown["objectives"][1] == {"metric": "latency", "goal": "minimize", "weight": None}
    assert json.loads(read(bounded(), "json"))["rollouts"][3]["breaks"] == ["latency <= 20"]


def test_every_exported_run_says_whether_it_is_on_the_front():
    assert [record["on_front"] for record in records(front(), paths=Directories())] == [True, True, False, True]
    assert [record["breaks"] for record in records(bounded(), paths=Directories())][-1] == "latency <= 20"


def test_an_explanation_tells_every_metric():
    assert "Came out: reward 0.5, latency 15, 10 s" in explain(front())
    assert "breaks latency <= 20 (it is 30)" in explain(bounded())


def test_the_overview_at_wandb_has_the_front_and_its_growth():
    shown = overview(front())
    assert shown.summary["front"] == [0, 1, 3]
    assert "best" not in shown.summary
    assert [row["sweep/front_points"] for row in shown.curves] == [1.0, 2.0, 2.0, 3.0]
    assert overview(bounded()).summary["best_rollout"] == 1
    assert [row["sweep/best"] for row in overview(bounded()).curves] == [1.0, 2.0, 2.0, 2.0]


def test_a_report_draws_the_front():
    pytest.importorskip("plotly")
    from metta_sweep.report.html.gather import gather
    from metta_sweep.report.html.page import html_report

    place = Place.here(Directories())
    for state, words in ((front(), "Hypervolume by rollout"), (bounded(), "breaks a bound")):
        assert words in html_report([gather(state, place, place.cwd)])
    assert "on the front" in html_report([gather(front(), place, place.cwd)])


def test_rows_of_a_front_have_no_best():
    rows = rows_of(front())
    assert (rows.best_run, rows.best_rollout, rows.front) == (None, None, (0, 1, 3))
