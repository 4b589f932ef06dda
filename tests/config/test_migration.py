"""From CARBS files to sweep files."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from metta_sweep.config.carbs import parameter_yaml, read_space
from metta_sweep.config.migration import migrate
from metta_sweep.config.yaml_source import parse_yaml
from metta_sweep.errors import RequestError
from tests.config.conftest import Desk
from tests.config.test_no_traceback import SHIPPED, edits, texts, trees

OLD = """\
# @package _global_
# The altar, as it was searched with CARBS.

num_samples: 2   # two of each

sweep:
  metric: heart.get   # what counts
  goal: maximize
  parameters:
    # how fast
    trainer.learning_rate: ${ss:log, 1e-5, 1e-2}   # wide
    trainer:
      batch_size: ${ss:pow2, 256, 1024}
      gamma:
        space: logit
        min: 0.9
        max: 0.999
        search_center: 0.99   # good so far

# Short runs.
trainer:
  total_timesteps: 2048
  update_epochs: ${ss:int, 1, 4}
  entropy_coef: ${ss:logit, 0.001, 0.1}
  minibatch_size: 256
env:
  game:
    max_steps: 32   # short
# The end.
"""

TWIN = """\
rollout_count: 10
num_samples: 2
sweep:
  metric: heart.get
  goal: maximize
  parameters:
    trainer.learning_rate: {distribution: log_normal, min: 0.00001, max: 0.01}
    trainer.batch_size: {distribution: uniform_pow2, min: 256, max: 1024}
    trainer.gamma: {distribution: uniform, min: 0.9, max: 0.999, mean: 0.99}
    trainer.update_epochs: {distribution: int_uniform, min: 1, max: 4}
    trainer.entropy_coef: {distribution: uniform, min: 0.001, max: 0.1}
  trainer:
    total_timesteps: 2048
    minibatch_size: 256
  env:
    game:
      max_steps: 32
"""


def migrated(text: str) -> str:
    return migrate(textwrap.dedent(text), shown="old.yaml").text


def content(text: str) -> dict[str, object]:
    return dict(parse_yaml(migrated(text), shown="new.yaml").data)


@pytest.mark.slow
def test_a_migrated_file_asks_for_what_its_twin_asks_for(desk: Desk) -> None:
    new, twin = desk.ask(migrate(OLD, shown="old.yaml").text), desk.ask(TWIN)
    assert new.parameters == twin.parameters
    assert new.space.center() == twin.space.center()
    assert new.training == twin.training
    assert (new.metric, new.goal, new.rollout_count, new.num_samples) == ("heart.get", "maximize", 10, 2)


def test_every_comment_is_kept_beside_what_it_speaks_of() -> None:
    lines = [line.strip() for line in migrated(OLD).splitlines()]
    assert lines[:2] == OLD.splitlines()[:2]
    for comment, key in [
        ("two of each", "num_samples: 2"),
        ("what counts", "metric: heart.get"),
        ("wide", "trainer.learning_rate:"),
        ("good so far", "mean: 0.99"),
        ("short", "max_steps: 32"),
    ]:
        assert any(line.startswith(key) and line.endswith(f"# {comment}") for line in lines)
    assert lines[lines.index("# how fast") + 1].startswith("trainer.learning_rate:")
    assert lines[lines.index("# Short runs.") + 1] == "trainer:"
    assert "# The end." in lines


def test_what_could_not_be_decided_is_said() -> None:
    told = migrate(OLD, shown="old.yaml").undecided
    assert [line.partition(":")[0] for line in told] == ["trainer.gamma", "trainer.entropy_coef", "rollout_count"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("${ss:log, 1e-5, 1e-2}", {"distribution": "log_normal", "min": 0.00001, "max": 0.01}),
        ("${ss:pow2, 32, 256}", {"distribution": "uniform_pow2", "min": 32, "max": 256}),
        ("${ss:int, 1, 10}", {"distribution": "int_uniform", "min": 1, "max": 10}),
        ("${ss:logit, 0.1, 0.9}", {"distribution": "uniform", "min": 0.1, "max": 0.9}),
        ("${ss:log,1e-5,1e-2,1e-3}", {"distribution": "log_normal", "min": 0.00001, "max": 0.01, "mean": 0.001}),
    ],
)
def test_the_guides_table_holds(old: str, new: dict[str, object]) -> None:
    space = read_space(old)
    assert space is not None
    assert space.leaf() == new
    line = parameter_yaml("sweep.parameters.trainer.x", old).partition("write   ")[2]
    assert yaml.safe_load(line) == {"trainer.x": new}


@pytest.mark.parametrize("text", ["${ss:log}", "${ss:log, a, b}", "${ss:cube, 1, 2}", "${ss:log,1,2,3,4}", "x"])
def test_what_is_no_space_is_not_guessed_at(text: str) -> None:
    assert read_space(text) is None


def test_blocks_at_the_root_move_under_sweep() -> None:
    assert content("trainer: {gamma: 0.9}\nenv: {game: {max_steps: 3}}\n")["sweep"] == {
        "parameters": {},
        "trainer": {"gamma": 0.9},
        "env": {"game": {"max_steps": 3}},
    }


def test_a_list_of_named_parameters_becomes_a_mapping() -> None:
    old = "parameters:\n  - {name: trainer.gamma, space: linear, min: 0.9, max: 0.99, search_center: 0.95}\n"
    leaf = {"distribution": "uniform", "min": 0.9, "max": 0.99, "mean": 0.95}
    assert content(old)["sweep"] == {"parameters": {"trainer.gamma": leaf}}


def test_whole_numbers_stay_whole() -> None:
    old = (
        "parameters: {a: {space: log, is_int: true, min: 1, max: 8}, b: {space: linear, is_int: true, min: 1, max: 8}}"
    )
    parameters = content(old)["sweep"]["parameters"]  # type: ignore[index]
    assert parameters["a"] == {"distribution": "log_normal", "min": 1, "max": 8, "integer": True}
    assert parameters["b"] == {"distribution": "int_uniform", "min": 1, "max": 8}


def test_the_optimizers_settings_become_proteins() -> None:
    moved = migrate("sweep: {carbs: {num_random_samples: 5, better_direction: 1}}", shown="old.yaml")
    assert parse_yaml(moved.text, shown="").data["sweep"]["protein"] == {"num_random_samples": 5}
    assert any("better_direction" in line for line in moved.undecided)
    assert "better_direction" in moved.text


def test_constants_among_the_parameters_become_overrides() -> None:
    sweep = content("sweep: {parameters: {trainer.gamma: {value: 0.9}, trainer.num_steps: 32}}")["sweep"]
    assert sweep == {"parameters": {}, "trainer": {"gamma": 0.9, "num_steps": 32}}


def test_metric_in_the_form_of_wandb() -> None:
    sweep = content("metric: {name: heart.get, goal: minimize}\n")["sweep"]
    assert sweep == {"metric": "heart.get", "goal": "minimize", "parameters": {}}


@pytest.mark.slow
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_migrating_a_new_file_changes_nothing_that_it_says(path: Path) -> None:
    text = path.read_text()
    moved = migrate(text, shown=path.name)
    before, after = parse_yaml(text, shown="").data, parse_yaml(moved.text, shown="").data
    assert moved.undecided == ()
    assert after["sweep"] == before["sweep"]
    assert migrate(moved.text, shown="").text == moved.text
    assert next(line for line in text.splitlines() if line.startswith("#")) in moved.text


def test_no_yaml_is_one_error() -> None:
    with pytest.raises(RequestError, match="a tab stands"):
        migrate("a:\n\tb: 1\n", shown="old.yaml")


@settings(max_examples=40, deadline=None)
@given(st.one_of(texts, trees, edits))
def test_whatever_is_migrated_can_be_read_again(raw: bytes) -> None:
    try:
        moved = migrate(raw.decode("utf-8", "replace"), shown="old.yaml")
    except RequestError:
        return
    assert parse_yaml(moved.text, shown="new.yaml").problems == ()
