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
        ("config_file", "val_loss", "yaml"),
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


SKY = """#!/usr/bin/env bash
echo "$*" >> "$LEDGER"
[ "$2" = launch ] || exit 0
[ -z "${SLEEPS:-}" ] || { echo started; exec sleep 5 >/dev/null; }
args="$(printf '%s\\n' "$@" | sed -n 's/^ARGS=//p')"
python examples/sklearn_prints/train.py $args | sed "s/^/(job, pid=1) /"
"""
"""Stands in for SkyPilot: a managed job's log has its name before each line."""


@pytest.fixture
def sky(tmp_path):
    (tmp_path / "examples").symlink_to(EXAMPLES)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sky").write_text(SKY)
    (tmp_path / "bin" / "sky").chmod(0o755)
    path = os.pathsep.join([str(tmp_path / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "LEDGER": str(tmp_path / "ledger")}


@pytest.mark.long
@pytest.mark.long
def test_runs_are_managed_jobs_of_skypilot(tmp_path, sky):
    pytest.importorskip("sklearn")
    words = ["run", "run=my", "++sweep_params=examples/skypilot/sweep.yaml", "rollout_count=2", "wandb=off"]
    done = subprocess.run(
        [sys.executable, "-m", "metta_sweep.commands", *words, "data_dir=data"],
        cwd=tmp_path,
        env=sky,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    calls = (tmp_path / "ledger").read_text().splitlines()
    assert [call.partition(" --env")[0] for call in calls] == [f"jobs launch -y -n my-r-{k}" for k in range(2)]
    assert (tmp_path / "data" / "sweep" / "my" / "runs" / "my.r.1" / "result.json").exists()


def test_a_job_of_skypilot_is_cancelled_with_its_run(tmp_path, sky):
    sky |= {"SLEEPS": "1", "METTA_SWEEP_RUN_DIR": str(tmp_path / "my.r.7")}
    words = ["examples/skypilot/run.sh", "--seed=7"]
    with subprocess.Popen(words, cwd=tmp_path, env=sky, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "started\n"
        run.terminate()
        assert run.wait(timeout=30) == 143
    assert (tmp_path / "ledger").read_text().splitlines()[-1] == "jobs cancel -y -n my-r-7"
