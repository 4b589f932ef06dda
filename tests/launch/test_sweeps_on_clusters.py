"""A whole sweep on a real cluster: from the command line to the summary, its controller killed on the way."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from metta_sweep.store.journal import read_events
from metta_sweep.store.paths import SweepPaths
from tests.contract.conftest import ray, slurm, wait_until

__all__ = ["ray", "slurm"]

pytestmark = pytest.mark.slow


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
