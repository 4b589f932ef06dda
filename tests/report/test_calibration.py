import random

from metta_sweep.goal import Goal
from metta_sweep.report import rows_of
from metta_sweep.report.calibration import Calibration, calibration, coverage, interval_50, verdict
from tests.factories import History, prediction


def sweep(outcomes: list[float], width: float = 0.2, goal: Goal = Goal.MAXIMIZE) -> Calibration:
    history = History(goal=goal, asked={"rollout_count": 99})
    for value in outcomes:
        history.rollout(value, predicted=prediction(0.5, width))
    return calibration(rows_of(history.state))


def test_coverage_counts_outcomes_in_their_intervals() -> None:
    found = sweep([0.5, 0.55, 0.65, 0.9])
    assert (found.total, found.within_50, found.within_90, found.better) == (4, 2, 3, 3)
    assert coverage(found) == "3 of 4 outcomes (75%) in their 90% interval, 2 (50%) in their 50% interval"


def test_the_even_interval_of_a_normal_has_its_quartiles() -> None:
    low, high = interval_50(prediction(0.0, 1.64485))
    assert abs(low + 0.67449) < 1e-4
    assert abs(high - 0.67449) < 1e-4


def test_rollouts_without_a_prediction_or_a_score_do_not_count() -> None:
    history = History(asked={"rollout_count": 9}).rollout(0.5).suggest(predicted=prediction()).start(1).fail(1)
    assert calibration(rows_of(history.state)).total == 0


def test_a_calibrated_model_is_called_wrong_in_few_sweeps() -> None:
    rng = random.Random(1)
    called = sum(
        bool(
            verdict(
                Calibration(
                    total=40,
                    within_50=sum(abs(z) < 0.67449 for z in draws),
                    within_90=sum(abs(z) < 1.64485 for z in draws),
                    better=sum(z > 0 for z in draws),
                    cost_within_90=40,
                )
            )
        )
        for draws in ([rng.gauss(0, 1) for _ in range(40)] for _ in range(500))
    )
    assert called / 500 < 0.05  # four one-sided tests of 1% each


def test_a_model_that_is_badly_off_is_called_so_in_words() -> None:
    off = [0.9, 0.1] * 6
    assert "too narrow" in verdict(sweep(off))
    assert "too wide" in verdict(sweep([0.5, 0.51, 0.49] * 5, width=2.0))
    assert "expects too much" in verdict(sweep([0.45] * 12))
    assert "expects too little" in verdict(sweep([0.45] * 12, goal=Goal.MINIMIZE))


def test_few_outcomes_prove_nothing() -> None:
    assert verdict(sweep([0.9] * 7)) == ""
