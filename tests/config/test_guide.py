"""Every YAML block of the sweep guide as it is written there; its end-to-end example is a sweep file of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.conftest import Desk

GUIDE = Path(__file__).parent / "guide"


def block(name: str) -> str:
    return (GUIDE / f"{name}.yaml").read_text()


@pytest.mark.slow
def test_the_correct_format_is_correct(desk: Desk) -> None:
    asked = desk.ask(block("correct_format"))
    assert (asked.rollout_count, asked.num_samples, asked.metric, asked.goal) == (10, 1, "reward", "maximize")
    assert [parameter.describe() for parameter in asked.space.parameters] == [
        "log_normal [1e-05, 0.01]",
        "uniform_pow2 [32, 256]",
        "uniform [0.95, 0.999]",
    ]
    trainer, game = asked.training["trainer"], asked.training["env"]["game"]
    assert (trainer["total_timesteps"], trainer["evaluate_interval"], trainer["checkpoint_interval"]) == (
        50000,
        5000,
        10000,
    )
    assert (trainer["minibatch_size"], game["max_steps"]) == (32, 64)
    assert (game["objects"]["altar"]["hp"], game["objects"]["altar"]["cooldown"]) == (10, 5)
    assert all(batch % 32 == 0 for batch in (asked.space.center()["trainer.batch_size"], 256))


def test_overrides_at_the_root_are_refused_with_the_edit_that_mends_them(desk: Desk) -> None:
    told = desk.message(block("root_level_overrides"))
    assert "asked.yaml, line 11: trainer: has no effect here" in told
    assert "sweep:\n        trainer:\n          total_timesteps: 50000" in told
    assert "sweep:\n        env:\n          game:\n            max_steps: 64" in told
    assert "sweep.parameters.trainer.learning_rate: need min" in told


def test_the_mended_file_is_accepted(desk: Desk) -> None:
    wrong = block("root_level_overrides")
    inside, _, moved = wrong.partition("# ❌ WRONG")
    bounds = inside.replace("      # ...", "      min: 0.001\n      max: 0.1")
    indented = "\n".join(f"  {line}" for line in moved.splitlines()[1:])
    asked = desk.ask(f"{bounds}\n{indented}\n")
    assert asked.overrides == {"trainer": {"total_timesteps": 50000}, "env": {"game": {"max_steps": 64}}}


@pytest.mark.slow
def test_a_custom_metric_may_be_minimized(desk: Desk) -> None:
    asked = desk.ask(block("custom_metric"), "cmd=plan", "command=[train]")
    assert (asked.metric, asked.goal) == ("custom_metric", "minimize")


def test_the_bundled_trainer_logs_no_custom_metric(desk: Desk) -> None:
    assert "it reports reward" in desk.message(block("custom_metric"), "cmd=plan")


@pytest.mark.slow
@pytest.mark.parametrize("use_lstm", [True, False])
def test_the_conditional_parameters_are_searched(desk: Desk, use_lstm: bool) -> None:
    asked = desk.ask(block("conditional"))
    assert asked.space.names == ("trainer.use_lstm", "trainer.lstm_hidden_size")
    point = {"trainer.use_lstm": use_lstm, "trainer.lstm_hidden_size": 512}
    assert asked.space.decode(asked.space.encode(point)) == point


@pytest.mark.slow
@pytest.mark.parametrize("use_lstm", [True, False])
def test_a_condition_makes_the_guides_comment_true(desk: Desk, use_lstm: bool) -> None:
    text = block("conditional").rstrip() + "\n      when: {trainer.use_lstm: true}\n"
    space = desk.ask(text).space
    point = {"trainer.use_lstm": use_lstm, **({"trainer.lstm_hidden_size": 512} if use_lstm else {})}
    assert space.decode(space.encode(point)) == point


@pytest.mark.slow
def test_the_end_to_end_example_is_shipped(desk: Desk) -> None:
    asked = desk.ask(None, "++sweep_params=sweep/my_test_sweep", "+hardware=aws")
    assert (asked.hardware, asked.rollout_count) == ("aws", 3)


@pytest.mark.slow
def test_the_multi_gpu_command_composes(desk: Desk) -> None:
    asked = desk.ask(None, "run=gpu_sweep", "++sweep_params=sweep/full_protein", "+hardware=pufferbox")
    assert (asked.name, asked.hardware) == ("gpu_sweep", "pufferbox")
    assert asked.launcher.max_parallel > 1
