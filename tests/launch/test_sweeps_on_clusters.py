"""A whole sweep on a real cluster: from the command line to the summary, its controller killed on the way."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metta_sweep.store.journal import read_events
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import from_json
from metta_sweep.sweep.state import SweepState
from tests.contract.conftest import ray, slurm, wait_until

__all__ = ["ray", "slurm"]

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def sweep(data_dir, launcher):
    """Start the guide's example on the cluster."""
    command = [
        "run",
        "run=my_test",
        "++sweep_params=sweep/my_test_sweep",
        f"data_dir={data_dir}",
        f"launcher={launcher}",
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "metta_sweep.commands", *command, "launcher.max_parallel=2", "wandb.mode=off"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def kinds(paths):
    return [event["kind"] for event in read_events(paths)] if paths.journal.exists() else []


@pytest.mark.parametrize("launcher", ["slurm", "ray"])
def test_a_sweep_whose_controller_is_killed_ends_with_every_run_done_once(request, tmp_path, launcher):
    request.getfixturevalue(launcher)
    paths = SweepPaths(tmp_path, "my_test")
    first = sweep(tmp_path, launcher)
    wait_until(lambda: "attempt_submitted" in kinds(paths), "the first submission", 60)
    time.sleep(0.5)
    first.kill()
    first.communicate()
    second = sweep(tmp_path, launcher)
    output, _ = second.communicate(timeout=200)
    assert second.returncode == 0, output
    found = kinds(paths)
    assert found.count("run_finished") == 3
    assert found.count("attempt_failed") == 0
    assert found.count("attempt_started") == 3
    assert len(paths.run_ids()) == 3


def test_a_sweep_goes_on_with_another_launcher_while_the_first_ones_runs_are_alive(slurm, tmp_path, monkeypatch):
    """Begun on SLURM, gone on with on this machine: the job is followed by SLURM's launcher and ends once."""
    trial, go = tmp_path / "trial.py", tmp_path / "go"
    trial.write_text(
        "import sys, time, pathlib, metta_sweep\n"
        "while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.05)\n"
        "metta_sweep.finish(score=1.0)\n"
    )
    (tmp_path / "two.yaml").write_text(
        "rollout_count: 2\nsweep:\n  metric: score\n  parameters:\n    x: {distribution: uniform, min: 0.0, max: 1.0}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{os.environ.get('PYTHONPATH', '')}")
    command = [sys.executable, "-m", "metta_sweep.commands", "run", "run=t", f"++sweep_params={tmp_path / 'two.yaml'}"]
    command += [f"data_dir={tmp_path}", "wandb=off", f"command={sys.executable} {trial} {go}"]
    paths = SweepPaths(tmp_path, "t")
    first = subprocess.Popen([*command, "launcher=slurm", "launcher.max_parallel=1"])
    wait_until(lambda: "attempt_submitted" in kinds(paths), "the first submission", 120)
    first.kill()
    first.wait()
    second = subprocess.Popen([*command, "launcher=local"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until_s = time.monotonic() + 200
    while "watching it again" not in second.stdout.readline():
        assert time.monotonic() < until_s
    go.touch()
    output, _ = second.communicate(timeout=200)
    assert second.returncode == 0, output
    state = SweepState.fold(map(from_json, read_events(paths)))
    ran = {run.run_id: [(one.launcher, str(one.state)) for one in run.attempts] for run in state.runs.values()}
    assert ran == {"t.r.0": [("slurm", "finished")], "t.r.1": [("local", "finished")]}
