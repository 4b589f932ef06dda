"""The bundled trainer under the sweep: warm starts, checkpoints after a kill, adoption, one thread."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time

import psutil
import pytest

SWEEP = """
rollout_count: {rollouts}
sweep:
  parameters:
    trainer.learning_rate: {{min: 0.0001, max: 0.01, distribution: log_normal}}
  trainer: {{total_timesteps: {steps}, batch_size: 1024, minibatch_size: 512, checkpoint_interval: 1}}
"""


def write(sweep, *, rollouts=1, steps=60_000):
    file = sweep.root / "bundled.yaml"
    file.write_text(SWEEP.format(rollouts=rollouts, steps=steps))
    return f"++sweep_params={file}"


def wait_for(found, timeout=90):
    until = time.monotonic() + timeout
    while not (value := found()):
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)
    return value


def training_process(sweep, attempt):
    """Return the process that holds the attempt's lock open and writes its log."""
    lock = next((sweep.root / "data").rglob(f"{attempt}.lock"))
    holders = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(file.path == str(lock) for file in process.open_files()):
                holders.append(process)
    return max(holders, key=lambda process: process.cpu_times().user)


def checkpoints(sweep):
    return list((sweep.root / "data").rglob("checkpoints/step-*.pt"))


@pytest.mark.slow
def test_a_killed_training_goes_on_from_its_checkpoint(sweep):
    asked = write(sweep)
    controller = sweep.start(asked)
    wait_for(lambda: len(checkpoints(sweep)) >= 1)
    training_process(sweep, "s.r.0.a1").kill()
    output, _ = controller.communicate(timeout=120)
    assert controller.returncode == 0, output
    (run,) = sweep.facts()["rollouts"][0]["runs"]
    assert (run["attempts"], run["steps"], run["state"]) == (2, 60_416, "finished")
    log = next((sweep.root / "data").rglob("train.log")).read_text()
    assert int(re.search(r"resumed from the checkpoint at step (\d+)", log)[1]) >= 1024


@pytest.mark.long
def test_a_training_that_outlives_its_controller_is_adopted(sweep):
    asked = write(sweep, rollouts=2)
    controller = sweep.start(asked)
    wait_for(lambda: checkpoints(sweep))
    controller.kill()
    controller.communicate()
    done = sweep.run(asked)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [run["attempts"] for row in sweep.facts()["rollouts"] for run in row["runs"]] == [1, 1]
    assert sweep.wait_until_quiet() == []


@pytest.mark.long
def test_a_training_trains_with_one_thread_and_repeats_from_its_config(sweep):
    assert sweep.run(write(sweep, steps=4_000)).returncode == 0
    (result,) = (sweep.root / "data").rglob("result.json")
    first = json.loads(result.read_text())
    config = result.with_name("config.yaml")
    again = subprocess.run(
        [sys.executable, "-m", "metta_sweep.train", f"config={config}", f"run_dir={sweep.root / 'again'}"],
        env={**sweep.env(), "OMP_NUM_THREADS": "1"},
        cwd=sweep.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    repeated = json.loads((sweep.root / "again" / "result.json").read_text())
    assert repeated["metrics"] == first["metrics"]
