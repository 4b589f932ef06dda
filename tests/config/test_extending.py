"""Sweep files that extend each other."""

from __future__ import annotations

import pytest

from tests.config.conftest import Desk

BASE = """\
rollout_count: 7
sweep:
  parameters:
    trainer.learning_rate: {distribution: log_normal, min: 0.0001, max: 0.01}
  trainer: {gamma: 0.5, num_workers: 3}
"""


@pytest.fixture
def chain(desk: Desk) -> Desk:
    """A file that extends one that extends another."""
    desk.write(BASE, "configs/sweep/base.yaml")
    middle = "defaults: [base]\nnum_samples: 2\nsweep:\n  goal: minimize\n  trainer: {gamma: 0.6}\n"
    desk.write(middle, "configs/sweep/middle.yaml")
    return desk


@pytest.mark.slow
def test_values_come_from_the_nearest_file_of_a_chain(chain: Desk) -> None:
    asked = chain.ask("defaults: [/sweep/middle]\nsweep:\n  metric: heart.get\n")
    assert (asked.rollout_count, asked.num_samples, asked.goal, asked.metric) == (7, 2, "minimize", "heart.get")
    assert (asked.training["trainer"]["gamma"], asked.training["trainer"]["num_workers"]) == (0.6, 3)
    assert asked.origins["trainer.gamma"].place == "configs/sweep/middle.yaml, line 5"
    assert asked.sweep_file == "asked.yaml"


@pytest.mark.slow
def test_self_says_where_a_files_own_values_stand(chain: Desk) -> None:
    before = chain.ask("defaults: [_self_, base]\nrollout_count: 3\n")
    after = chain.ask("defaults: [base, _self_]\nrollout_count: 3\n")
    assert (before.rollout_count, after.rollout_count) == (7, 3)


@pytest.mark.slow
def test_parameters_of_both_files_are_searched(chain: Desk) -> None:
    more = "sweep:\n  parameters:\n    trainer.gamma: {distribution: uniform, min: 0.9, max: 0.99}\n"
    assert chain.ask(f"defaults: [base]\n{more}").space.names == ("trainer.learning_rate", "trainer.gamma")


def test_a_mistake_in_the_file_below_is_told_with_its_place(chain: Desk) -> None:
    chain.write(BASE.replace("gamma", "gama"), "configs/sweep/base.yaml")
    assert "configs/sweep/base.yaml, line 5: sweep.trainer.gama: unknown key" in chain.message("defaults: [base]\n")


def test_a_mistake_in_yaml_below_is_told_with_its_place(chain: Desk) -> None:
    chain.write("sweep: [\n", "configs/sweep/base.yaml")
    assert "configs/sweep/base.yaml, line 2: invalid YAML" in chain.message("defaults: [middle]\n")


def test_a_circle_is_refused(chain: Desk) -> None:
    chain.write("defaults: [middle]\n" + BASE, "configs/sweep/base.yaml")
    assert "configs/sweep/base.yaml, line 1: defaults: middle extends itself" in chain.message("defaults: [middle]\n")


def test_two_files_may_extend_the_same_third(chain: Desk) -> None:
    chain.write("defaults: [base]\nsweep: {trainer: {num_workers: 4}}\n", "configs/sweep/other.yaml")
    trainer = chain.ask("defaults: [middle, other]\n").training["trainer"]
    assert trainer["num_workers"] == 4


def test_a_long_chain_has_an_end(desk: Desk) -> None:
    for number in range(30):
        desk.write(f"defaults: [file{number + 1}]\n", f"configs/sweep/file{number}.yaml")
    desk.write(BASE, "configs/sweep/file30.yaml")
    assert "need at most 20 sweep files" in desk.message("defaults: [file0]\n")


@pytest.mark.slow
def test_a_shipped_file_can_be_extended(desk: Desk) -> None:
    asked = desk.ask("defaults: [/sweep/pong, override /hardware: macbook]\nrollout_count: 3\n")
    assert (asked.training["env"]["name"], asked.hardware, asked.rollout_count) == ("pong", "macbook", 3)
    assert len(asked.parameters) == 7


@pytest.mark.slow
def test_the_outer_files_choice_of_a_group_wins(desk: Desk) -> None:
    asked = desk.ask("defaults: [/sweep/pong, override /env: altar]\n")
    assert asked.training["env"]["name"] == "altar"


def test_the_command_line_wins_over_every_file(chain: Desk) -> None:
    asked = chain.ask("defaults: [middle]\nsweep: {trainer: {gamma: 0.7}}\n", "trainer.gamma=0.8", "num_samples=5")
    assert (asked.training["trainer"]["gamma"], asked.num_samples) == (0.8, 5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("override /env: pnog", "there is no configs/env/pnog.yaml\n  fix: did you mean pong?"),
        ("override /envs: pong", "need 'override /GROUP: NAME', got 'override /envs'\n  fix: did you mean env?"),
        ("/sweep/bas", "there is no sweep file 'sweep/bas'\n  fix: did you mean sweep/base?"),
        ("{a: 1, b: 2}", "need a group choice or another sweep file"),
        ("[x]", "need a group choice or another sweep file"),
        ("5", "need a group choice or another sweep file"),
        ("null", "need a group choice or another sweep file"),
        ("nonsense /env: pong", "need 'override /GROUP: NAME', got 'nonsense /env'"),
        ("/env@other: pong", "need 'override /GROUP: NAME', got '/env@other'"),
    ],
)
def test_a_wrong_entry_is_told_with_its_line(chain: Desk, entry: str, told: str) -> None:
    message = chain.message(f"defaults:\n  - base\n  - {entry}\n")
    assert "asked.yaml, line 3: defaults: " in message
    assert told in message
