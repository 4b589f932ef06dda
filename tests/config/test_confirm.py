"""What ``confirm`` may say."""

from __future__ import annotations

import pytest

from metta_sweep.config.job import JobSettings
from metta_sweep.config.settings import ConfirmSettings


def read(value, rollouts=50, **more):
    content = {"num_samples": 1, "metric": "reward", "goal": "maximize", "seed": 0, "data_dir": "x"}
    return JobSettings.model_validate({**content, "rollout_count": rollouts, "confirm": value, **more}).confirm


@pytest.mark.parametrize("value", [None, "off", False])
def test_it_is_off_unless_it_is_asked_for(value):
    assert read(value) is None


@pytest.mark.parametrize(("rollouts", "seeds"), [(1, 2), (50, 2), (100, 4), (1000, 5)])
def test_auto_takes_about_an_eighth_of_the_rollouts_within_bounds(rollouts, seeds):
    assert read("auto", rollouts) == ConfirmSettings(top_k=3, seeds=seeds, within=None)


def test_auto_knows_the_other_name_of_the_count():
    assert read("auto", rollouts=10, limits={"rollouts": 100}) == ConfirmSettings(top_k=3, seeds=4, within=None)


def test_a_mapping_says_more():
    assert read({"top_k": 2, "seeds": 7}) == ConfirmSettings(top_k=2, seeds=7)
    assert read({}) == ConfirmSettings()


@pytest.mark.parametrize("value", ["always", "on", True, 3, {"seeds": 0}, {"rounds": 2}])
def test_what_there_is_not_is_refused(value):
    with pytest.raises(ValueError, match=r"confirm|seeds|rounds"):
        read(value)
