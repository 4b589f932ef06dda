"""A request may change a sweep that is there, where it says so; what it may not change is refused with the fix."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metta_sweep.config.settings import EarlyStopSettings
from metta_sweep.errors import RequestError
from metta_sweep.goal import Goal
from metta_sweep.sweep.changes import check_request
from metta_sweep.sweep.events import RunFinished
from metta_sweep.sweep.identity import check_continues
from tests.factories import History, guide_history


def asked(**changes):
    return replace(guide_history().state.spec, **changes)


def test_the_same_request_changes_nothing():
    assert check_request(guide_history().state, asked()) == ()
    assert check_request(History().state, asked(), said=()) == ()


def test_a_setting_of_protein_that_is_younger_than_the_sweep_is_no_change_until_it_is_set():
    newer = {**asked().protein, "younger": None}
    assert check_request(guide_history().state, asked(protein=newer)) == ()
    (change,) = check_request(guide_history().state, asked(protein={**newer, "younger": 60.0}))
    assert (change.key, change.now["younger"]) == ("protein", 60.0)


def test_what_changes_is_listed_with_what_it_means():
    found = check_request(guide_history().state, asked(rollout_count=5, num_samples=2, common_seeds=True))
    assert [change.describe() for change in found] == [
        "rollout_count: 3 -> 5",
        "num_samples: 1 -> 2 (new rollouts take so many runs each, earlier ones keep theirs)",
        "common_seeds: false -> true (from the next rollout on)",
    ]


def test_ending_runs_early_may_begin_and_end_at_any_time():
    judged = EarlyStopSettings(policy="halving")
    (change,) = check_request(guide_history().state, asked(early_stop=judged))
    assert change.describe().startswith("early_stop: off -> policy=halving, ")
    assert (change.before, change.now) == ("off", judged)


def test_another_goal_has_to_be_said():
    flipped = asked(goal=Goal.MINIMIZE)
    with pytest.raises(RequestError) as caught:
        check_request(guide_history().state, flipped)
    assert "was started with maximize, got minimize" in str(caught.value)
    assert "change=goal" in str(caught.value)
    (change,) = check_request(guide_history().state, flipped, said=("goal",))
    assert "judged the other way round" in change.describe()


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (("py", "app.py", "lr=2"), "was started with lr=1, got lr=2"),
        (("py", "app.py", "lr=1", "+x=a b"), "was started with nothing beside the rest, got '+x=a b'"),
        (("py", "lr=1", "app.py"), "got ['py', 'lr=1', 'app.py']"),
    ],
)
def test_of_another_command_the_words_are_told_that_differ(now, told):
    kept = replace(asked(), command=("py", "app.py", "lr=1"))
    with pytest.raises(RequestError) as caught:
        check_continues(kept, replace(kept, command=now))
    assert told in str(caught.value)


def test_a_metric_that_no_run_has_reported_is_refused_even_where_the_change_is_said():
    with pytest.raises(RequestError) as caught:
        check_request(guide_history().state, asked(metric="rewrd"), said=("metric",))
    assert "no run so far has reported 'rewrd'; they reported: reward" in str(caught.value)


def test_a_metric_that_no_run_ever_had_may_be_mended_without_a_word():
    mistyped = History(metric="rewrd").suggest().start(0)
    ended = {"attempt": 1, "cost_s": 1.0, "steps": 1, "wall_s": 1.0}
    mistyped.add(RunFinished, run_id="my_test.r.0", metrics={"reward": 1.0}, **ended)
    (change,) = check_request(mistyped.state, replace(mistyped.state.spec, metric="reward"))
    assert change.key == "metric"
