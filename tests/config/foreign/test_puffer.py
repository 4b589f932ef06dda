"""From PufferLib's sweep sections to sweep files of ours."""

from __future__ import annotations

import pytest

from metta_sweep.config.foreign.reading import migrate_any
from metta_sweep.errors import RequestError
from metta_sweep.optimize.registry import read_optimizer
from tests.config.conftest import Desk

AXES = {
    "train.total_timesteps": ("log_normal", "3e7", "1e10", "2e8", "time"),
    "train.bptt_horizon": ("uniform_pow2", "16", "64", "64", "auto"),
    "train.minibatch_size": ("uniform_pow2", "16384", "65536", "32768", "auto"),
    "train.learning_rate": ("log_normal", "0.00001", "0.1", "9.077089221927717e-05", "0.5"),
    "train.ent_coef": ("log_normal", "0.00001", "0.2", "0.007434573444184075", "auto"),
    "train.gamma": ("logit_normal", "0.8", "0.9999", "0.9973616689490061", "auto"),
    "train.gae_lambda": ("logit_normal", "0.6", "0.995", "0.5999999999999999", "auto"),
    "train.update_epochs": ("int_uniform", "1", "8", "1", "2.0"),
    "train.vtrace_rho_clip": ("uniform", "0.0", "5.0", "5.0", "auto"),
    "train.vtrace_c_clip": ("uniform", "0.0", "5.0", "0.28", "auto"),
    "train.clip_coef": ("uniform", "0.01", "1.0", "0.02", "auto"),
    "train.vf_clip_coef": ("uniform", "0.1", "5.0", "1.15", "auto"),
    "train.vf_coef": ("uniform", "0.0", "5.0", "5.0", "auto"),
    "train.max_grad_norm": ("uniform", "0.0", "5.0", "0.33", "auto"),
    "train.adam_beta1": ("logit_normal", "0.5", "0.999", "0.4999999999999999", "auto"),
    "train.adam_beta2": ("logit_normal", "0.9", "0.99999", "0.9999660037698496", "auto"),
    "train.adam_eps": ("log_normal", "1e-10", "1e-4", "1e-8", "auto"),
    "train.prio_alpha": ("logit_normal", "0.1", "0.99", "0.98", "auto"),
    "train.prio_beta0": ("logit_normal", "0.1", "0.99", "0.09999999999999998", "auto"),
    "vec.num_envs": ("uniform_pow2", "1", "16", "8", "auto"),
    "env.frameskip": ("int_uniform", "1", "8", "4", "auto"),
}

HEAD = """\
[base]
env_name = puffer_breakout puffer_pong
max_suggestion_cost = 3600

[train]
total_timesteps = 100_000_000
learning_rate = 0.015

[sweep]
method = Protein
metric = score
goal = maximize
max_runs = 64
downsample = 5
"""


def ini(axes: dict[str, tuple[str, ...]]) -> str:
    keys = ("distribution", "min", "max", "mean", "scale")
    sections = [
        f"\n[sweep.{path}]\n" + "\n".join(f"{key} = {value}" for key, value in zip(keys, values, strict=True))
        for path, values in axes.items()
    ]
    return HEAD + "\n".join(sections) + "\n"


@pytest.mark.slow
def test_all_axes_of_a_file_make_a_plan_with_whole_numbers_whole(desk: Desk) -> None:
    moved = migrate_any(ini(AXES), shown="p.ini")
    asked = desk.ask(moved.text)
    assert [name.replace("-", "_") for name in asked.parameters] == list(AXES)
    assert asked.parameters["train.total-timesteps"] == {
        "distribution": "log_normal",
        "min": 30_000_000,
        "max": 10_000_000_000,
        "mean": 200_000_000,
        "scale": "time",
        "integer": True,
    }
    center = asked.space.center()
    whole = {"train.total-timesteps", "train.bptt-horizon", "train.minibatch-size", "train.update-epochs"}
    whole |= {"vec.num-envs", "env.frameskip"}
    assert {name for name, value in center.items() if isinstance(value, int)} == whole
    assert asked.command == ("puffer", "train", "puffer_breakout", "--wandb", "{args}", "--train.seed={seed}")
    assert (asked.metric, asked.goal, asked.rollout_count) == ("environment/score", "maximize", 64)


def test_a_mean_outside_of_the_range_and_settings_without_counterpart_are_said() -> None:
    told = "\n".join(migrate_any(ini(AXES), shown="p.ini").undecided)
    for name in ("train.gae-lambda.mean", "train.adam-beta1.mean", "train.prio-beta0.mean", "sweep.downsample"):
        assert name in told
    assert "adam-beta2" not in told


def test_the_most_that_a_suggestion_may_cost_is_kept(desk: Desk) -> None:
    moved = migrate_any(ini({"train.gamma": AXES["train.gamma"]}), shown="p.ini")
    assert "max_suggestion_cost: 3600" in moved.text
    assert read_optimizer("protein", {"max_suggestion_cost": 3600})


@pytest.mark.parametrize(
    "values", [("cube", "1", "2", "1", "auto"), ("uniform", "2", "1", "1", "auto"), ("uniform", "a", "2", "1", "auto")]
)
def test_a_section_that_is_no_range_is_left_out_and_said(values: tuple[str, ...]) -> None:
    moved = migrate_any(ini({"train.x": values}), shown="p.ini")
    assert any(line.startswith("sweep.train.x: ") and "left out" in line for line in moved.undecided)


def test_bounds_beyond_a_scale_make_the_range_even() -> None:
    moved = migrate_any(ini({"train.gamma": ("logit_normal", "0.0", "1.0", "0.5", "auto")}), shown="p.ini")
    assert any("logit_normal became uniform" in line for line in moved.undecided)


def test_a_broken_ini_file_is_one_error() -> None:
    with pytest.raises(RequestError, match=r"not a valid \.ini file"):
        migrate_any("[sweep]\nx = 1\n[sweep]\n", shown="p.ini")
