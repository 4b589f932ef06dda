"""From the sweeper blocks of Hydra apps to sweep files of ours."""

from __future__ import annotations

from typing import Any

import pytest

from metta_sweep.config.foreign.hydra_ranges import ax_range, optuna_range, override_range
from metta_sweep.config.foreign.reading import migrate_any
from tests.config.conftest import Desk

OPTUNA = """\
defaults:
  - override hydra/sweeper: optuna
hydra:
  sweeper:
    sampler: {_target_: optuna.samplers.TPESampler, seed: 123}
    direction: maximize
    n_trials: 20
    n_jobs: 2
    params:
      x: interval(-5.5, 5.5)
      model.lr: tag(log, interval(1e-5, 0.1))
      +depth: int(interval(1, 8))
      z: choice(mlp, cnn)
      seed: choice(1, 2, 3)
x: 1
model: {lr: 0.1}
"""

AX = """\
hydra:
  sweeper:
    ax_config:
      max_trials: 9
      experiment: {minimize: true}
      early_stop: {minimize: true, max_epochs_without_improvement: 10}
      params:
        lr: {type: range, bounds: [1e-5, 0.1], log_scale: true}
        n: {type: range, bounds: [1, 8]}
        act: {type: choice, values: [relu, tanh]}
        e: {type: fixed, value: 3}
"""


@pytest.mark.parametrize(
    ("text", "leaf"),
    [
        ("interval(0, 1)", {"distribution": "uniform", "min": 0.0, "max": 1.0}),
        ("int(interval(1, 8))", {"distribution": "int_uniform", "min": 1, "max": 8}),
        ("tag(log, interval(1e-4, 1))", {"distribution": "log_normal", "min": 1e-4, "max": 1.0}),
        ("tag(log, int(interval(1, 8)))", {"distribution": "log_normal", "min": 1, "max": 8, "integer": True}),
        ("range(1, 10)", {"distribution": "int_uniform", "min": 1, "max": 10}),
        ("range(1, 10, step=2)", {"distribution": "int_uniform", "min": 1, "max": 9, "step": 2}),
        ("range(0.5, 2.0, step=0.5)", {"distribution": "uniform", "min": 0.5, "max": 2.0, "step": 0.5}),
        ("shuffle(range(1, 4))", {"values": [1, 2, 3]}),
        ("choice(a, 'b c', 1, true)", {"values": ["a", "b c", 1, True]}),
        ("choice([64, 64], [128])", {"values": [[64, 64], [128]]}),
        ("1, 2, 3", {"values": [1, 2, 3]}),
        ("relu", {"values": ["relu"]}),
    ],
)
def test_every_sweep_of_an_override_has_its_range(text: str, leaf: dict[str, Any]) -> None:
    assert sorted(map(str, override_range("x", text).get("values", []))) == sorted(map(str, leaf.get("values", [])))
    assert "values" in leaf or override_range("x", text) == leaf


def test_the_mappings_of_older_files_are_read() -> None:
    assert optuna_range({"type": "float", "low": 0, "high": 1}) == {"distribution": "uniform", "min": 0.0, "max": 1.0}
    assert optuna_range({"type": "int", "low": 1, "high": 9, "step": 2})["step"] == 2
    assert optuna_range({"type": "float", "low": 0.1, "high": 1, "log": True})["distribution"] == "log_normal"
    assert optuna_range({"type": "categorical", "choices": ["a"]}) == {"values": ["a"]}
    assert ax_range({"type": "range", "bounds": [1, 8], "value_type": "float"})["distribution"] == "uniform"


@pytest.mark.parametrize(
    "text",
    [
        "interval(1",
        "interval(2, 1)",
        "tag(log, interval(0, 1))",
        "range(1, 2, step=0)",
        "shuffle(range(0, 1000000000))",
    ],
)
def test_what_is_no_range_is_left_out_and_said(text: str) -> None:
    moved = migrate_any(f"hydra: {{sweeper: {{params: {{x: '{text}'}}}}}}\n", shown="h.yaml")
    assert any(line.startswith("hydra.sweeper.params.x: ") and "left out" in line for line in moved.undecided)


def test_an_optuna_sweeper_makes_a_plan(desk: Desk) -> None:
    moved = migrate_any(OPTUNA, shown="h.yaml")
    asked = desk.ask(moved.text)
    assert list(asked.parameters) == ["x", "model.lr", "depth", "z"]
    assert (asked.metric, asked.goal, asked.rollout_count, asked.num_samples) == ("return", "maximize", 20, 3)
    assert asked.command == ("python", "my_app.py", "{overrides}", "seed={seed}")
    assert asked.results.readers == ("hydra",)
    told = "\n".join(moved.undecided)
    assert all(key in told for key in ("sampler", "n_jobs", "command", "seed"))


@pytest.mark.slow
def test_an_ax_sweeper_makes_a_plan(desk: Desk) -> None:
    moved = migrate_any(AX, shown="h.yaml")
    asked = desk.ask(moved.text)
    assert list(asked.parameters) == ["lr", "n", "act"]
    assert asked.parameters["n"]["distribution"] == "int_uniform"
    assert (asked.goal, asked.rollout_count, asked.training["e"]) == ("minimize", 9, 3)
    assert any("early_stop" in line for line in moved.undecided)


def test_several_directions_become_one_and_it_is_said() -> None:
    moved = migrate_any("hydra: {sweeper: {direction: [minimize, maximize], params: {x: '1,2'}}}\n", shown="h.yaml")
    assert any("hydra.sweeper.direction" in line for line in moved.undecided)
