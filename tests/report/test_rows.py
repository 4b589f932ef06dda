import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.goal import Goal
from metta_sweep.report import rows_of
from metta_sweep.report.rows import RolloutState
from metta_sweep.sweep.records import FailureClass
from tests.factories import History


@pytest.mark.slow
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6), st.sampled_from(Goal))
def test_the_overall_best_run_is_the_best_of_all_and_the_earliest_among_equals(values: list[float], goal: Goal) -> None:
    history = History(goal=goal)
    for value in values:
        history.rollout(value)
    best = rows_of(history.state).best_run
    wanted = max(values) if goal is Goal.MAXIMIZE else min(values)
    assert best is not None
    assert (best.metric, best.run_id) == (wanted, history.run(values.index(wanted)))


def test_the_best_rollout_is_the_best_mean_and_not_the_one_with_the_luckiest_run() -> None:
    history = History(asked={"num_samples": 2}).rollout(0.1, 0.9).rollout(0.6, 0.7)
    rows = rows_of(history.state)
    assert rows.best_run is not None
    assert rows.best_rollout is not None
    assert rows.best_run.run_id == "my_test.r.1"
    assert rows.best_rollout.index == 1
    assert math.isclose(rows.best_rollout.mean or 0, 0.65)
    assert math.isclose(rows.best_rollout.standard_error or 0, 0.05)


def test_a_rollout_is_where_its_runs_are() -> None:
    history = History(asked={"num_samples": 2, "rollout_count": 9}).rollout(0.5, 0.5).suggest()
    assert rows_of(history.state).rollouts[1].state is RolloutState.WAITING
    history.start(2).finish(2, 0.7)
    assert rows_of(history.state).rollouts[1].state is RolloutState.RUNNING
    history.start(3).fail(3, "diverged", "reward is nan")
    rollout = rows_of(history.state).rollouts[1]
    assert rollout.state is RolloutState.FAILED
    assert rollout.failure is not None
    assert rollout.failure.kind is FailureClass.DIVERGED
    assert rollout.mean is None
    assert rollout.best is not None
    assert rollout.best.metric == 0.7


def test_a_result_without_the_metric_leaves_its_rollout_unscored() -> None:
    history = History().rollout(0.5).ask().events
    renamed = History(metric="score", events=[], asked={})
    renamed.events = [*history, renamed.events[0]]
    row = rows_of(renamed.state).rollouts[0]
    assert row.state is RolloutState.UNSCORED
    assert row.best is None


def test_totals_count_each_run_once() -> None:
    history = History(asked={"rollout_count": 9}).rollout(0.5).suggest().start(1).fail(1).suggest().start(2).suggest()
    rows = rows_of(history.state)
    assert {str(state): n for state, n in rows.run_counts.items()} == {
        "finished": 1,
        "failed": 1,
        "running": 1,
        "waiting": 1,
    }
    assert rows.cost_s == 10.0 + 3.0
    assert rows.decided == 2
    assert not rows.is_complete
