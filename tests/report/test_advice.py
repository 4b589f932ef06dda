from dataclasses import replace
from pathlib import Path

import pytest

from metta_sweep.goal import Goal
from metta_sweep.optimize.port import Importance
from metta_sweep.report import Place, rows_of
from metta_sweep.report.advice import advice
from metta_sweep.report.best import winner_of
from metta_sweep.report.requested_space import space_of
from metta_sweep.report.surrogate import Surrogate
from tests.factories import Directories, History

PLACE = Place(paths=Directories(), cwd=Path("/lab"))


def told(history: History, surrogate: Surrogate | None = None) -> str:
    rows = rows_of(history.state)
    winner = winner_of(history.state, rows, PLACE) if rows.best_rollout is not None else None
    return "\n".join(advice(rows, winner, space_of(history.state.spec), surrogate, "metta-sweep confirm"))


def point(rate: float = 0.001, batch: int = 64) -> dict[str, float]:
    return {"trainer.learning_rate": rate, "trainer.batch_size": batch, "trainer.gamma": 0.99}


def test_a_best_value_at_its_bound_asks_for_a_wider_range() -> None:
    said = told(History().rollout(0.5, params=point(rate=0.01)))
    assert "trainer.learning_rate of the best, 0.01, lies at its upper bound: widen its range." in said
    assert "lower bound" in told(History().rollout(0.5, params=point(rate=0.0001)))
    assert "bound" not in told(History().rollout(0.5, params=point()))


def test_one_run_is_called_luck_and_several_are_not() -> None:
    assert "part of it is luck" in told(History().rollout(0.5))
    assert "luck" not in told(History(asked={"num_samples": 2}).rollout(0.5, 0.6))


def test_a_sweep_that_was_still_improving_should_go_on() -> None:
    history = History(asked={"rollout_count": 5})
    for value in (0.1, 0.2, 0.3, 0.4, 0.5):
        history.rollout(value)
    assert "rollout_count, such as 10" in told(history)
    early = History(asked={"rollout_count": 5})
    for value in (0.5, 0.2, 0.3, 0.4, 0.1):
        early.rollout(value)
    assert "rollout_count" not in told(early)


def test_a_late_best_that_is_no_better_than_an_early_one_is_no_improvement() -> None:
    history = History(asked={"rollout_count": 5})
    for value in (0.5, 0.2, 0.3, 0.4, 0.5):
        history.rollout(value)
    rows = rows_of(history.state)
    late = replace(winner_of(history.state, rows, PLACE), rollout=rows.rollouts[4])  # as a confirmation may choose
    assert "rollout_count" not in "\n".join(advice(rows, late, None, None, "metta-sweep confirm"))


@pytest.mark.parametrize(
    ("goal", "values", "declared", "said"),
    [
        (Goal.MAXIMIZE, (0.1, 0.2, 0.3, 0.4, 1.0), [0, 1], "The best has reward 1, the most that it can be."),
        (Goal.MINIMIZE, (0.1, 0.2, 0.3, 0.4, 0.0), None, "The best has reward 0, the least that it can be."),
    ],
)
def test_where_nothing_can_be_better_no_range_is_to_be_wider(goal, values, declared, said) -> None:
    history = History(goal=goal, asked={"rollout_count": 5, "protein": {"metric_range": declared}})
    for value in values:
        history.rollout(value, params=point(rate=0.01))
    found = told(history)
    assert said in found
    assert "bound" not in found
    assert "larger rollout_count" not in found


def test_parameters_that_hardly_mattered_are_named_and_never_all_of_them() -> None:
    idle = Importance(name="trainer.gamma", share=0.01, low=0.0, high=0.03)
    vital = Importance(name="trainer.learning_rate", share=0.9, low=0.8, high=1.0)
    history = History().rollout(0.5)
    assert "(trainer.gamma): fix it" in told(history, Surrogate(slices=(), importances=(vital, idle), points=9))
    assert "hardly" not in told(history, Surrogate(slices=(), importances=(idle,), points=9))


def test_a_parameter_that_hardly_mattered_is_not_worth_a_wider_range() -> None:
    idle = Importance(name="trainer.learning_rate", share=0.01, low=0.0, high=0.03)
    vital = Importance(name="trainer.gamma", share=0.9, low=0.8, high=1.0)
    history = History().rollout(0.5, params=point(rate=0.01))
    assert "bound" not in told(history, Surrogate(slices=(), importances=(vital, idle), points=9))


def test_a_region_that_fails_should_be_left_out() -> None:
    history = History(asked={"rollout_count": 30})
    for _ in range(8):
        history.rollout(0.5, params=point(batch=64))
    for _ in range(4):
        history.suggest(point(batch=128))
        number = len(history.state.runs) - 1
        history.start(number).fail(number)
    assert "oom: batch_size >= 128 (finished: <= 64). Leave that region out." in told(history)


def test_without_a_score_there_is_nothing_to_advise() -> None:
    assert told(History()) == ""


def test_different_points_with_one_score_hint_at_a_metric_that_does_not_depend_on_them() -> None:
    history = History(asked={"rollout_count": 9})
    for rate in (0.001, 0.002, 0.003):
        history.rollout(0.5, params=point(rate=rate))
    assert "3 different points gave the same reward, 0.5: " in told(history)
    assert "gave the same" not in told(history.rollout(0.6, params=point(rate=0.004)))
    assert "gave the same" not in told(History().rollout(0.5).rollout(0.5).rollout(0.5))


def test_a_best_run_whose_policy_explores_no_more_or_whose_value_explains_nothing_is_told() -> None:
    said = told(learned(entropy_share=0.001, explained_variance=-0.2))
    assert "tries nothing new any more (train/entropy_share is 0.001 of 1)" in said
    assert "explains nothing of the returns (train/explained_variance is -0.2 of 1)" in said
    fine = told(learned(entropy_share=0.3, explained_variance=0.7))
    assert "policy" not in fine
    assert "value function" not in fine


def learned(**measured: float) -> History:
    """A sweep of one run whose trainer says this of its learning."""
    return History().suggest().start(0).finish(0, 0.5, **{f"train/{name}": value for name, value in measured.items()})
