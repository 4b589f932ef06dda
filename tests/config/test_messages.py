"""Every mistake is one message: snapshots of what a person sees."""

from __future__ import annotations

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from metta_sweep.config import ask
from metta_sweep.errors import RequestError
from metta_sweep.protein import ProteinSettings
from metta_sweep.trainer.config import schema

WRONG = Path(__file__).parent / "wrong"
FILES = sorted(path.name for path in WRONG.glob("*.yaml"))


def message(words: list[str], cwd: Path) -> str:
    with pytest.raises(RequestError) as caught:
        ask(words, training=schema, cwd=cwd, protein=ProteinSettings.parse)
    return str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_a_wrong_file_is_told_with_its_place(name: str, snapshot: SnapshotAssertion) -> None:
    told = message(["run=test", f"++sweep_params={name}"], WRONG)
    assert all(line.startswith((name, " ")) or "command line" in line for line in told.splitlines())
    assert told == snapshot(name=name.removesuffix(".yaml"))


def test_there_are_many_wrong_files() -> None:
    assert len(FILES) >= 40
