"""W&B is told the real search space."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.goal import Goal
from metta_sweep.track.ranges import IDENTITY_MARK, identity_of, registration, wandb_parameters
from tests.factories import GUIDE_PARAMETERS, History


def one(**leaf):
    return wandb_parameters({"x": leaf}).get("x")


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        ({"min": 0, "max": 1, "distribution": "uniform"}, {"distribution": "uniform", "min": 0.0, "max": 1.0}),
        (
            {"min": 1e-5, "max": 0.1, "mean": 0.001, "scale": 1, "distribution": "log_normal"},
            {"distribution": "log_uniform_values", "min": 1e-5, "max": 0.1},
        ),
        ({"min": 1, "max": 9, "distribution": "int_uniform"}, {"distribution": "int_uniform", "min": 1, "max": 9}),
        (
            {"min": 1, "max": 9, "distribution": "uniform", "integer": True},
            {"distribution": "int_uniform", "min": 1, "max": 9},
        ),
        ({"min": 32, "max": 256, "distribution": "uniform_pow2"}, {"values": [32, 64, 128, 256]}),
        ({"min": 0.25, "max": 1, "distribution": "uniform_pow2"}, {"values": [0.25, 0.5, 1]}),
        (
            {"min": 0.1, "max": 0.9, "distribution": "logit_normal"},
            {"distribution": "uniform", "min": 0.1, "max": 0.9},
        ),
        ({"values": [True, False]}, {"values": [True, False]}),
        ({"values": ["a", 2, None], "ordered": True}, {"values": ["a", 2, None]}),
        ({"min": 1, "max": 2, "when": {"y": True}}, {"distribution": "uniform", "min": 1.0, "max": 2.0}),
        ({"expr": "${y} // 4"}, None),
    ],
)
def test_every_distribution_has_its_range(leaf, expected):
    assert one(**leaf) == expected


def test_parameters_are_nested_as_the_configs_of_the_runs_are():
    dotted = wandb_parameters(GUIDE_PARAMETERS)
    assert dotted["trainer"]["parameters"].keys() == {"learning_rate", "batch_size", "gamma"}
    nested = {"trainer": {name.partition(".")[2]: leaf for name, leaf in GUIDE_PARAMETERS.items()}}
    assert wandb_parameters(nested) == dotted


@given(st.integers(-20, 30), st.integers(0, 20))
def test_powers_of_two_reach_from_bound_to_bound(first, more):
    low, high = 2.0**first, 2.0 ** (first + more)
    values = one(min=low, max=high, distribution="uniform_pow2")["values"]
    assert (values[0], values[-1], len(values)) == (low, high, more + 1)
    assert all(math.log2(value).is_integer() for value in values)


@pytest.mark.parametrize("goal", list(Goal))
def test_the_registration_says_metric_and_goal_as_they_are(goal):
    spec = History(metric="heart.get", goal=goal).spec
    said = registration(spec, "cafe0123", "to see hearts")
    assert said["metric"] == {"name": "heart.get", "goal": str(goal)}
    assert (said["method"], said["name"]) == ("custom", "my_test")
    assert said["description"].startswith("to see hearts\n")
    assert said["description"].endswith(IDENTITY_MARK + "cafe0123")


def test_the_identity_stays_and_tells_sweeps_of_one_name_apart():
    created = History().events[0]
    assert identity_of(created) == identity_of(replace(created))
    others = {identity_of(replace(created, at=created.at + 1)), identity_of(replace(created, pid=9, host="b"))}
    assert len({identity_of(created), *others}) == 3
