"""From the Python files of Optuna, rl-zoo3 and Ray Tune to sweep files of ours; nothing of them is run."""

from __future__ import annotations

import pytest
import yaml

from metta_sweep.config.foreign.reading import migrate_any
from metta_sweep.errors import RequestError

ZOO = """
def sample_ppo_params(trial, n_actions, n_envs, additional_args):
    batch_size = trial.suggest_categorical("batch_size", [8, 16, 32])
    n_steps = 2 ** trial.suggest_int("n_steps_pow", 5, 12)
    gamma = 1 - trial.suggest_float("one_minus_gamma", 0.0001, 0.03, log=True)
    learning_rate = trial.suggest_float("learning_rate", 1e-5, 1, log=True)
    sde = trial.suggest_int("sde_freq", 8, 64, step=8)
    half = int(trial.suggest_uniform("half", 0.1, 0.3))
    low = trial.suggest_float("low", additional_args["a"], 1)
    return {"n_steps": n_steps}

def sample_sac_params(trial):
    return {"tau": trial.suggest_loguniform("tau", 1e-3, 0.1)}
"""
TUNE = """
from ray import tune
raise SystemExit("never run")
space = {
    "lr": tune.loguniform(1e-4, 1e-1),
    "net": {"width": tune.choice([32, 64]), "layers": tune.randint(1, 5), "shape": tune.choice([(64, 64), (8,)])},
    "drop": tune.quniform(0, 0.5, 0.1),
    "late": tune.sample_from(lambda spec: 1),
    "act": tune.grid_search(["relu", "tanh"]),
    "epochs": 10,
}
config = dict(momentum=tune.uniform(0.1, 0.9))
config["wd"] = tune.qlograndint(1, 100, 1)
tune.Tuner(train, tune_config=tune.TuneConfig(metric="acc", mode="max", num_samples=40, scheduler=ASHAScheduler()))
"""


def migrated(text, function=""):
    found = migrate_any(text, shown="space.py", function=function)
    return yaml.safe_load(found.text), "\n".join(found.undecided)


def test_a_function_of_rl_zoo3_becomes_its_command_and_its_evaluations():
    tree, told = migrated(ZOO, "sample_ppo_params")
    assert tree["sweep"]["parameters"] == {
        "batch_size": {"values": [8, 16, 32]},
        "n_steps": {"distribution": "uniform_pow2", "min": 32, "max": 4096},
        "gamma": {"distribution": "logit_normal", "min": 0.97, "max": 0.9999},
        "learning_rate": {"distribution": "log_normal", "min": 1e-5, "max": 1.0},
        "sde_freq": {"distribution": "int_uniform", "min": 8, "max": 64, "step": 8},
        "half": {"distribution": "uniform", "min": 0.1, "max": 0.3},
    }
    assert "--algo ppo" in tree["sweep"]["command"]
    assert "learning_rate:{learning_rate}" in tree["sweep"]["command"]
    assert tree["sweep"]["results"]["metrics"] == {"reward": "results"}
    assert "low" in told
    assert "known only when the program runs" in told
    assert "half: the program computes with it" in told


def test_what_rl_zoo3_draws_under_names_of_its_own_gets_those_of_its_algorithms():
    text = """
def sample_ppo_params(trial, n_actions, n_envs, additional_args):
    batch_size_pow = trial.suggest_int("batch_size_pow", 2, 10)
    one_minus_gamma = trial.suggest_float("one_minus_gamma", 0.0001, 0.03, log=True)
    net_arch = trial.suggest_categorical("net_arch", ["tiny", "small"])
    return convert({"batch_size_pow": batch_size_pow, "one_minus_gamma": one_minus_gamma, "net_arch": net_arch})
"""
    tree, told = migrated(text)
    assert tree["sweep"]["parameters"] == {
        "batch_size": {"distribution": "uniform_pow2", "min": 4, "max": 1024},
        "gamma": {"distribution": "logit_normal", "min": 0.97, "max": 0.9999},
    }
    assert "-params batch_size:{batch_size} gamma:{gamma}" in tree["sweep"]["command"]
    assert "net_arch" in told
    assert "policy_kwargs" in told


def test_ray_tune_keeps_nested_names_exclusive_bounds_and_the_search():
    tree, told = migrated(TUNE)
    assert tree["rollout_count"] == 40
    assert tree["sweep"]["parameters"] == {
        "lr": {"distribution": "log_normal", "min": 0.0001, "max": 0.1},
        "net.width": {"values": [32, 64]},
        "net.layers": {"distribution": "int_uniform", "min": 1, "max": 4},
        "net.shape": {"values": [[64, 64], [8]]},
        "drop": {"distribution": "uniform", "min": 0.0, "max": 0.5, "step": 0.1},
        "act": {"values": ["relu", "tanh"]},
        "momentum": {"distribution": "uniform", "min": 0.1, "max": 0.9},
        "wd": {"distribution": "log_normal", "min": 1, "max": 100, "integer": True},
    }
    assert (tree["sweep"]["metric"], tree["sweep"]["goal"], tree["sweep"]["early_stop"]) == ("acc", "maximize", "auto")
    assert "late" in told
    assert "ASHAScheduler became early_stop" in told


def test_an_optuna_study_keeps_its_direction_and_its_trials():
    text = """
def objective(trial):
    x = trial.suggest_float("x", -1.0, 1.0)
    return x
study = optuna.create_study(direction="minimize", pruner=optuna.pruners.MedianPruner())
study.optimize(objective, n_trials=25)
"""
    tree, told = migrated(text)
    assert (tree["rollout_count"], tree["sweep"]["goal"], tree["sweep"]["early_stop"]) == (25, "minimize", "auto")
    assert "is the study itself" in told


def test_a_study_with_several_directions_becomes_a_sweep_with_a_front():
    text = """
def objective(trial):
    x = trial.suggest_float("x", -1.0, 1.0)
    return x, x**2
study = optuna.create_study(directions=["minimize", "maximize"])
"""
    tree, told = migrated(text)
    assert (tree["sweep"]["metric"], tree["sweep"]["goal"]) == (["score_1", "score_2"], ["minimize", "maximize"])
    assert "score_1 and so on stand in" in told


@pytest.mark.parametrize(
    ("text", "function", "message"),
    [
        ("def (", "", "is not valid Python"),
        ("x = 1", "", "no search space was found in it"),
        (ZOO, "", "several functions have ranges: sample_ppo_params, sample_sac_params"),
        (ZOO, "sample_td3_params", "there is no range in sample_td3_params"),
    ],
)
def test_what_has_no_one_space_is_refused_with_what_to_do(text, function, message):
    with pytest.raises(RequestError, match=message):
        migrate_any(text, shown="space.py", function=function)


@pytest.mark.slow
def test_what_is_written_passes_a_plan(desk):
    for text, function in ((ZOO, "sample_ppo_params"), (TUNE, "")):
        assert desk.ask(migrate_any(text, shown="space.py", function=function).text).parameters
