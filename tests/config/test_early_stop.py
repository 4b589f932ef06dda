"""What ``early_stop`` may say."""

from __future__ import annotations

import pytest

from metta_sweep.config.job import JobSettings
from metta_sweep.config.settings import EarlyStopSettings


def read(value):
    content = {"rollout_count": 1, "num_samples": 1, "metric": "reward", "goal": "maximize", "seed": 0, "data_dir": "x"}
    return JobSettings.model_validate({**content, "early_stop": value}).early_stop


@pytest.mark.parametrize("value", [None, "off", False])
def test_it_is_off_unless_it_is_asked_for(value):
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
