"""Every mistake is one message: snapshots of what a person sees."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from metta_sweep.config.ask import ask
from metta_sweep.config.sweep_file import read_sweep
from metta_sweep.config.training_schema import TrainingKeys
from metta_sweep.config.yaml_source import read_yaml
from metta_sweep.errors import RequestError
from metta_sweep.optimize.registry import read_optimizer
from metta_sweep.trainer.schema import schema

WRONG = Path(__file__).parent / "wrong"
FILES = sorted(path.name for path in WRONG.glob("*.yaml"))


def message(words: list[str], cwd: Path) -> str:
    with pytest.raises(RequestError) as caught:
        ask(words, training=schema, cwd=cwd, optimizer=read_optimizer)
    return str(caught.value)


COMPOSED_TOO = {
    "broken_rule_without_parameters.yaml",
    "goal_and_metric_of_another_type.yaml",
    "indivisible_batch.yaml",
    "interpolation_cycle.yaml",
    "many_mistakes.yaml",
    "protein_setting.yaml",
    "root_level_trainer.yaml",
    "unknown_override.yaml",
    "unknown_swept_path.yaml",
}
"""Files that are looked at in the quick form of the suite although they have to be composed for it."""


def is_quick(name: str) -> bool:
    source = read_yaml(WRONG / name, shown=name)
    return name in COMPOSED_TOO or read_sweep(source, training=TrainingKeys.of(schema), free=False).unusable


def each_file() -> list[Any]:
    binary = {"not_utf8.yaml", "utf16.yaml"}
    quick = [name for name in FILES if name in binary or is_quick(name)]
    return [*quick, *(pytest.param(name, marks=pytest.mark.slow) for name in FILES if name not in quick)]


@pytest.mark.slow
@pytest.mark.parametrize("name", each_file())
def test_a_wrong_file_is_told_with_its_place(name: str, snapshot: SnapshotAssertion) -> None:
    told = message(["run=test", f"++sweep_params={name}"], WRONG)
    assert all(line.startswith((name, " ")) or "command line" in line for line in told.splitlines())
    told = re.sub(r"there are: sweep/\w+, [\w/, ]+", "there are: SWEEP FILES", told)
    assert told == snapshot(name=name.removesuffix(".yaml"))


def test_there_are_many_wrong_files() -> None:
    assert len(FILES) >= 40
