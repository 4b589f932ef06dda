"""From W&B sweep files to sweep files of ours: what they ask for, and what could not be kept."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from metta_sweep.config.foreign.reading import migrate_any
from metta_sweep.config.foreign.wandb_ranges import parameter_of
from metta_sweep.config.migration import Migration
from metta_sweep.config.yaml_source import parse_yaml
from metta_sweep.errors import RequestError
from metta_sweep.result import RunPaths
from metta_sweep.sweep.commands import check_command, render_command
from tests.config.conftest import Desk
from tests.config.test_no_traceback import edits, texts, trees

SWEEP = """\
# The nets that we sweep.
program: train.py
name: nets
description: which width
project: vision
entity: team
method: bayes
run_cap: 30
metric:
  name: val/loss   # of the last epoch
  goal: minimize
  target: 0.1
early_terminate: {type: hyperband, min_iter: 3}
parameters:
  # how fast
  lr: {distribution: log_uniform_values, min: 1e-5, max: 1e-1}
  dropout: {min: 0.0, max: 0.5}
  layers: {min: 1, max: 4}
  optimizer: {values: [adam, sgd], probabilities: [0.7, 0.3]}
  amp: {values: [true, false]}
  epochs: {value: 3}
  metric_every: {value: 5}
  seed: {values: [1, 2, 3]}
  net:
    parameters:
      width: {values: [64, 128]}
      act: {value: relu}
command: ["${env}", "${interpreter}", "${program}", "--home=${envvar:HOME}", "${args_no_boolean_flags}"]
"""


def migrated(parameters: str = "{lr: {min: 0.0, max: 1.0}}", more: str = "") -> Migration:
    return migrate_any(f"method: random\nmetric: {{name: loss}}\n{more}\nparameters: {parameters}\n", shown="w.yaml")


def command(more: str, params: dict[str, Any]) -> list[str]:
    """Return what a run of a migrated sweep is started as."""
    words = parse_yaml(migrated(more=more).text, shown="").data["sweep"]["command"]
    template = tuple(words if isinstance(words, list) else words.split())
    check_command(template, params)
    return render_command(template, paths=RunPaths(Path("/runs/a")), params=params, seed=7)


@pytest.mark.slow
def test_a_whole_file_asks_for_what_it_asked_wandb_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody else")
    asked = desk.ask(migrate_any(SWEEP, shown="w.yaml").text)
    assert (asked.metric, asked.goal, asked.rollout_count, asked.num_samples) == ("val/loss", "minimize", 30, 3)
    assert asked.limits.target == 0.1
    assert asked.command == ("python", "train.py", "--home=/home/somebody else", "{flags}", "--seed={seed}")
    assert list(asked.parameters) == ["lr", "dropout", "layers", "optimizer", "amp", "metric_every", "net.width"]
    assert asked.parameters["metric_every"]["values"] == [5]
    assert asked.training["epochs"] == 3
    assert asked.training["net"] == {"act": "relu"}
    assert asked.results.readers == ("wandb",)


def test_what_could_not_be_kept_is_said_and_left_as_a_comment() -> None:
    moved = migrate_any(SWEEP, shown="w.yaml")
    told = "\n".join(moved.undecided)
    for key in ("project", "entity", "probabilities", "early_terminate", "method", "seed"):
        assert key in told
    assert "# not migrated, every value counts the same" in moved.text
    for comment in ("# The nets that we sweep.", "# of the last epoch", "# how fast"):
        assert comment in moved.text


RANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"value": 3}, {"values": [3]}),
    ({"distribution": "constant", "value": "a"}, {"values": ["a"]}),
    ({"values": [1, 2, 2]}, {"values": [1, 2]}),
    ({"values": [1, 2], "probabilities": [0.1, 0.9]}, {"values": [1, 2]}),
    ({"min": 1, "max": 4}, {"distribution": "int_uniform", "min": 1, "max": 4}),
    ({"min": 1.0, "max": 4}, {"distribution": "uniform", "min": 1.0, "max": 4.0}),
    ({"distribution": "uniform", "min": 1, "max": 4}, {"distribution": "uniform", "min": 1.0, "max": 4.0}),
    (
        {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.3},
        {"distribution": "uniform", "min": 0.0, "max": 0.9, "step": 0.3},
    ),
    (
        {"distribution": "q_uniform", "min": 3, "max": 30, "q": 8},
        {"distribution": "int_uniform", "min": 8, "max": 24, "step": 8},
    ),
    ({"distribution": "q_uniform", "min": 1, "max": 9}, {"distribution": "int_uniform", "min": 1, "max": 9}),
    (
        {"distribution": "log_uniform", "min": math.log(1e-4), "max": 0},
        {"distribution": "log_normal", "min": 1e-4, "max": 1.0},
    ),
    (
        {"distribution": "log_uniform_values", "min": 1, "max": 100},
        {"distribution": "log_normal", "min": 1.0, "max": 100.0},
    ),
    (
        {"distribution": "q_log_uniform_values", "min": 16, "max": 250, "q": 8},
        {"distribution": "log_normal", "min": 16, "max": 248, "integer": True, "step": 8},
    ),
    (
        {"distribution": "q_log_uniform", "min": 0, "max": math.log(100)},
        {"distribution": "log_normal", "min": 1, "max": 100, "integer": True},
    ),
    (
        {"distribution": "inv_log_uniform", "min": 0, "max": math.log(100)},
        {"distribution": "log_normal", "min": 0.01, "max": 1.0},
    ),
    (
        {"distribution": "inv_log_uniform_values", "min": 0.1, "max": 10.0},
        {"distribution": "log_normal", "min": 0.1, "max": 10.0},
    ),
    (
        {"distribution": "normal", "mu": 2, "sigma": 1},
        {"distribution": "uniform", "min": -0.326348, "max": 4.32635, "mean": 2.0},
    ),
    (
        {"distribution": "q_normal", "mu": 100, "sigma": 10, "q": 5},
        {"distribution": "int_uniform", "min": 80, "max": 120, "step": 5},
    ),
    (
        {"distribution": "log_normal", "mu": 0, "sigma": 1},
        {"distribution": "log_normal", "min": 0.0976517, "max": 10.2405, "mean": 1.0},
    ),
    (
        {"distribution": "q_log_normal", "mu": 3, "sigma": 0.5},
        {"distribution": "log_normal", "min": 7, "max": 64, "integer": True},
    ),
    ({"distribution": "beta", "a": 1, "b": 3}, {"distribution": "uniform", "min": 0.0, "max": 1.0, "mean": 0.25}),
    (
        {"distribution": "q_beta", "q": 0.25},
        {"distribution": "uniform", "min": 0.0, "max": 1.0, "step": 0.25},
    ),
]


@pytest.mark.parametrize(("spec", "leaf"), RANGES, ids=lambda value: json.dumps(value)[:60])
def test_every_distribution_has_its_range(spec: dict[str, Any], leaf: dict[str, Any]) -> None:
    found, _ = parameter_of(spec)
    assert found == leaf
    assert [type(value) for value in found.values()] == [type(value) for value in leaf.values()]


@pytest.mark.slow
def test_every_range_is_accepted_by_a_plan(desk: Desk) -> None:
    moved = migrated(json.dumps({f"x{number}": spec for number, (spec, _) in enumerate(RANGES)}))
    asked = desk.ask(moved.text)
    for number, (_, leaf) in enumerate(RANGES):
        if len(leaf.get("values", "ab")) > 1:
            assert asked.parameters[f"x{number}"].items() >= leaf.items()


UNREADABLE: list[Any] = [
    {"min": 1},
    {"distribution": "cube", "min": 1, "max": 2},
    {"distribution": "log_uniform_values", "min": 0, "max": 1},
    {"distribution": "uniform", "min": 2, "max": 1},
    {"distribution": "int_uniform", "min": 0.5, "max": 1},
    {"distribution": "uniform", "min": "1", "max": 2},
    {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0},
    {"distribution": "log_uniform", "min": 0, "max": 1000},
    {"distribution": "normal", "sigma": -1},
    {"distribution": "uniform"},
    {"values": []},
    {"distribution": ["uniform"]},
    "uniform",
]


@pytest.mark.slow
def test_a_range_that_cannot_be_read_is_left_out_and_said(desk: Desk) -> None:
    specs = {f"x{number}": spec for number, spec in enumerate(UNREADABLE)}
    moved = migrated(json.dumps({**specs, "y": {"min": 0.0, "max": 1.0}}))
    for name in specs:
        assert any(line.startswith(f"parameters.{name}: ") and "was left out" in line for line in moved.undecided)
    assert list(desk.ask(moved.text).parameters) == ["y"]


@pytest.mark.slow
def test_a_constant_named_as_a_key_of_ours_reaches_the_program(desk: Desk) -> None:
    names = [
        "optimizer",
        "goal",
        "confirm",
        "wandb",
        "command",
        "results",
        "num_samples",
        "metrics",
        "limit",
        "device",
        "x0",
        "early_stop",
    ]
    constants = {name: {"value": "x"} for name in names}
    asked = desk.ask(migrated(json.dumps({**constants, "y": {"min": 0.0, "max": 1.0}})).text)
    held = {name for name, leaf in asked.parameters.items() if leaf == {"values": ["x"]}}
    assert held | {name for name in names if asked.training.get(name) == "x"} == set(names)


@pytest.mark.parametrize(
    ("given", "became"),
    [
        ("program: train.py", ["python", "train.py", "--lr=0.5", "--amp=true"]),
        ("program: train.py\ncommand: ['${program}', '${args_no_boolean_flags}']", ["train.py", "--lr=0.5", "--amp"]),
        ("program: a.py\ncommand: ['${program}', '${args_no_hyphens}']", ["a.py", "lr=0.5", "amp=true"]),
        ("command: [go, '--json=${args_json}']", ["go", '--json={"lr": 0.5, "amp": true}']),
        ("command: [go, '${args_json_file}']", ["go", "/runs/a/config.yaml"]),
        ("command: [go, 'a b', '{c}', '${args}']", ["go", "a b", "{c}", "--lr=0.5", "--amp=true"]),
        ("command: 'python -m nets ${args}'", ["python", "-m", "nets", "--lr=0.5", "--amp=true"]),
    ],
)
def test_macros_become_placeholders(given: str, became: list[str]) -> None:
    found = command(given, {"lr": 0.5, "amp": True})
    assert [Path(word).name if "config" in word else word for word in found] == [
        Path(word).name if "config" in word else word for word in became
    ]


@pytest.mark.parametrize("word", ["${unknown}", "${envvar:WANDB_API_KEY}", "${envvar:}", "${open", "${program}"])
def test_a_macro_without_counterpart_is_left_out_and_said(word: str) -> None:
    moved = migrated(more=f"command: [go, '--x={word}', '${{args}}']")
    assert parse_yaml(moved.text, shown="").data["sweep"]["command"] == "go {args}"
    assert any(line.startswith("command: ") and "was left out" in line for line in moved.undecided)


def test_a_command_that_hands_nothing_over_leaves_it_to_the_programs_config(desk: Desk) -> None:
    asked = desk.ask(migrated(more="command: [go]").text)
    assert asked.command == ("go",)
    assert asked.results is not None
    assert asked.results.readers == ("wandb",)


@pytest.mark.slow
def test_a_file_without_program_or_metric_still_makes_a_plan(desk: Desk) -> None:
    moved = migrate_any("method: grid\nparameters: {a: {values: [1, 2]}}\n", shown="w.yaml")
    assert desk.ask(moved.text).command == ("python", "train.py", "{args}")
    assert {line.partition(":")[0] for line in moved.undecided} == {"metric", "command", "method", "rollout_count"}


def test_parameters_inside_each_other_are_not_both_kept(desk: Desk) -> None:
    moved = migrated("{a: {values: [1, 2]}, a.b: {values: [1, 2]}}")
    assert list(desk.ask(moved.text).parameters) == ["a"]


def test_texts_that_would_be_interpolations_are_left_out(desk: Desk) -> None:
    old = "method: bayes\nname: '${a}'\nprogram: '${b}.py'\nmetric: {name: '${c}'}\nparameters: {x: {values: [1, 2]}}\n"
    moved = migrate_any(old, shown="w.yaml")
    assert desk.ask(moved.text).command == ("python", "train.py", "{args}")
    assert {"description", "program", "metric"} <= {line.partition(":")[0] for line in moved.undecided}


def test_what_is_said_has_the_order_of_the_file() -> None:
    unknown = [f"key{number}" for number in (5, 3, 8, 1)]
    moved = migrate_any("method: bayes\n" + "".join(f"{key}: 1\n" for key in unknown), shown="w.yaml")
    assert [line.partition(":")[0] for line in moved.undecided if line.startswith("key")] == unknown


def test_the_ranges_of_the_page_for_newcomers_are_accepted(desk: Desk) -> None:
    page = (Path(__file__).parents[3] / "docs" / "coming_from.md").read_text(encoding="utf-8")
    leaves = re.findall(r"`(\{(?:distribution|values): [^`]*\})`", page)
    numbers = {"a": "2", "b": "8", "s": "2"}
    given = [re.sub(r"\b[abs]\b", lambda found: numbers[found[0]], leaf) for leaf in leaves]
    lines = "".join(f"    x{number}: {leaf}\n" for number, leaf in enumerate(given))
    asked = desk.ask(f"sweep:\n  command: python train.py {{args}}\n  parameters:\n{lines}")
    assert len(asked.parameters) == len(given) >= 8


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.one_of(texts, trees, edits))
def test_whatever_is_added_to_a_wandb_file_it_can_be_read_again(raw: bytes) -> None:
    try:
        moved = migrate_any("method: bayes\n" + raw.decode("utf-8", "replace"), shown="w.yaml")
    except RequestError:
        return
    assert parse_yaml(moved.text, shown="new.yaml").problems == ()


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("{type: hyperband, min_iter: 3}", "auto"),
        ("{type: hyperband, min_iter: 3, max_iter: 30}", {"policy": "auto", "min_share": 0.1}),
        ("{type: hyperband, max_iter: 27, s: 2, strict: true}", {"policy": "auto", "min_share": 0.111}),
        ("{type: other}", None),
    ],
)
def test_hyperband_becomes_early_stopping(block, expected):
    text = f"program: a.py\nmetric: {{name: x}}\nearly_terminate: {block}\nparameters: {{lr: {{min: 0.1, max: 0.2}}}}\n"
    migrated = migrate_any(text, shown="w.yaml")
    assert yaml.safe_load(migrated.text)["sweep"].get("early_stop") == expected
    assert any(line.startswith("early_terminate") for line in migrated.undecided)
