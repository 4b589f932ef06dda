"""An environment brings the settings that suit it; the sweep file and the command line win over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.config.conftest import Desk

Swept = Callable[[str], str]
ATARI = 0.0005


def trainer(desk: Desk, text: str, *overrides: str) -> Any:
    return desk.ask(text, *overrides).training["trainer"]


@pytest.mark.slow
def test_an_environment_brings_its_own_trainer_and_altars_are_not_inherited(desk: Desk, swept: Swept) -> None:
    plain, gymnasium = (trainer(desk, swept(""), f"env={name}") for name in ("altar", "gymnasium"))
    assert (plain["learning_rate"], plain["normalize_reward"]) == (0.003, False)
    assert gymnasium["normalize_reward"] is True
    assert gymnasium["learning_rate"] != plain["learning_rate"]
    assert gymnasium["clip_coef"] == plain["clip_coef"]


@pytest.mark.slow
def test_atari_brings_convolutions(desk: Desk, swept: Swept) -> None:
    pytest.importorskip("ale_py")
    training = desk.ask(swept(""), "env=atari").training
    assert (training["trainer"]["learning_rate"], training["trainer"]["clip_coef"]) == (ATARI, 0.1)
    assert training["agent"]["encoder"] == "conv"


@pytest.mark.slow
def test_the_cognitive_tasks_bring_a_memory(desk: Desk, swept: Swept) -> None:
    made = trainer(desk, swept(""), "env=cogeval")
    assert (made["use_lstm"], made["normalize_reward"]) == (True, False)
    assert trainer(desk, swept(""), "env=cogeval", "trainer=ppo")["use_lstm"] is False


@pytest.mark.slow
def test_a_sweep_file_that_chooses_the_environment_gets_its_presets_too(desk: Desk, swept: Swept) -> None:
    text = "defaults: [override /env: gymnasium]\n" + swept("trainer: {update_epochs: 2}")
    asked = desk.ask(text)
    assert asked.training["trainer"]["normalize_reward"] is True
    assert asked.training["trainer"]["update_epochs"] == 2
    assert asked.overrides == {"trainer": {"update_epochs": 2}}


@pytest.mark.slow
def test_the_sweep_file_wins_over_a_preset_and_the_command_line_over_both(desk: Desk, swept: Swept) -> None:
    text = swept("trainer: {batch_size: 512, normalize_reward: false}")
    made = trainer(desk, text, "env=gymnasium", "trainer.batch_size=256")
    assert (made["batch_size"], made["normalize_reward"]) == (256, False)


@pytest.mark.slow
@pytest.mark.parametrize("in_the_file", [False, True])
def test_another_trainer_wins_over_what_the_environment_brings(desk: Desk, swept: Swept, in_the_file: bool) -> None:
    text = ("defaults: [override /env: gymnasium, override /trainer: ppo]\n" if in_the_file else "") + swept("")
    words = [] if in_the_file else ["env=gymnasium", "trainer=ppo"]
    assert trainer(desk, text, *words)["normalize_reward"] is False


@pytest.mark.slow
def test_a_memory_can_be_given_to_any_environment(desk: Desk, swept: Swept) -> None:
    made = trainer(desk, swept(""), "env=gymnasium", "agent=lstm")
    assert (made["use_lstm"], made["normalize_reward"]) == (True, True)


@pytest.mark.slow
def test_an_interval_beyond_the_run_is_told_before_it_starts(desk: Desk, swept: Swept) -> None:
    text = swept("trainer: {total_timesteps: 20480, evaluate_interval: 50}")
    assert any(note.startswith("trainer.evaluate_interval: 50 updates exceed") for note in desk.ask(text).notes)
    assert not desk.ask(swept("")).notes


@pytest.mark.slow
def test_what_a_preset_takes_from_another_is_said_to_come_from_there(desk: Desk, swept: Swept) -> None:
    origins = desk.ask(swept("trainer: {batch_size: 512}"), "env=gymnasium").origins
    assert "trainer/ppo.yaml" in origins["trainer.gamma"].place
    assert "trainer/gymnasium.yaml" in origins["trainer.normalize_reward"].place
    assert origins["trainer.batch_size"].place.startswith("asked.yaml")
