"""The file that the real W&B client keeps of an offline run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from metta_sweep.results.environment import run_environment
from metta_sweep.results.wandb import WandbReader
from tests.results.conftest import values_of

pytestmark = pytest.mark.slow

TRAINER = """
import wandb
run = wandb.init(project="somebody", name="mine", config={"lr": 0.1})
for step in range(400):
    wandb.log({"loss": 1 / (step + 1), "eval": {"accuracy": step / 10}, "note": "x" * 200})
wandb.log({"epoch": 3, "loss": float("nan")}, step=1000)
run.summary["best/accuracy"] = 0.75
wandb.finish()
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    pytest.importorskip("wandb")
    root = tmp_path_factory.mktemp("wandb")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    ours = run_environment(["wandb"], sweep="my", base=clean)
    filled = {name: value.replace("{run_dir}", str(root)).replace("{run_id}", "my.r.0") for name, value in ours.items()}
    env = {**clean, **filled, "WANDB_SILENT": "true"}
    subprocess.run([sys.executable, "-c", TRAINER], env=env, check=True, capture_output=True, cwd=root, timeout=120)
    (found,) = root.glob("wandb/offline-run-*-my.r.0/run-my.r.0.wandb")
    return found


def reader_of(source, run, content, **values):
    here = source(**values)
    reader = WandbReader(here)
    folder = run.root / "wandb" / "offline-run-1-my.r.0"
    folder.mkdir(parents=True)
    (folder / "run-my.r.0.wandb").write_bytes(content)
    return here, reader


def test_history_and_summary_are_read_with_their_steps(source, run, written):
    _, reader = reader_of(source, run, written.read_bytes())
    points = list(reader.read(final=True))
    losses = values_of(points, "loss")
    assert losses[:2] == [(0.0, 1.0), (1.0, 0.5)]
    assert losses[-1][0] == 1000.0
    assert losses[-1][1] != losses[-1][1]
    assert values_of(points, "eval.accuracy")[-1] == (399.0, 39.9)
    assert values_of(points, "best/accuracy") == [(None, 0.75)]
    assert all(point.at_s for point in points if point.name == "loss")


def test_a_torn_file_gives_what_comes_before_the_tear(source, run, written):
    content = written.read_bytes()
    here, reader = reader_of(source, run, content[: len(content) // 2])
    losses = values_of(reader.read(final=True))
    assert 100 < len(losses) < 400
    assert losses == [(float(step), 1 / (step + 1)) for step in range(len(losses))]
    assert here.notes.news() == []


def test_the_file_is_read_as_it_grows(source, run, written):
    content = written.read_bytes()
    _, reader = reader_of(source, run, b"")
    path = next(run.root.glob("wandb/*/*.wandb"))
    points = []
    for start in range(0, len(content), 5000):
        with path.open("ab") as file:
            file.write(content[start : start + 5000])
        points += reader.read(final=False)
    points += reader.read(final=True)
    assert len(values_of(points)) == 401


def test_damage_is_said(source, run, written):
    content = bytearray(written.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 50] = b"\xff" * 50
    here, reader = reader_of(source, run, bytes(content))
    assert len(values_of(reader.read(final=True))) > 100
    assert "is damaged" in " ".join(here.notes.news())


def test_a_run_is_written_offline_unless_the_sweep_itself_is_online():
    ours = run_environment(["wandb"], sweep="my", base={"WANDB_MODE": "disabled"})
    assert (ours["WANDB_MODE"], ours["WANDB_DIR"], ours["WANDB_RUN_GROUP"]) == ("offline", "{run_dir}", "my")
    assert "WANDB_MODE" not in run_environment(["wandb"], sweep="my", base={}, is_online=True)
    assert run_environment(["csv"], sweep="my", base={}) == {}
