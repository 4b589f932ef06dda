"""What an optimizer is told of what its sweep may take."""

from pathlib import Path

import pytest

from metta_sweep.commands.parts import search_task
from tests.config.conftest import LEARNING_RATE, Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.delenv("DATA_DIR", raising=False)
    return Desk(tmp_path)


@pytest.mark.parametrize(
    ("more", "seconds"),
    [
        ("", None),
        ("    limits: {total_cost: 10m}\n", 600.0),
        ("    limits: {total_cost: 10m, wall_time: 2m}\n", 360.0),
        ("    limits: {wall_time: 2m}\n    confirm: {top_k: 2, seeds: 2}\n", 240.0),
        ("    limits: {total_cost: 10m}\n    protein: {planned_cost: 50}\n", 50.0),
    ],
)
def test_an_optimizer_is_told_what_its_runs_may_cost(desk: Desk, more: str, seconds: float | None) -> None:
    asked = desk.ask(f"rollout_count: 9\nsweep:{LEARNING_RATE}{more}", "launcher.max_parallel=3")
    settings = search_task(asked).settings
    assert (settings["planned_rollouts"], settings["planned_cost"]) == (9, seconds)


def test_with_several_runs_a_rollout_each_run_has_its_share(desk: Desk) -> None:
    asked = desk.ask(f"num_samples: 2\nsweep:{LEARNING_RATE}    limits: {{total_cost: 10m}}\n")
    assert search_task(asked).settings["planned_cost"] == 300.0
