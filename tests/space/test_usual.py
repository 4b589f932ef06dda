"""What parameters usually are: the base config's value, else the field's for the name, where the range is of that."""

from __future__ import annotations

import pytest

from metta_sweep.space import SearchSpace


def usual(name, base=None, **leaf):
    (parameter,) = SearchSpace.parse({name: leaf}, fixed=base).parameters
    return parameter.usual


def log(low, high, **more):
    return {"distribution": "log_normal", "min": low, "max": high, **more}


@pytest.mark.parametrize(
    ("name", "leaf", "value"),
    [
        ("trainer.optimizer.learning_rate", log(1e-6, 0.1), 3e-4),
        ("learning-rate", log(1e-5, 1e-2), 3e-4),
        ("optimizer.learningRate", log(1e-5, 1e-2), 3e-4),
        ("actor_lr", log(1e-5, 1e-2), 3e-4),
        ("trainer.gamma", {"distribution": "logit_normal", "min": 0.8, "max": 0.9999}, 0.99),
        ("ppo.gae_lambda", {"distribution": "uniform", "min": 0.8, "max": 1.0}, 0.95),
        ("vf_clip_coef", {"distribution": "uniform", "min": 0.05, "max": 0.4}, 0.2),
        ("norm_adv", {"values": [False, True]}, True),
        ("normalize_advantage", {"values": [False, True]}, True),
        ("minibatch_size", {"distribution": "uniform_pow2", "min": 32, "max": 512}, 64),
        ("batch_size", {"values": [16, 64, 256], "ordered": True}, 64),
        ("initial_epsilon", {"distribution": "uniform", "min": 0.5, "max": 0.999}, 0.999),
        ("buffer_size", log(10_000, 2_000_000, integer=True), 1_000_000),
    ],
)
def test_the_field_knows_it_by_its_name(name, leaf, value):
    found = usual(name, **leaf)
    assert found == pytest.approx(value)
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "leaf"),
    [
        ("learning_rate", {"distribution": "uniform", "min": 0.01, "max": 0.3}),  # of boosted trees
        ("lr", log(1e-2, 1e-1)),
        ("gamma", log(1e-4, 10.0)),  # of a kernel
        ("batch_size", {"distribution": "uniform_pow2", "min": 1024, "max": 65536}),
        ("batch_size", {"values": [512, 1024]}),
        ("tau", {"distribution": "uniform", "min": 0.5, "max": 5.0}),
        ("learning_rate_schedule", {"values": ["linear", "constant"]}),
        ("color", {"distribution": "uniform", "min": 0.0, "max": 1.0}),
    ],
)
def test_of_something_else_nothing_is_known(name, leaf):
    assert usual(name, **leaf) is None


def test_the_base_config_knows_better_and_the_person_best():
    assert usual("lr", {"lr": 0.002}, **log(1e-5, 1e-2)) == 0.002
    assert usual("color", {"color": 0.7}, distribution="uniform", min=0.0, max=1.0) == 0.7
    assert usual("lr", {"lr": 0.5}, **log(1e-5, 1e-2)) == 3e-4
    assert usual("lr", {"lr": 0.002}, **log(1e-5, 1e-2, mean=0.001)) is None


def test_a_mean_that_is_the_default_says_nothing():
    assert usual("lr", **log(1e-5, 1e-1, mean=0.001)) == 3e-4
    assert usual("lr", **log(1e-5, 1e-1, mean=0.0011)) is None
    assert usual("batch_size", distribution="uniform_pow2", min=32, max=512, mean=128) == 64
    assert usual("norm_adv", values=[False, True], mean=False) is None


def test_the_center_stays_where_it_was():
    space = SearchSpace.parse({"lr": log(1e-6, 1e-2)})
    assert space.center() == {"lr": pytest.approx(1e-4)}
