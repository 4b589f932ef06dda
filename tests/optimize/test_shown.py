"""What a metric has shown of where it ends, and that no interval leaves it."""

import math

import numpy as np
import pytest

from metta_sweep import Protein
from metta_sweep.errors import RequestError
from metta_sweep.goal import Goal
from metta_sweep.optimize.port import SearchTask
from metta_sweep.optimize.protein.outputs import ScoreTransform
from metta_sweep.optimize.registry import from_json, to_json
from metta_sweep.optimize.shown import Metric, Shown

SPACE = {name: {"distribution": "uniform", "min": 0.0, "max": 1.0} for name in ("a", "b")}
HALVES = [(share, 0.5, 1.0) for share in (0.25, 0.5, 0.75)]


def shown(
    values: list[float], goal: str = "maximize", name: str = "", least: float = -math.inf, most: float = math.inf
) -> Shown:
    sign, metric = Goal(goal).sign, Metric(name=name, least=least, most=most)
    return Shown.of(sign * np.array(values), np.linspace(0, 1, len(values))[:, None], sign, metric)


def taught(values: list[float], goal: str, metric: str = "") -> Protein:
    protein = Protein(SPACE, goal=goal, metric=metric, seed=1)
    for k, value in enumerate(values):
        curve = [(share, value, share) for share, _, _ in HALVES]
        protein.observe({"a": (k * 0.37) % 1.0, "b": (k * 0.61) % 1.0}, value, curve=curve)
    return protein


def test_a_loss_that_was_never_negative_ends_at_0() -> None:
    assert shown([0.3, 0.1, 2.0, 0.2], "minimize").within(np.array([0.5, -0.5])).tolist() == [0.0, -0.5]


def test_a_metric_that_was_negative_once_has_no_end_at_0() -> None:
    assert shown([0.3, 0.1, -0.01, 0.2], "minimize") == Shown()


def test_a_reward_within_0_and_1_may_get_more() -> None:
    assert shown([0.3, 0.5, 0.9, 0.99], name="reward").ceiling == math.inf


@pytest.mark.parametrize("name", ["accuracy", "val/acc", "test_f1_macro", "Acc@1", "success_rate"])
def test_a_share_by_its_name_ends_at_1(name: str) -> None:
    assert shown([0.3, 0.5, 0.9, 0.99], name=name).ceiling == 1.0


def test_a_share_in_percent_ends_at_100() -> None:
    assert shown([30.0, 50.0, 90.0, 99.0], name="accuracy").ceiling == 100.0


def test_a_share_that_was_more_than_100_is_none() -> None:
    assert shown([30.0, 50.0, 190.0, 99.0], name="accuracy").ceiling == math.inf


def test_a_weighted_sum_with_a_share_in_it_is_no_share() -> None:
    assert shown([0.3, 0.5, 0.9, 0.99], name="accuracy + 0.5*speed").ceiling == math.inf


def test_a_1_that_comes_back_and_is_never_exceeded_is_an_end() -> None:
    assert shown([0.3, 1.0, 1.0, 1.0]).ceiling == 1.0


def test_a_worst_value_that_comes_back_is_an_end_and_a_best_one_is_not() -> None:
    found = shown([-21.0, -21.0, -21.0, -3.0, 5.0, 5.0, 5.0])
    assert (found.floor, found.ceiling) == (-21.0, math.inf)


def test_the_same_point_again_shows_no_end() -> None:
    same = np.zeros((3, 1))
    points = np.concatenate([same, [[0.5], [0.9]]])
    assert Shown.of(np.array([-2.0, -2.0, -2.0, 1.0, 3.0]), points, 1.0) == Shown()


def test_few_values_show_nothing() -> None:
    assert shown([0.3, 0.5, 0.9], name="accuracy") == Shown()


@pytest.mark.parametrize(("goal", "floor", "ceiling"), [("maximize", -21.0, 21.0), ("minimize", -21.0, 21.0)])
def test_a_declared_range_holds_from_the_first_result_on(goal: str, floor: float, ceiling: float) -> None:
    for values in ([], [3.0], [3.0, 4.0, 5.0, 6.0]):
        found = shown(values, goal, least=-21.0, most=21.0)
        assert (found.floor, found.ceiling) == (floor, ceiling)


def test_a_declared_end_stands_instead_of_what_was_shown_on_its_side_alone() -> None:
    found = shown([-20.0, -20.0, -20.0, 5.0], least=-21.0)
    assert (found.floor, found.ceiling) == (-21.0, math.inf)
    found = shown([0.3, 0.5, 0.9, 0.99], name="accuracy", least=-1.0)
    assert (found.floor, found.ceiling) == (-1.0, 1.0)


def test_a_result_beyond_a_declared_end_takes_that_end_away_and_no_other() -> None:
    found = shown([-0.5, 0.5, 0.9, 1.2], least=-1.0, most=1.0)
    assert (found.floor, found.ceiling) == (-1.0, math.inf)


def test_what_the_file_declares_is_where_intervals_end() -> None:
    settings = {"metric_range": [None, 1.0]}
    protein = Protein(SPACE, metric="reward", seed=1, settings=settings)
    for k, value in enumerate([-3.0, 0.98, 0.97, 0.2, 0.995, 0.999]):
        protein.observe({"a": (k * 0.37) % 1.0, "b": (k * 0.61) % 1.0}, value)
    said, points = protein.suggest().predicted, [{"a": a, "b": 0.5} for a in (0.0, 0.5, 1.0)]
    assert said is not None
    assert said.score_high == 1.0
    assert all(one.high <= 1.0 for one in protein.expect(points) or ())


def test_ranges_of_several_metrics_are_by_name() -> None:
    goal = {"val.reward": "maximize", "latency": "minimize"}
    with pytest.raises(RequestError, match="range of each by its name"):
        Protein(SPACE, goal=goal, settings={"metric_range": [0, 1]})
    with pytest.raises(RequestError, match=r"metric_range\.lag: there is no such metric"):
        Protein(SPACE, goal=goal, settings={"metric_range": {"lag": [0, 1]}})
    protein = Protein(SPACE, goal=goal, settings={"metric_range": {"val": {"reward": [-2.0, 1.0]}}}, seed=1)
    for k, (reward, latency) in enumerate([(-1.9, 3.0), (0.99, 0.01), (0.97, 0.02), (0.5, 9.0), (0.995, 0.01)]):
        protein.observe({"a": (k * 0.37) % 1.0, "b": (k * 0.61) % 1.0}, {"val.reward": reward, "latency": latency})
    said = protein.suggest().predicted
    assert said is not None
    assert -2.0 <= said.score_low <= said.score_high <= 1.0


@pytest.mark.parametrize("wrong", [[1, 0], [0, 0], [0], 1, ["a", 1], [0, math.inf], {"reward": [1, 0]}, [True, 2]])
def test_a_range_is_two_numbers_of_which_the_second_is_larger(wrong: object) -> None:
    with pytest.raises(RequestError, match=r"protein\.metric_range.*: need \[smallest, largest\]"):
        Protein(SPACE, settings={"metric_range": wrong})


@pytest.mark.parametrize(
    ("goal", "metric", "values", "low", "high"),
    [
        ("minimize", "loss", [2.0, 0.01, 0.03, 0.9, 0.002, 0.004], 0.0, math.inf),
        ("maximize", "accuracy", [0.2, 0.99, 0.97, 0.5, 0.995, 0.998], 0.0, 1.0),
    ],
)
def test_no_interval_of_any_kind_leaves_what_is_possible(
    goal: str, metric: str, values: list[float], low: float, high: float
) -> None:
    protein = taught(values, goal, metric)
    said, points = protein.suggest().predicted, [{"a": a, "b": 0.5} for a in (0.0, 0.5, 1.0)]
    expected, learned = protein.expect(points), protein.insight(points)
    outlook = protein.outlook(points[0], [(0.5, values[1], 0.5)])
    assert said is not None
    assert expected is not None
    assert learned is not None
    shown = [said.score_low, said.score, said.score_high, *outlook.final]
    shown += [each for one in (*expected, *learned.expected) for each in (one.low, one.mean, one.high)]
    shown += [each for one in learned.slices for each in (*one.low, *one.mean, *one.high)]
    assert all(low <= each <= high for each in shown)
    assert min(shown) == low or max(shown) == high, "an end that nothing reaches tests nothing"


@pytest.mark.parametrize("gain", [1.0, 0.5, 0.0])
def test_beyond_the_best_that_was_seen_expectations_grow_no_faster_than_there(gain: float) -> None:
    score_map = ScoreTransform.fit(np.array([0.0, 0.1, 0.12, 0.15, 0.2, 0.9]), gain)
    top, step = score_map.forward(np.array(0.9)), 1.0 / score_map.slope(np.array(0.9))
    told = score_map.expected(top + np.array([-0.5, 0.0, 1.0, 3.0]))
    assert told[:2] == pytest.approx(score_map.inverse(top + np.array([-0.5, 0.0])))
    assert told[2:] == pytest.approx(0.9 + step * np.array([1.0, 3.0]))


def test_each_of_several_goals_keeps_within_its_own_ends() -> None:
    protein = Protein(SPACE, goal={"accuracy": "maximize", "latency": "minimize"}, seed=1)
    for k, (accuracy, latency) in enumerate([(0.2, 3.0), (0.99, 0.01), (0.97, 0.02), (0.5, 9.0), (0.995, 0.01)]):
        protein.observe({"a": (k * 0.37) % 1.0, "b": (k * 0.61) % 1.0}, {"accuracy": accuracy, "latency": latency})
    said = protein.suggest().predicted
    assert said is not None
    assert 0.0 <= said.score_low <= said.score_high <= 1.0
    assert all(one.low >= 0.0 for one in said.others)


def test_the_name_of_the_metric_reaches_an_optimizer_in_its_own_process() -> None:
    task = SearchTask(space=Protein(SPACE).space, goal="maximize", seed=0, metric="accuracy")
    assert from_json(to_json("protein", task))[1].metric == "accuracy"
