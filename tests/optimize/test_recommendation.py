"""Laws of what is recommended: luck is told from merit, and where there is no luck the best score is the best."""

from __future__ import annotations

import random

import numpy as np
import pytest

from metta_sweep import Protein
from metta_sweep.errors import RequestError
from metta_sweep.optimize.protein import recommendation
from metta_sweep.optimize.protein.fitting import Hypers
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.protein.posterior import Posterior
from tests.optimize.test_calibration import between

SPACE = {"x": between(0.0, 1.0)}
LUCKY = {"x": 0.95}


def hill(x: float) -> float:
    return 1.0 - 4.0 * (x - 0.3) ** 2


def around_the_hill(goal: str = "maximize", order: int | None = None) -> Protein:
    """Points of a hill with a little noise, and one far from its top that was lucky."""
    noise = random.Random(0)
    seen = [(x, hill(x) + noise.gauss(0.0, 0.05)) for x in np.linspace(0.0, 0.9, 16).tolist()]
    seen += [(0.93, hill(0.93)), (0.97, hill(0.97)), (LUCKY["x"], 1.2)]
    if order is not None:
        random.Random(order).shuffle(seen)
    protein, sign = Protein(SPACE, goal=goal), 1.0 if goal == "maximize" else -1.0
    for x, score in seen:
        protein.observe({"x": x}, score=sign * score)
    return protein


def test_a_lucky_point_among_bad_ones_is_not_recommended():
    told = around_the_hill().best()
    assert told.luckiest == LUCKY
    assert abs(told.params["x"] - 0.3) < 0.1
    assert 0.6 <= told.chance <= 1.0
    assert told.expected.low < told.expected.mean < told.expected.high
    assert told.luckiest_expected.mean < told.expected.mean


def test_it_is_the_same_in_any_order_and_for_a_metric_of_which_less_is_better():
    told, shuffled, mirrored = (
        around_the_hill().best(),
        around_the_hill(order=1).best(),
        around_the_hill("minimize").best(),
    )
    assert told == shuffled
    assert (mirrored.params, mirrored.chance) == (told.params, pytest.approx(told.chance))
    assert mirrored.expected.mean == pytest.approx(-told.expected.mean)
    assert mirrored.expected.low < mirrored.expected.high


def test_where_scores_are_exact_the_best_score_is_recommended():
    protein = Protein(SPACE)
    for x in np.linspace(0.0, 1.0, 14).tolist():
        protein.observe({"x": x}, score=hill(x))
    told = protein.best()
    assert told.params == told.luckiest == {"x": pytest.approx(4 / 13)}
    assert told.chance == 0.5
    assert told.expected == told.luckiest_expected


def test_a_point_beside_the_luckiest_is_not_worth_a_word(monkeypatch: pytest.MonkeyPatch):
    protein, rng = Protein(SPACE), random.Random(51)
    for i in range(14):
        x = 0.4 + 0.02 * i / 14 if i < 8 else rng.random()
        protein.observe({"x": x}, score=hill(x) + rng.gauss(0.0, 1.0))
    told = protein.best()
    assert (told.params, told.chance) == (told.luckiest, 0.5)
    monkeypatch.setattr(recommendation, "WORTH_IT", 0.0)
    beside = protein.best()
    assert beside.chance > 0.7
    assert beside.params["x"] == pytest.approx(told.params["x"], abs=0.01)


def test_it_is_chosen_from_the_points_that_are_asked_for():
    points = [{"x": 0.0}, {"x": 0.9}]
    assert around_the_hill().best(points).params in points
    assert around_the_hill().best([{"x": 0.123}]) is None, "a point that was never run"
    with pytest.raises(RequestError):
        around_the_hill().best([{"x": 7.0}])


def test_points_come_back_as_they_were_given_with_digits_that_no_suggestion_has():
    protein = Protein({"x": {"min": 1e-5, "max": 0.1, "distribution": "log_normal"}})
    points = [{"x": 0.00123456789012345 * 1.3**i} for i in range(12)]
    for i, point in enumerate(points):
        protein.observe(point, score=-abs(i - 5.0))
    assert protein.best(points).luckiest is points[5]


def test_fewer_than_ten_scores_overrule_nothing():
    protein = Protein(SPACE)
    assert protein.best() is None
    for count in range(1, 11):
        protein.observe_failure({"x": 1.0})
        assert (protein.best() is None) == (count == 1), "a failure has no score"
        protein.observe({"x": count / 20.0}, score=float(-abs(count - 3)))
        told = protein.best()
        assert told.luckiest == {"x": pytest.approx(min(count, 3) / 20.0)}
        assert (told.expected is None) == (told.luckiest_expected is None) == (count < 10)
        assert count == 10 or told.params == told.luckiest


def test_several_goals_have_no_one_best():
    protein = Protein(SPACE, goal={"reward": "maximize", "latency": "minimize"})
    with pytest.raises(RequestError, match="Pareto front"):
        protein.best()


def test_a_point_that_breaks_a_bound_is_never_recommended():
    protein = Protein(SPACE, goal={"reward": "maximize"}, bounds=["latency <= 1"])
    for x in np.linspace(0.0, 1.0, 12).tolist():
        protein.observe({"x": x}, score={"reward": x, "latency": 2.0 * x})
    assert protein.best().params["x"] <= 0.5


@pytest.mark.slow
def test_recommended_points_are_better_than_the_luckiest_under_much_noise():
    lucky, recommended = [], []
    for seed in range(20):
        rng = random.Random(seed)
        protein = Protein({"x": between(0.0, 1.0), "y": between(0.0, 1.0)}, seed=seed)
        for _ in range(30):
            point = {"x": rng.random(), "y": rng.random()}
            protein.observe(point, score=hill(point["x"]) + rng.gauss(0.0, 2.0))
        told = protein.best()
        lucky.append(hill(told.luckiest["x"]))
        recommended.append(hill(told.params["x"]))
    assert sum(recommended) / 20 > sum(lucky) / 20 + 0.05


def test_the_covariance_is_that_of_the_process():
    rng = np.random.default_rng(0)
    points, others = rng.random((20, 2)), rng.random((5, 2))
    theta = np.log([[0.4, 0.7, 1.0, 0.1], [0.2, 1.5, 2.0, 0.3]])
    process = Posterior.of(Geometry(unordered=(0, 0)), Hypers(theta=theta), points, points.sum(1), np.zeros(20))
    covariance = process.covariance(others)
    assert np.allclose(covariance, np.swapaxes(covariance, 1, 2))
    assert np.allclose(np.diagonal(covariance, axis1=1, axis2=2), process.predict(others)[1])
    assert (np.linalg.eigvalsh(covariance) > -1e-9).all()
    # what is known of one point once another has been measured exactly: the Schur complement
    more = Posterior.of(
        process.geometry,
        process.hypers,
        np.concatenate([points, others[:1]]),
        np.concatenate([points.sum(1), [0.0]]),
        np.concatenate([np.zeros(20), [-0.1]]),
    )
    left = covariance[0, 1, 1] - covariance[0, 0, 1] ** 2 / covariance[0, 0, 0]
    assert more.predict(others)[1][0, 1] == pytest.approx(left, rel=1e-4)
