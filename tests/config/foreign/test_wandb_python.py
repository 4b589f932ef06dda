"""A W&B sweep that a Python program defines is taken over, and its function runs without the program."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest

from metta_sweep.config.foreign.reading import migrate_any
from metta_sweep.config.yaml_source import parse_yaml
from metta_sweep.errors import RequestError
from tests.config.conftest import Desk

AT_ONCE = """
import math
import wandb

CONFIG = {
    "method": "bayes",
    "metric": {"name": "val_loss", "goal": "minimize"},
    "parameters": {
        "lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1},
        "depth": {"values": [2, 4]},
        "tau": {"distribution": "log_uniform", "min": math.log(0.01), "max": 0},
    },
}


def train():
    with wandb.init() as run:
        run.log({"val_loss": run.config.lr})


if __name__ == "__main__":
    wandb.agent(wandb.sweep(sweep=CONFIG, project="mine"), function=train, count=7)
"""
STEP_BY_STEP = """
import wandb

config = {"method": "random"}
metric = dict(name="val_loss", goal="minimize")
config["metric"] = metric
parameters = {"depth": {"values": [2, 4]}}
config["parameters"] = parameters
parameters.update({"lr": {"min": 0.0001, "max": 1.0}, "data": {"values": list_of_files()}})


def train(config=None):
    ...


def main():
    sweep_id = wandb.sweep(config, project="mine")
    wandb.agent(sweep_id, train, count=7)


main()
"""


def sweep_of(text: str, shown: str = "wandb_train.py") -> dict:
    return parse_yaml(migrate_any(text, shown=shown).text, shown="").data


@pytest.mark.parametrize("text", [AT_ONCE, STEP_BY_STEP])
def test_the_sweep_of_a_program_is_found_however_its_dictionary_is_written(desk: Desk, text: str) -> None:
    asked = desk.ask(migrate_any(text, shown="wandb_train.py").text)
    assert {"lr", "depth"} <= set(asked.parameters)
    assert (asked.metric, asked.goal, asked.rollout_count) == ("val_loss", "minimize", 7)
    assert asked.command == ("python", "-c", "import wandb_train; wandb_train.train()")
    assert asked.results is not None
    assert asked.results.readers == ("wandb",)


def test_what_only_a_run_could_tell_is_left_out_and_said() -> None:
    moved = migrate_any(STEP_BY_STEP, shown="train.py")
    assert any(line.startswith("data: it is known only when the program runs") for line in moved.undecided)
    assert "data" not in moved.text
    assert sweep_of(AT_ONCE)["sweep"]["parameters"]["tau"]["min"] == pytest.approx(0.01)


def test_a_program_that_would_start_its_sweep_when_it_is_imported_is_said() -> None:
    bare = AT_ONCE.replace('if __name__ == "__main__":\n    wandb.agent', "wandb.agent")
    assert any("starts its sweep" in line for line in migrate_any(bare, shown="train.py").undecided)
    assert not any("starts its sweep" in line for line in migrate_any(AT_ONCE, shown="train.py").undecided)


@pytest.mark.parametrize("given", ["load()", "**load()", "CONFIG['x']", ""])
def test_a_sweep_that_only_a_run_knows_is_one_message(given: str) -> None:
    with pytest.raises(RequestError, match="known only when the program runs"):
        migrate_any(f"import wandb\nwandb.sweep({given})\n", shown="train.py")


@pytest.mark.parametrize(
    "text",
    [
        "a = a\nwandb.sweep({'parameters': {'x': {'values': [1j]}}})",
        "d = {}\nd[[1]] = 2\nd['x'] = d\nwandb.sweep(d)",
        "wandb.sweep({1: 2, **3, None: {[]: 4}, 'parameters': ...})",
        "wandb.sweep({'parameters': {'x': {'min': math.log(-1), 'max': math.log('a')}}})",
        "wandb.sweep(sweep={'parameters': 5, 'metric': 6, 'method': 7})",
        "wandb.agent(5)\nwandb.sweep(d['x'], 1, 2)",
    ],
)
def test_an_odd_program_is_taken_over_or_one_message(text: str) -> None:
    with contextlib.suppress(RequestError):
        assert "sweep:" in migrate_any(text, shown="train.py").text


@pytest.mark.parametrize("name", ["my_train.py", "my-train.py", "sub folder/my_train.py"])
def test_the_function_is_called_and_the_program_is_not(tmp_path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    body = "def train():\n    print('trained')\nif __name__ == '__main__':\n    print('swept')\n"
    text = AT_ONCE.replace("import wandb\n", "").replace("def train():\n", f"{body}def other():\n")
    file.write_text(text.replace("    wandb.agent", "    wandb = 0; wandb.agent"))
    *start, code = sweep_of(AT_ONCE, name)["sweep"]["command"]
    assert start == ["python", "-c"]
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("trained\n", 0), done.stderr
