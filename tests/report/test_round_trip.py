"""What ``best`` writes is read back as exactly the winner's config: by Hydra, and by a program behind a real shell."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from metta_sweep.config.ask import ask
from metta_sweep.optimize.protein import Protein
from metta_sweep.optimize.registry import read_optimizer
from metta_sweep.sweep.commands import run_config
from metta_sweep.trainer.schema import schema
from tests.factories import History
from tests.report.test_best import told

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
GROUPS = [
    f"{group}={path.stem}"
    for group in ("agent", "env", "sim", "trainer")
    for path in sorted((CONFIGS / group).glob("*.yaml"))
]
TEXTS = [
    "",
    "a,b",
    "it's",
    "\"both'",
    "${seed}",
    "\\${seed}",
    "null",
    "1e-5",
    "1_000",
    "-",
    " lead",
    "two\nlines",
    "{a: 1}",
]
TEXTS += [
    "[1, 2]",
    "#no comment",
    "a: b",
    "é",
    "$HOME",
    "`ls`",
    "*",
    "a\\",
    "--flag",
    "0x10",
    "12:30:45",
    "no",
    "!",
    "%",
]


def composed(configs: Path, job: str, overrides: Sequence[str]) -> dict[str, Any]:
    with initialize_config_dir(str(configs), version_base=None):
        found = OmegaConf.to_container(compose(job, overrides=list(overrides)), resolve=True)
    assert isinstance(found, dict)
    return found


def of_the_winner(history: History, folder: Path) -> dict[str, Any]:
    """Return what the job composes to with the winner's file as its experiment."""
    (folder / "experiment").mkdir(exist_ok=True)
    (folder / "experiment" / "winner.yaml").write_text(told(history, "hydra"), encoding="utf-8")
    return composed(CONFIGS, "sweep_job", ["experiment=winner", f"hydra.searchpath=[{folder.as_uri()}]"])


def assert_same(found: Mapping[str, Any], training: Mapping[str, Any], params: Mapping[str, Any]) -> None:
    expected = run_config(training, params, run_id="any", seed=0)
    del expected["run"]
    assert {key: found[key] for key in expected} == expected


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_whatever_groups_were_chosen_the_file_composes_to_the_winners_config(group: str, tmp_path: Path) -> None:
    base = composed(CONFIGS, "sweep_job", [group])
    training = {key: base[key] for key in ("trainer", "env", "agent", "sim", "device", "seed")}
    params = {"trainer.learning_rate": 1e-5, "trainer.batch_size": 128}
    history = History(asked={"training": training}).rollout(0.5, params=params)
    assert_same(of_the_winner(history, tmp_path), training, params)


@pytest.mark.slow
def test_pinned_conditional_and_tied_parameters_come_back_as_they_were(tmp_path: Path) -> None:
    words = ["run=x", "++sweep_params=sweep/protein_complex", "trainer.gamma=0.97", "env=pong"]
    asked = ask(words, training=schema, cwd=ROOT, optimizer=read_optimizer)
    assert "trainer.gamma" not in asked.parameters
    assert asked.training["trainer"]["gamma"] == 0.97
    protein = Protein(asked.space, goal="maximize", seed=3)
    seen: set[str] = set()
    for _ in range(6):
        suggestion = protein.suggest()
        protein.observe(suggestion.params, score=0.0, cost=1.0)
        history = History(asked={"training": asked.training}).rollout(0.5, params=suggestion.params)
        assert_same(of_the_winner(history, tmp_path), asked.training, suggestion.params)
        seen |= {name for name in asked.parameters if name not in suggestion.params}
    assert seen, "no suggestion left a conditional parameter out"


@pytest.mark.slow
def test_a_sweep_command_takes_the_file_as_its_experiment(tmp_path: Path) -> None:
    """The sweep file and the command line win over it, as over every group."""
    words = ["run=x", "++sweep_params=mine.yaml"]
    (tmp_path / "mine.yaml").write_text(
        "# @package _global_\nrollout_count: 1\nsweep:\n  parameters:\n    trainer.gamma: "
        "{min: 0.9, max: 0.99, distribution: uniform}\n  trainer: {total_timesteps: 512}\n"
    )
    base = ask([*words, "env=pong", "agent=lstm", "seed=7"], training=schema, cwd=tmp_path).training
    params = {"trainer.learning_rate": 1e-5, "trainer.update_epochs": 2}
    history = History(asked={"training": base}).rollout(0.5, params=params)
    (tmp_path / "configs" / "experiment").mkdir(parents=True)
    (tmp_path / "configs" / "experiment" / "winner.yaml").write_text(told(history, "hydra"), encoding="utf-8")
    found = ask([*words, "+experiment=winner", "seed=0"], training=schema, cwd=tmp_path).training
    assert_same({**found, "seed": 0}, base, params)
    assert found["trainer"]["total_timesteps"] == 512


def app(folder: Path) -> Path:
    """Write the config of a program of somebody else."""
    (folder / "experiment").mkdir(exist_ok=True)
    (folder / "app.yaml").write_text("model: {kind: 0, other: 7}\nseed: 9\n", encoding="utf-8")
    return folder


def assert_value_comes_back(value: Any, folder: Path) -> None:
    history = History(asked={"command": ("x", "{args}")}).rollout(0.5, params={"model.kind": value})
    (app(folder) / "experiment" / "winner.yaml").write_text(told(history, "hydra"), encoding="utf-8")
    found = composed(folder, "app", ["+experiment=winner"])
    assert found == {"model": {"kind": value, "other": 7}, "seed": 0}
    assert type(found["model"]["kind"]) is type(value)


@pytest.mark.slow
@pytest.mark.parametrize("value", [*TEXTS, 1.5, 1e-5, 1e22, 3, True, None])
def test_a_value_of_any_kind_comes_back_through_hydra(value: Any, tmp_path: Path) -> None:
    assert_value_comes_back(value, tmp_path)


@pytest.mark.slow
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])).filter(lambda text: text != "???"))
def test_any_text_comes_back_through_hydra(tmp_path: Path, text: str) -> None:
    """All but three question marks alone, with which OmegaConf says that a value is missing."""
    assert_value_comes_back(text, tmp_path)


ECHO = "import json, sys; print(json.dumps(sys.argv[1:]))"


def test_the_options_come_back_through_a_real_shell() -> None:
    params = {f"model.p{place}": value for place, value in enumerate([*TEXTS, 1.5, 1e-5, 3, True, None])}
    line = told(History().rollout(0.5, params=params), "args")
    shell = f"{sys.executable} -c '{ECHO}' {line}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
    found = dict(option.removeprefix("--").split("=", 1) for option in json.loads(done.stdout))
    assert found == {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}
