"""A Hydra app under ``hydra/sweeper=protein`` from its own command line, killed and interrupted on the way."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time

import pytest
import yaml

from metta_sweep.report.reading import state_of
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.records import RunState
from tests.hydra_sweeper.conftest import environment, run, typed

LR = "optimizer.lr=tag(log,interval(1e-3,1))"
SETTINGS = ("hydra.sweeper.rollout_count=6", "hydra.sweeper.launcher.max_parallel=2", "seconds=1.5")


def state(folder, name="train"):
    return state_of(SweepPaths(folder / "data", name))


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.slow
def test_an_app_is_swept_to_its_total_and_tells_the_best_and_how_to_repeat_it(tmp_path):
    words = [
        LR,
        "model=small,large",
        "returns=mapping",
        "+extra.a='{b}'",
        "hydra.job.chdir=true",
        "hydra.sweep.dir=out",
    ]
    settings = ["hydra.sweeper.metric=loss", "hydra.sweeper.rollout_count=3", "hydra.sweeper.launcher.max_parallel=3"]
    done = run(*words, *settings, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = yaml.safe_load((tmp_path / "out" / "optimization_results.yaml").read_text())
    assert found == yaml.safe_load((tmp_path / "data/sweep/train/optimization_results.yaml").read_text())
    runs = [one for one in state(tmp_path).runs.values() if one.state is RunState.FINISHED]
    assert len(runs) == 3
    assert found["best_value"] == min(one.metrics["loss"] for one in runs)
    assert (tmp_path / "data/sweep/train/runs" / found["run"] / "output/.hydra/config.yaml").exists()
    log = (tmp_path / "data/sweep/train/runs/train.r.2/train.log").read_text()
    assert "job 2 seed 0 label plain extra {'a': '{b}'}" in log
    repeated = subprocess.run(
        [*shlex.split(found["command"]), "hydra.run.dir=again"], cwd=tmp_path, env=environment(), check=True
    )
    assert repeated.returncode == 0
    again = yaml.safe_load((tmp_path / "again/.hydra/config.yaml").read_text())
    assert again["optimizer"]["lr"] == pytest.approx(found["best_params"]["optimizer.lr"])
    once_more = run(*words, *settings, cwd=tmp_path)
    assert "complete: all 3 rollouts are done" in once_more.stdout
    assert len(state(tmp_path).runs) == 3


@pytest.mark.long
def test_a_plan_and_a_refusal_leave_nothing(tmp_path):
    planned = run(LR, "hydra.sweeper.plan=true", cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert "optimizer.lr" in planned.stdout
    refused = run("optimizer.lrr=1,2", "+hydra.sweeper.n_trials=3", cwd=tmp_path)
    assert refused.returncode == 2
    assert "did you mean lr?" in refused.stderr
    assert "hydra.sweeper.rollout_count=3" in refused.stderr
    deeper = run(LR, "hydra.sweeper.goal=min", "hydra.sweeper.limits.wall_tme=1", cwd=tmp_path)
    assert deeper.returncode == 2
    assert "hydra.sweeper.goal: need one of maximize, minimize" in deeper.stderr
    assert "hydra.sweeper.limits.wall_tme: is not known\n  fix: did you mean wall_time?" in deeper.stderr
    assert files(tmp_path) == []


@pytest.mark.long
def test_a_function_that_returns_none_is_named(tmp_path):
    done = run(LR, "returns=none", "hydra.sweeper.rollout_count=5", cwd=tmp_path)
    assert done.returncode == 1
    assert "the function under @hydra.main returned None: have it return return, a number" in done.stdout
    assert len(state(tmp_path).runs) == 3  # the same failure three times in a row


def started(folder, *words):
    return subprocess.Popen(
        typed(LR, *SETTINGS, *words, cwd=folder),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_runs(folder, amount, process):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if (folder / "data/sweep/train/sweep.db").exists() and len(state(folder).runs) >= amount:
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    raise AssertionError("no run was started")


@pytest.mark.long
@pytest.mark.skipif(os.uname().sysname != "Linux", reason="a controller is told of the death of its app on Linux")
def test_an_app_that_is_killed_goes_on_to_the_exact_total(tmp_path):
    process = started(tmp_path)
    wait_for_runs(tmp_path, 2, process)
    process.kill()
    process.communicate()
    second = run(LR, *SETTINGS, cwd=tmp_path)
    assert second.returncode == 0, second.stdout + second.stderr
    runs = state(tmp_path).runs.values()
    assert [one.state for one in runs] == [RunState.FINISHED] * 6
    assert [len(one.attempts) for one in runs] == [1] * 6  # adopted, not started again
    results = tmp_path.glob("data/sweep/train/runs/*/result.json")
    assert all("return" in json.loads(path.read_text())["metrics"] for path in results)


@pytest.mark.long
@pytest.mark.long
def test_ctrl_c_ends_the_runs_which_wait_for_the_next_start_and_two_at_once_are_told(tmp_path):
    process = started(tmp_path)
    wait_for_runs(tmp_path, 1, process)
    second = run(LR, *SETTINGS, cwd=tmp_path)
    assert second.returncode == 2
    assert "hydra.sweeper.name" in second.stderr
    assert "controlled by another process" in second.stderr
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130, said
    assert "Traceback" not in said


@pytest.mark.long
@pytest.mark.long
def test_a_folder_that_is_away_and_another_goal_are_named_and_nothing_is_lost(tmp_path):
    (tmp_path / "away").touch()
    refused = run(LR, f"hydra.sweeper.data_dir={tmp_path}/away/data", cwd=tmp_path)
    assert refused.returncode == 2
    assert f"hydra.sweeper.data_dir: {tmp_path}/away/data" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert run(LR, "hydra.sweeper.rollout_count=1", cwd=tmp_path).returncode == 0
    before = files(tmp_path / "data/sweep")
    turned = run(LR, "hydra.sweeper.rollout_count=2", "hydra.sweeper.goal=maximize", cwd=tmp_path)
    assert turned.returncode == 2
    assert "hydra.sweeper.goal: sweep 'train' was started with minimize, got maximize" in turned.stderr
    assert "add hydra.sweeper.change=goal" in turned.stderr
    assert files(tmp_path / "data/sweep") == before
