"""What ``early_stop`` may say."""

from __future__ import annotations

import pytest

from metta_sweep.config.job import JobSettings
from metta_sweep.config.settings import EARLY_STOP_FROM, EarlyStopSettings


def read(value):
    content = {"rollout_count": 1, "num_samples": 1, "metric": "reward", "goal": "maximize", "seed": 0, "data_dir": "x"}
    return JobSettings.model_validate({**content, "early_stop": value}).early_stop


@pytest.mark.parametrize("value", [None, "off", False])
def test_off_is_said_in_many_ways(value):
    assert read(value) is None


@pytest.mark.parametrize("policy", ["auto", "model", "halving", "median"])
def test_a_policy_may_be_named_alone(policy):
    assert read(policy) == EarlyStopSettings(policy=policy)


def test_a_mapping_says_more():
    asked = {"policy": "median", "min_share": 0.25, "min_full_runs": 8, "total_steps": 5000}
    assert read(asked) == EarlyStopSettings(**asked)
    assert read({}) == EarlyStopSettings()


@pytest.mark.parametrize(
    "value", ["hyperband", "on", True, 3, 0.5, ["model"], {"policy": "asha"}, {"min_share": 1.5}, {"rungs": [1]}]
)
def test_what_there_is_not_is_refused(value):
    with pytest.raises(ValueError, match=r"early_stop|policy|min_share|rungs"):
        read(value)


MANY, FEW = f"rollout_count={EARLY_STOP_FROM}", f"rollout_count={EARLY_STOP_FROM - 1}"


class TestWhereNothingIsSaid:
    def test_runs_of_the_bundled_trainer_are_ended_where_that_is_known_to_pay(self, desk, swept):
        assert desk.ask(swept(""), MANY).early_stop == EarlyStopSettings()

    def test_few_rollouts_are_counted_one_by_one(self, desk, swept):
        assert desk.ask(swept(""), FEW).early_stop is None

    def test_the_other_name_of_the_count_says_the_same(self, desk, swept):
        assert desk.ask(swept(f"limits: {{rollouts: {EARLY_STOP_FROM}}}")).early_stop == EarlyStopSettings()

    def test_a_command_is_sent_no_signal_that_nobody_asked_for(self, desk, swept):
        assert desk.ask(swept('command: "python train.py {args}"'), MANY).early_stop is None

    def test_several_goals_have_no_rank(self, desk, swept):
        assert desk.ask(swept("metric: [reward, reward_se]\ngoal: [maximize, minimize]"), MANY).early_stop is None

    def test_short_runs_that_are_searched_are_no_ended_runs(self, desk):
        length = "{min: 1000, max: 9000, distribution: int_uniform}"
        asked = desk.ask(f"sweep: {{parameters: {{trainer.total_timesteps: {length}}}}}", MANY)
        assert asked.early_stop is None


class TestOneBudget:
    def test_where_rollouts_are_money_the_confirmation_has_its_share_of_them(self, desk, swept):
        asked = desk.ask(swept("confirm: auto"), "rollout_count=50")
        assert (asked.rollout_count, asked.confirm.top_k * asked.confirm.seeds) == (44, 6)
        assert "6 of 50 rollouts are kept to confirm the best" in " ".join(asked.notes)

    def test_a_rollout_of_several_runs_is_worth_several_that_confirm(self, desk, swept):
        assert desk.ask(swept("confirm: auto"), "rollout_count=50", "num_samples=4").rollout_count == 48

    def test_where_rollouts_are_counted_they_are_as_many_as_was_said(self, desk, swept):
        for words in ("rollout_count=10",), ("rollout_count=50", "sweep.early_stop=off"):
            asked = desk.ask(swept("confirm: auto"), *words)
            assert f"rollout_count={asked.rollout_count}" in words
            assert not asked.confirm.within

    @pytest.mark.parametrize(
        ("said", "left"), [("{top_k: 3, seeds: 5}", 50), ("{top_k: 3, seeds: 5, within: true}", 35)]
    )
    def test_a_mapping_says_which_it_is(self, desk, swept, said, left):
        assert desk.ask(swept(f"confirm: {said}"), "rollout_count=50").rollout_count == left

    def test_half_of_the_rollouts_are_left_to_the_search(self, desk, swept):
        assert desk.ask(swept("confirm: {top_k: 9, seeds: 9, within: true}"), "rollout_count=7").rollout_count == 4


@pytest.mark.parametrize(("said", "means"), [("off", None), ("median", EarlyStopSettings(policy="median"))])
@pytest.mark.parametrize("count", [FEW, MANY])
def test_what_is_said_holds(desk, swept, said, means, count):
    assert desk.ask(swept(f"early_stop: {said}"), count).early_stop == means
    assert desk.ask(swept(""), count, f"sweep.early_stop={said}").early_stop == means
