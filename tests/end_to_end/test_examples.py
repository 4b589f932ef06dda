"""Trainers as their ecosystems write them are swept as they are: no line of them knows of a sweep."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("example", "metric", "needs"),
    [
        pytest.param("sklearn_prints", "accuracy", "sklearn", marks=pytest.mark.long),
        pytest.param("hydra_groups", "return", "hydra", marks=pytest.mark.long),
        ("lightning_csv", "val_loss", "numpy"),
        pytest.param("wandb_trainer", "accuracy", "wandb", marks=pytest.mark.long),
        pytest.param("tensorboard_ppo", "return", "tensorboard", marks=pytest.mark.long),
        ("node_script", "loss", ""),
    ],
)
def test_an_example_is_swept_as_it_is(tmp_path, example, metric, needs):
    if needs and importlib.util.find_spec(needs) is None:
        pytest.skip(f"{needs} is not installed")
    if not needs and shutil.which("node") is None:
        pytest.skip("node is not installed")
    (tmp_path / "examples").symlink_to(EXAMPLES)
    rollouts = 1 if example == "tensorboard_ppo" else 2
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    words = ["run", "run=my", f"++sweep_params=examples/{example}/sweep.yaml", f"rollout_count={rollouts}"]
    done = subprocess.run(
        [sys.executable, "-m", "metta_sweep.commands", *words, "wandb=off", "data_dir=data"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for number in range(rollouts):
        run = tmp_path / "data" / "sweep" / "my" / "runs" / f"my.r.{number}"
        assert metric in json.loads((run / "result.json").read_text())["metrics"]
        assert "results:" not in (run / "train.log").read_text()
        assert metric in json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["metrics"]
    assert "metta_sweep" not in "".join(file.read_text() for file in (EXAMPLES / example).glob("*.[jp][sy]"))
