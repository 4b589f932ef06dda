"""What ``metric``, ``goal``, ``weights`` and ``bounds`` may say, and what is said of each mistake."""

from __future__ import annotations

import pytest

from metta_sweep.config.aims import bounds_on_settings, read_aims, unsupported
from metta_sweep.goal import Bound, Goal, Objective

TWO = {"metric": ["reward", "latency"], "goal": ["maximize", "minimize"]}


def problems(**sweep):
    return read_aims(sweep)[1]


def test_one_metric_and_one_goal_are_handed_on_as_they_stand():
    aims, wrong = read_aims({"metric": "reward", "goal": "up"})
    assert (aims.metric, aims.goal, aims.objectives, aims.bounds, wrong) == ("reward", "up", (), (), [])


@pytest.mark.parametrize("goal", [["maximize", "minimize"], {"latency": "minimize", "reward": "maximize"}])
def test_goals_are_in_the_order_of_the_metrics_or_by_name(goal):
    aims, wrong = read_aims({**TWO, "goal": goal})
    assert not wrong
    assert aims.objectives == (
        Objective(metric="reward", goal=Goal.MAXIMIZE),
        Objective(metric="latency", goal=Goal.MINIMIZE),
    )
    assert aims.has_front
    assert aims.names == ("reward", "latency")


@pytest.mark.parametrize("weights", [[2, 0.02], {"latency": 0.02, "reward": 2}])
def test_weights_make_one_metric_of_several(weights):
    aims, wrong = read_aims({**TWO, "weights": weights})
    assert not wrong
    assert (aims.metric, aims.goal, aims.has_front) == ("reward - 0.01*latency", "maximize", False)


@pytest.mark.parametrize("bounds", ["latency <= 20", ["latency <= 20"], ["latency <= 20", "20 >= latency"]])
def test_bounds_are_one_text_or_a_list(bounds):
    aims, wrong = read_aims({"metric": "reward", "goal": "maximize", "bounds": bounds})
    assert (aims.bounds, wrong) == ((Bound(metric="latency", limit=20.0, is_upper=True),), [])
    assert (aims.names, aims.key_of("latency"), aims.key_of("reward")) == (("reward", "latency"), "bounds", "metric")


@pytest.mark.parametrize("form", [["reward"], "reward"])
def test_a_list_of_one_metric_is_one_metric(form):
    aims, wrong = read_aims({"metric": form, "goal": ["minimize"]})
    assert (aims.metric, aims.goal, aims.objectives, wrong) == ("reward", "minimize", (), [])


@pytest.mark.parametrize(
    ("sweep", "key", "said"),
    [
        ({**TWO, "goal": ["maximize"] * 3}, "goal", "for each of the 2 metrics (reward, latency), got 3"),
        ({**TWO, "goal": ["maximize"]}, "goal", "got 1"),
        ({**TWO, "goal": "maximize"}, "goal", "need a goal for each"),
        ({**TWO, "goal": {"reward": "maximize"}}, "goal", "need a goal for latency too"),
        ({**TWO, "goal": ["maximise", "minimize"]}, "goal.0", "need one of maximize, minimize"),
        ({**TWO, "weights": {"reward": 1}}, "weights", "need a weight for latency too"),
        ({**TWO, "weights": {"reward": 1, "latancy": 1}}, "weights.latancy", "there is no such metric"),
        ({**TWO, "weights": [1, -1]}, "weights.1", "need a number above 0"),
        ({**TWO, "weights": [1, float("nan")]}, "weights.1", "need a number above 0"),
        ({**TWO, "weights": [1, True]}, "weights.1", "need a number above 0"),
        ({**TWO, "weights": 1}, "weights", "need a weight for each"),
        ({**TWO, "metric": ["reward", "reward"]}, "metric", "is named twice"),
        ({**TWO, "metric": ["reward", 3]}, "metric.1", "need a metric's name"),
        ({**TWO, "metric": []}, "metric", "need 1 to 4 metrics, got 0"),
        ({**TWO, "metric": ["a", "b", "c", "d", "e"]}, "metric", "need 1 to 4 metrics, got 5"),
        ({"metric": {"reward": "maximize"}, "goal": "maximize"}, "metric", "need a metric's name or a list"),
        ({"metric": "reward", "goal": "maximize", "weights": [1, 2]}, "weights", "there is one"),
        ({"metric": "reward", "goal": ["maximize", "minimize"]}, "goal", "need one goal for the one metric"),
        ({"metric": "reward", "goal": "maximize", "bounds": ["latency < 20"]}, "bounds.0", "need <= or >="),
        ({"metric": "reward", "goal": "maximize", "bounds": [20]}, "bounds.0", "need METRIC <= NUMBER"),
        ({"metric": "reward", "goal": "maximize", "bounds": {"latency": "<= 20"}}, "bounds", "need a list"),
        (
            {"metric": "reward", "goal": "maximize", "bounds": ["latency <= 2", "latency >= 3"]},
            "bounds",
            "no value of latency keeps both",
        ),
    ],
)
def test_a_mistake_has_one_message(sweep, key, said):
    (found,) = problems(**sweep)
    assert found[0] == key
    assert said in found[1]


def test_a_bound_on_a_setting_says_where_it_belongs():
    aims, _ = read_aims({"metric": "reward", "goal": "maximize", "bounds": ["lr <= 0.1", "steps >= 5"]})
    found = list(bounds_on_settings(aims, ["lr"], ["steps"]))
    assert [what for _, what, _ in found] == [
        "lr is a swept parameter: a bound is on a metric that runs report",
        "steps is a setting of the training: a bound is on a metric that runs report",
    ]
    assert all("constraints: [" in fix for _, _, fix in found)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("early_stop", "auto"),
        ("confirm", {"top_k": 2}),
        ("limits", {"target": 1.0}),
        ("from", ["other"]),
        ("common_seeds", True),
    ],
)
def test_what_needs_one_best_does_not_go_with_a_front(key, value):
    aims, _ = read_aims(TWO)
    assert [found.partition(".")[0] for found, _, _ in unsupported(aims, {key: value}, {})] == [key]
    weighted, _ = read_aims({**TWO, "weights": [1, 1]})
    assert list(unsupported(weighted, {key: value}, {})) == []


def test_a_constraint_on_a_metric_is_told_where_bounds_are_written(desk):
    sweep = """
    sweep:
      metric: reward
      constraints: [latency <= 20]
      parameters:
        trainer.learning_rate: {distribution: log_normal, min: 0.0001, max: 0.01}
    """
    assert "bounds: [latency <= 20]" in desk.message(sweep)
