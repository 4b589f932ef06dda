"""Protein with several goals and with bounds: laws of the suggestion, and what the formula says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metta_sweep.errors import RequestError
from metta_sweep.goal import Bound, Goal, Objective
from metta_sweep.optimize.port import SearchTask
from metta_sweep.optimize.protein import Protein, tradeoff
from metta_sweep.optimize.protein.boxes import undominated, undominated_boxes
from metta_sweep.optimize.protein.front_acquisition import _sizes, boxes_of
from metta_sweep.optimize.protein.outputs import ScoreTransform
from metta_sweep.optimize.registry import from_json, to_json
from metta_sweep.optimize.worker import OptimizerProcess

SPACE = {
    "x": {"min": 0.0, "max": 1.0, "mean": 0.5, "distribution": "uniform"},
    "y": {"min": 0.0, "max": 1.0, "mean": 0.5, "distribution": "uniform"},
}
GOALS = {"a": "minimize", "b": "minimize"}


def measured(params):
    """Schaffer's problem in x, made worse by y."""
    x, y = params["x"], params["y"]
    return {"a": x**2 + y, "b": (x - 1.0) ** 2 + y}


def protein(**more):
    return Protein(SPACE, **{"goal": GOALS, "settings": {"candidates": 64, "hyper_samples": 2}, **more})


def points(count=7):
    rng = np.random.default_rng(0)
    return [{"x": float(x), "y": float(y)} for x, y in rng.random((count, 2))]


def taught(optimizer, order=None):
    known = points()
    for at in order if order is not None else range(len(known)):
        optimizer.observe(known[at], measured(known[at]), cost=1.0 + known[at]["x"])
    return optimizer


@pytest.mark.slow
def test_the_order_of_observations_does_not_change_the_next_suggestion() -> None:
    assert taught(protein()).suggest() == taught(protein(), order=[3, 0, 6, 2, 5, 1, 4]).suggest()


@pytest.mark.slow
def test_a_pending_point_is_not_proposed_again() -> None:
    optimizer = taught(protein())
    first = optimizer.suggest()
    second = optimizer.suggest([first.params])
    assert max(abs(first.params[name] - second.params[name]) for name in SPACE) > 0.004


def test_a_suggestion_says_what_is_expected_of_every_metric() -> None:
    found = taught(protein()).suggest()
    assert found.predicted is not None
    assert [one.metric for one in found.predicted.others] == ["b"]
    assert "expects a " in found.reason
    assert ", b " in found.reason


@pytest.mark.slow
def test_a_front_is_found_where_the_goals_agree_to_be_good() -> None:
    optimizer, found = protein(), []
    for _ in range(14):
        params = optimizer.suggest().params
        optimizer.observe(params, measured(params))
        found.append(params)
    assert np.mean([params["y"] for params in found[-5:]]) < 0.15
    assert max(params["x"] for params in found) - min(params["x"] for params in found) > 0.5


@pytest.mark.slow
def test_the_best_that_breaks_a_bound_is_not_sought() -> None:
    optimizer = Protein(SPACE, goal={"r": "maximize"}, bounds=["x_used <= 0.5"], settings={"candidates": 64})
    found = []
    for _ in range(12):
        params = optimizer.suggest().params
        optimizer.observe(params, {"r": params["x"] - (params["y"] - 0.3) ** 2, "x_used": params["x"]})
        found.append(params)
    assert sum(params["x"] <= 0.5 for params in found[-6:]) >= 4
    assert max(params["x"] for params in found if params["x"] <= 0.5) > 0.44


def test_while_nothing_keeps_the_bounds_the_search_is_for_what_does() -> None:
    optimizer = Protein(SPACE, goal={"r": "maximize"}, bounds=["r >= 0", "x_used <= 0.1"], settings={"candidates": 64})
    for params in ({"x": 0.9, "y": 0.9}, {"x": 0.6, "y": 0.2}, {"x": 0.7, "y": 0.5}, {"x": 0.8, "y": 0.1}):
        optimizer.observe(params, {"r": params["x"], "x_used": params["x"]})
    found = optimizer.suggest()
    assert found.params["x"] < 0.6
    assert "no point keeps r >= 0 and x_used <= 0.1 yet" in found.reason


def test_a_value_that_is_not_finite_is_a_failure() -> None:
    optimizer = taught(protein())
    optimizer.observe({"x": 0.1, "y": 0.1}, {"a": 1.0, "b": math.nan})
    assert optimizer.suggest().predicted is not None


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: protein(goal={"a": "up"}), "goal.a"),
        (lambda: protein(goal={}), "goal"),
        (lambda: protein(goal="minimize", bounds=["a <= 1"]), "goal"),
        (lambda: protein(bounds=["a < 1"]), "bounds"),
        (lambda: protein().observe(points()[0], {"a": 1.0}), "score.b"),
        (lambda: protein().observe(points()[0], 1.0), "score"),
        (lambda: protein().observe(points()[0], {"a": 1.0, "b": 2.0}, noise={"a": -1.0}), "noise"),
        (lambda: Protein(SPACE).observe(points()[0], {"a": 1.0}), "score"),
        (lambda: protein().observe_by_seed(points()[0], {0: 1.0}), "scores"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(make, key) -> None:
    with pytest.raises(RequestError) as caught:
        make()
    assert caught.value.problems[0].key == key


def test_a_task_with_goals_and_bounds_survives_the_way_to_its_process() -> None:
    objectives = (Objective(metric="a", goal=Goal.MINIMIZE), Objective(metric="b", goal=Goal.MAXIMIZE))
    bounds = (Bound(metric="a", limit=1.0, is_upper=True),)
    task = SearchTask(space=Protein(SPACE).space, goal="minimize", seed=1, objectives=objectives, bounds=bounds)
    assert from_json(to_json("protein", task))[1].objectives == objectives
    assert from_json(to_json("protein", task))[1].bounds == bounds


@pytest.mark.slow
def test_the_twin_in_its_own_process_proposes_the_same() -> None:
    own = taught(Protein(SPACE, goal=GOALS, settings={"candidates": 64}))
    objectives = tuple(Objective(metric=name, goal=Goal(goal)) for name, goal in GOALS.items())
    task = SearchTask(space=own.space, goal="minimize", seed=0, settings={"candidates": 64}, objectives=objectives)
    process = OptimizerProcess("protein", task)
    try:
        assert taught(process).suggest() == own.suggest()
    finally:
        process.close()


def test_of_a_metric_that_is_traded_off_the_worst_values_are_told_apart() -> None:
    scores = -np.array([2.9, 3.0, 3.1, 4.0, 4.1, 5.9, 18.0, 34.0])
    told = ScoreTransform.fit(scores, traded=True)
    assert told.inverse(told.forward(scores)) == pytest.approx(scores)


# ---------------------------------------------------------------- the formula


@pytest.mark.parametrize("size", [2, 3, 4])
def test_the_boxes_fill_what_no_point_dominates_and_do_not_overlap(size: int) -> None:
    rng = np.random.default_rng(size)
    front = rng.random((6, size))
    lower, upper = undominated_boxes(front, np.zeros(size))
    darts = rng.random((500, size))
    inside = ((darts[:, None] > lower) & (darts[:, None] <= upper)).all(-1).sum(1)
    dominated = (front[None] >= darts[:, None]).all(-1).any(1)
    assert (inside == ~dominated).all()


def test_the_undominated_points_are_found_once() -> None:
    found = undominated(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]))
    assert found.tolist() == [0, 1]


def test_expected_hypervolume_improvement_is_what_draws_give() -> None:
    rng = np.random.default_rng(0)
    front = np.array([[0.0, 1.0], [0.6, 0.5], [1.0, 0.0]])
    lower, upper = boxes_of(front)
    mean, deviation = np.array([[0.7, 0.6]]), np.array([[0.3, 0.2]])
    exact = float(_sizes(mean, deviation, lower, upper).prod(-1).sum())
    drawn = mean + deviation * rng.standard_normal((40_000, 2))
    gained = np.clip(np.minimum(drawn[:, None], upper) - lower, 0.0, None).prod(-1).sum(-1)
    assert exact == pytest.approx(gained.mean(), rel=0.03)


def test_the_gradient_is_that_of_the_value(monkeypatch) -> None:
    kept = []
    original = tradeoff.Search

    def remember(**fields):
        kept.append(fields["acquisition"])
        return original(**fields)

    monkeypatch.setattr(tradeoff, "Search", remember)
    for optimizer in (taught(protein()), taught(protein(bounds=["a <= 0.6"]))):
        optimizer.suggest()
        acquisition, step = kept[-1], 1e-5
        at = np.array([[0.45, 0.07], [0.2, 0.3]])
        slope = acquisition.gradient(at)
        for axis in range(2):
            move = step * np.eye(2)[axis]
            numeric = (acquisition.value(at + move) - acquisition.value(at - move)) / (2 * step)
            assert slope[:, axis] == pytest.approx(numeric, rel=2e-3, abs=1e-3)


@pytest.mark.parametrize(("extent", "behind"), [(20.0, 2.0), (0.1, 0.1)])
def test_the_reference_point_lies_a_tenth_behind_the_worst_of_the_front(extent: float, behind: float) -> None:
    lower, _ = boxes_of(np.array([[0.0, extent], [extent, 0.0]]))
    assert lower.min(axis=0) == pytest.approx([-behind, -behind])
