"""``sweep.env`` and ``sweep.workdir``: the variables and the directory of the runs of a command."""

from __future__ import annotations

import pytest

SWEEP = """
sweep:
  command: python3 train.py {args}
  metric: acc
  parameters:
    lr: {distribution: log_normal, min: 0.0001, max: 0.01}
"""


@pytest.mark.slow
def test_values_become_texts_and_keep_their_blanks(desk):
    asked = desk.ask(f"{SWEEP}  env: {{MODE: fast, COUNT: 3, AMP: true, OUT: '{{run_dir}}', https_proxy: a}}")
    assert dict(asked.env) == {
        "MODE": "fast",
        "COUNT": "3",
        "AMP": "true",
        "OUT": "{run_dir}",
        "https_proxy": "a",
    }
    assert "env" not in asked.training


@pytest.mark.slow
def test_the_command_line_wins(desk):
    asked = desk.ask(f"{SWEEP}  env: {{MODE: fast}}", "++sweep.env.MODE=slow", "++sweep.env.MORE=1")
    assert dict(asked.env) == {"MODE": "slow", "MORE": "1"}


@pytest.mark.slow
def test_any_other_name_is_handed_over_as_in_every_group(desk):
    for env in ("env.id: CartPole-v1", "env: {id: CartPole-v1, MODE: fast}"):
        asked = desk.ask(f"{SWEEP}  {env}")
        assert asked.training["env"] == {"id": "CartPole-v1"}
        assert dict(asked.env) == ({"MODE": "fast"} if "MODE" in env else {})


@pytest.mark.slow
def test_with_the_bundled_trainer_env_is_the_environment_that_is_trained_in(desk, swept):
    assert not desk.ask(swept("  env: {game: {max_steps: 30}}")).env


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env", "message"),
    [
        ("{API_KEY: abc}", "sweep.env.API_KEY: keys and tokens are never read from a config"),
        ("{METTA_SWEEP_RUN_DIR: x}", "is set by the sweep for every run"),
        ("{CUDA_VISIBLE_DEVICES: 0}", "is set for each run by launcher.gpus_per_run"),
        ("{A: [1, 2]}", "need text, a number, true or false for A"),
        ("{A: null}", "need text, a number, true or false for A"),
    ],
)
def test_what_cannot_be_a_variable_is_refused_with_what_to_do(desk, env, message):
    assert message in desk.message(f"{SWEEP}  env: {env}")


@pytest.mark.slow
def test_the_value_of_a_secret_is_refused_under_any_name(desk, monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "hush-hush-hush")
    assert "holds the value of a secret" in desk.message(f"{SWEEP}  env: {{A: hush-hush-hush}}")


@pytest.mark.slow
def test_points_are_run_with_the_same_seeds_where_that_is_asked(desk):
    assert not desk.ask(SWEEP).common_seeds
    assert desk.ask(f"{SWEEP}  common_seeds: true").common_seeds
    assert "sweep.common_seeds: need true or false" in desk.message(f"{SWEEP}  common_seeds: 3")
    assert "common_seeds" in desk.message(f"{SWEEP}  same_seeds: true")


@pytest.mark.slow
def test_a_run_is_started_here_unless_a_directory_of_its_own_is_asked_for(desk, swept):
    assert desk.ask(SWEEP).workdir == "here"
    assert desk.ask(f"{SWEEP}  workdir: run").workdir == "run"
    assert "sweep.workdir: need one of here, run" in desk.message(f"{SWEEP}  workdir: runs")
    assert "is for a command of your own" in desk.message(swept("  workdir: run"))
