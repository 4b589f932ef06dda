import json

import pytest
from syrupy.assertion import SnapshotAssertion

from metta_sweep.errors import RequestError
from metta_sweep.goal import Goal
from metta_sweep.report import rows_of
from metta_sweep.report.explain import best_before, explain
from tests.factories import History, prediction
from tests.report.test_summary import busy_history


def test_the_explanation_of_a_sweep_stays_as_it_is(snapshot: SnapshotAssertion) -> None:
    assert explain(busy_history().state) == snapshot


def test_a_suggestion_is_told_with_origin_reason_expectation_and_outcome() -> None:
    history = History().rollout(
        0.75, origin="protein", reason="most improvement for its cost", predicted=prediction(0.8)
    )
    said = explain(history.state)
    assert "Rollout 0: protein\n  Why: most improvement for its cost\n" in said
    assert "  Expected: reward 0.8 (0.6 to 1), 10 s (5.0 s to 20 s), success 95%; even odds: 0.718 to 0.882\n" in said
    assert "  Came out: reward 0.75, 10 s: as expected\n" in said


def test_a_move_is_told_as_a_factor_or_as_a_change_of_value() -> None:
    history = History().rollout(0.5, params={"a.rate": 0.001, "a.kind": "x", "a.gamma": 0.99})
    history.rollout(0.4, params={"a.rate": 0.002, "a.kind": "y", "a.gamma": 0.992, "a.size": 8})
    moves = "rate x2, kind x to y, gamma 0.99 to 0.992, size absent to 8"
    assert f"Against the best before (rollout 0): {moves}\n" in explain(history.state)


@pytest.mark.parametrize("goal", Goal)
def test_the_best_before_is_the_best_of_the_earlier_ones(goal: Goal) -> None:
    history = History(goal=goal, asked={"rollout_count": 9})
    values = [0.5, 0.7, 0.3, 0.9]
    for value in values:
        history.rollout(value)
    found = [None if row is None else row.mean for row in best_before(rows_of(history.state))]
    pick = max if goal is Goal.MAXIMIZE else min
    assert found == [None, *(pick(values[:k]) for k in range(1, 4))]


def test_one_rollout_is_explained_with_its_evidence() -> None:
    history = History().suggest().start(0).fail(0, "crash", "exit 1: boom", detail="Traceback\n  in main\nboom")
    said = explain(history.state, rollout=0)
    assert "    Traceback\n      in main\n    boom\n" in said
    assert "Origins" not in said


def test_a_rollout_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(RequestError, match="rollouts 0 to 0"):
        explain(History().rollout(0.5).state, rollout=3)
    with pytest.raises(RequestError, match="no rollout yet"):
        explain(History().state, rollout=0)


def test_the_json_form_holds_predictions_and_outcomes() -> None:
    told = json.loads(explain(busy_history().state, fmt="json"))
    assert told[0]["predicted"]["score"] == 0.5
    assert told[0]["mean"] == 0.55
    assert told[1]["failure"]["class"] == "oom"


def test_a_sweep_without_a_suggestion_is_explained() -> None:
    assert "no suggestion yet" in explain(History().state)
